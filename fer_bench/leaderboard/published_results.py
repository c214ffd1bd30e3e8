"""Published results: what papers and repositories report, from published_results.yaml, each with a badge.

As in RobustBench, published and measured figures are in two columns and never mixed. Does not import NumPy.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from fer_bench.core.errors import UserError
from fer_bench.core.text import one_line

FILE = Path(__file__).with_name("published_results.yaml")

Badge = Literal[
    "selected on validation", "selected on test", "PublicTest as test", "leaky folds", "extra data", "not reproduced"
]  # the file's header explains each


class PublishedResult(BaseModel):
    """One published figure; see the header of published_results.yaml. Unknown text is `unknown`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1)  # the authors' name
    value: float = Field(gt=0, lt=100)  # percent
    metric: str = Field(min_length=1)  # a column of the leaderboard
    dataset: str = Field(min_length=1)
    protocol: str = Field(min_length=1)  # as the authors' code has it
    views: str = Field(min_length=1)  # of each test image
    badge: Badge
    source: str = Field(min_length=1)
    url: str = Field(default="", pattern=r"^(https://\S+)?$")
    architecture: str | None = None  # our architecture that corresponds
    recipe: str | None = None  # our recipe that follows the authors'
    note: str = ""


def published_results(dataset: str | None = None, architecture: str | None = None) -> list[PublishedResult]:
    """Return the published results, only those of a dataset or of an architecture if one is named."""
    return [
        result
        for result in _all_results()
        if dataset in (None, result.dataset) and architecture in (None, result.architecture)
    ]


def read_file(file: Path) -> tuple[PublishedResult, ...]:
    """Read published results from a YAML file. Raises UserError for the first mistake in it."""
    try:
        return TypeAdapter(tuple[PublishedResult, ...]).validate_python(yaml.safe_load(file.read_text("utf-8")))
    except yaml.YAMLError as error:
        raise UserError(f"{file} is not valid YAML: {one_line(str(error))}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from None


@cache
def _all_results() -> tuple[PublishedResult, ...]:
    return read_file(FILE)
