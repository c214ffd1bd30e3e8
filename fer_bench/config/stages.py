"""Values of a recipe that may change during training: one value, or pairs of start and value, one per stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import Field

Start = Annotated[float, Field(ge=0)]  # from 1 on an epoch; below 1 a fraction of all epochs
T = TypeVar("T")


def is_list_of_pairs(value: Any) -> bool:
    """Return whether a value of a recipe has the form [[start, value], …]."""
    pairs = isinstance(value, list | tuple)
    return pairs and len(value) > 0 and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value)


def first_epochs(value: T | tuple[tuple[float, T], ...], epochs: int) -> dict[int, T]:
    """Return the first epoch of each stage and its value, for a run of `epochs` epochs."""
    if not isinstance(value, tuple):
        return {1: value}
    return {int(start) if start >= 1 else 1 + round(start * epochs): item for start, item in value}


def value_at(stages: Mapping[int, T], epoch: int) -> T:
    """Return the value in an epoch, from the result of `first_epochs`."""
    return stages[max(start for start in stages if start <= epoch)]


def last_value(value: Any) -> Any:
    """Return the value of the last stage; pairs may be lists, as in a record."""
    return value[-1][1] if isinstance(value, list | tuple) else value


def check_stages(name: str, value: object, epochs: int) -> None:
    """Raise ValueError unless the first pair starts at 0, and all fit into the epochs in chronological order."""
    if not isinstance(value, tuple):
        return
    if value[0][0] not in (0, 1):
        raise ValueError(f"the first pair of {name} must start at 0")
    stages = first_epochs(value, epochs)
    if max(stages) > epochs or len(stages) < len(value):
        raise ValueError(f"{name} has more stages than fit in {epochs} epochs")
    if list(stages) != sorted(stages):
        raise ValueError(f"the pairs of {name} are not in chronological order")
