"""What papers and repositories report, from reported.yaml: each figure with how it came about and a badge.

As in RobustBench, reported and measured figures stand in two columns and are never mixed. Imports no NumPy.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from fer_bench.core.errors import UserError

FILE = Path(__file__).with_name("published_results.yaml")

Badge = Literal[
    "clean", "selected on test", "PublicTest as test", "leaky folds", "extra data", "not reproduced"
]  # what each means stands at the head of the file


class Claim(BaseModel):
    """One reported figure. `unknown` stands where a thing is not known; see the head of reported.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1)  # as its authors call it
    value: float = Field(gt=0, lt=100)  # per cent
    metric: str = Field(min_length=1)  # a column of the leaderboard
    dataset: str = Field(min_length=1)
    protocol: str = Field(min_length=1)  # as found in the program
    views: str = Field(min_length=1)  # of each test image
    badge: Badge
    source: str = Field(min_length=1)
    url: str = Field(default="", pattern=r"^(https://\S+)?$")
    architecture: str | None = None  # of our registry
    recipe: str | None = None  # of ours, that puts it to the test
    note: str = ""


def reported(dataset: str | None = None, architecture: str | None = None) -> list[dict[str, Any]]:
    """The reported figures, of one dataset or one architecture where that is named: the fields of `Claim` for each."""
    return [
        claim.model_dump()
        for claim in _claims()
        if dataset in (None, claim.dataset) and architecture in (None, claim.architecture)
    ]


def read(file: Path) -> tuple[Claim, ...]:
    """The claims in a file. UserError in one sentence for anything that is wrong with one."""
    try:
        return TypeAdapter(tuple[Claim, ...]).validate_python(yaml.safe_load(file.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise UserError(f"{file} is not valid YAML: {' '.join(str(error).split())}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None


@cache
def _claims() -> tuple[Claim, ...]:
    return read(FILE)
