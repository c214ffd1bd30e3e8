"""RESULTS/records/<record>/robustness.json: a kept model's accuracy on corrupted test images."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fer_bench.core.errors import write_error

FILE = "robustness.json"
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
BySeverity = Annotated[dict[int, Fraction], Field(min_length=1)]


class Robustness(BaseModel):
    """Accuracy under corruptions, with all that a reader must know of it.

    model: what tables call it; accuracy: by corruption, then by severity, on the same images as `uncorrupted`;
    samples: how many of the `test` images of the dataset and protocol they are, a stratified sample where fewer; seed:
    of that sample and of the corruptions' chance; versions: of the libraries that corrupt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    dataset: str
    protocol: str
    fold: int = 0
    key: str | None = None  # of the trial that trained the model
    uncorrupted: Fraction
    accuracy: Annotated[dict[str, BySeverity], Field(min_length=1)]
    samples: int
    test: int
    seed: int
    tta: str
    versions: dict[str, str]


def write(file: Path, robustness: Robustness) -> None:
    """Write it so that readers see the old file or the new one, never a part. UserError where that cannot be done."""
    part = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
    try:
        part.write_text(robustness.model_dump_json(indent=1) + "\n", encoding="utf-8")
        os.replace(part, file)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise write_error(file, error) from None


def read(record: Path) -> Robustness | None:
    """What is beside a record, by the record's folder; None where there is nothing.

    ValueError, with what is wrong in a few words, where it cannot be read.
    """
    try:
        return Robustness.model_validate_json((record / FILE).read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(f"{FILE} cannot be read ({type(error).__name__})") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{FILE}: {'.'.join(map(str, first['loc']))} {first['msg']}".replace(":  ", ": ")) from None
