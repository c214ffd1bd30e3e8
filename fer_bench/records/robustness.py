"""RESULTS/records/<record>/robustness.json: a kept model's accuracy on corrupted test images."""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from fer_bench.errors import UserError

FILE = "robustness.json"


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
    uncorrupted: float
    accuracy: dict[str, dict[int, float]]
    samples: int
    test: int
    seed: int
    test_views: str
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
        raise UserError(f"{file} cannot be written: {error.strerror or error}.") from None


def read(record: Path) -> Robustness | None:
    """What is beside a record, by the record's folder; None where there is nothing that can be read."""
    try:
        return Robustness.model_validate_json((record / FILE).read_bytes())
    except (OSError, ValidationError):
        return None
