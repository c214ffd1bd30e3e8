"""Time to target: training and validation until the validation accuracy first reaches a target. Imports no NumPy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from itertools import accumulate

from fer_bench.core.errors import UserError
from fer_bench.core.text import split_names
from fer_bench.records.schema import Record

DEFAULT_TARGETS = (0.6,)  # validation accuracies


def parse_targets(values: str | float | Iterable[float]) -> tuple[float, ...]:
    """Return targets in ascending order, each once.

    Args:
        values: Validation accuracies, or a text that separates them by commas.

    Raises:
        UserError: One of them is no fraction above 0 and up to 1, or there is none.
    """
    if isinstance(values, str):
        values = _split(values)
    targets = {float(value) for value in ([values] if isinstance(values, float | int) else values)}
    if not targets or not all(0 < target <= 1 for target in targets):
        raise _no_target(", ".join(f"{target:g}" for target in sorted(targets) if not 0 < target <= 1))
    return tuple(sorted(targets))


def target_name(target: float) -> str:
    """Return a target in percent, as columns have it: `60`."""
    return f"{100 * target:g}"


def seconds_to_target(record: Record, target: float) -> float:
    """Return training and validation time to the end of the epoch that first reaches a target.

    It is infinite if no epoch does, and NaN for a record without epochs, such as that of an external model.
    """
    if not record.history:
        return math.nan
    seconds = accumulate(epoch.train_seconds + epoch.validation_seconds for epoch in record.history)
    reached = (s for s, epoch in zip(seconds, record.history, strict=True) if epoch.validation_accuracy >= target)
    return next(reached, math.inf)


def _split(text: str) -> list[float]:
    try:
        return [float(name) for name in split_names(text)]
    except ValueError:
        raise _no_target(text) from None


def _no_target(text: str) -> UserError:
    return UserError(
        f"'{text}' is no target: a target is a validation accuracy above 0 and up to 1. Write 0.60 for 60 %, and "
        "0.60,0.65 for two."
    )
