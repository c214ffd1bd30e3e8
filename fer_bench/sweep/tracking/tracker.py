"""What a tracker is, and how a sweep tells one of its trials."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from fer_bench.core.errors import UserError
from fer_bench.records.schema import Epoch, Record, Trial
from fer_bench.sweep.executors.executor import Follower
from fer_bench.sweep.plan import PlannedTrial

# The curves, under the names that they have in a record.
CURVES = ("loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate")


class Tracked(Protocol):
    """One trial, as a tracker knows it."""

    def on_epoch_end(self, epoch: Epoch) -> None: ...

    def on_trial_end(self, record: Record | None) -> None:
        """None: it was interrupted."""


class Tracker(Protocol):
    """Keeps the trials of a sweep."""

    def begins(self, trial: Trial) -> Tracked: ...


def tracker(name: str, results: Path, experiment: str) -> Tracker:
    """The tracker of a name, which is that of a module here and of an extra; it writes below a results folder.

    UserError where its library is not installed.
    """
    try:
        module = importlib.import_module(f"fer_bench.sweep.tracking.{name}")
    except ImportError as error:
        raise UserError(f"--tracker {name} needs {error.name}: pip install 'fer-bench[{name}]'.") from None
    return module.make(results, experiment)


def flat(fields: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A resolved recipe with dotted keys."""
    told: dict[str, Any] = {}
    for key, value in fields.items():
        told |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return told


class Tracking:
    """Passes on what a sweep tells, and tells a tracker of it; what that raises is a warning. A context manager."""

    def __init__(self, keeper: Tracker, sweep: Any) -> None:
        self._keeper, self._sweep = keeper, sweep
        self.open: dict[int, Tracked] = {}  # trials that have not ended

    def __enter__(self) -> Tracking:
        return self

    def __exit__(self, *_) -> None:
        for tracked in list(self.open.values()):
            attempt(lambda tracked=tracked: tracked.on_trial_end(None))

    def trial_begins(self, planned: PlannedTrial, number: int, of: int) -> Follower:
        follower = self._sweep.trial_begins(planned, number, of)
        tracked = attempt(lambda: self._keeper.begins(planned.trial))
        if tracked is None:
            return follower
        self.open[number] = tracked
        return _Told(follower, tracked, lambda: self.open.pop(number, None))

    def elsewhere(self, planned: PlannedTrial) -> None:
        self._sweep.elsewhere(planned)


class _Told:
    def __init__(self, follower: Follower, tracked: Tracked, ended: Callable[[], Any]) -> None:
        self._follower, self._tracked, self._ended = follower, tracked, ended

    def on_step_end(self, step: int, steps: int, loss: float) -> None:
        self._follower.on_step_end(step, steps, loss)

    def on_epoch_end(self, epoch: Epoch, epochs: int) -> None:
        self._follower.on_epoch_end(epoch, epochs)
        attempt(lambda: self._tracked.on_epoch_end(epoch))

    def on_trial_end(self, record: Record) -> None:
        self._follower.on_trial_end(record)
        self._ended()
        attempt(lambda: self._tracked.on_trial_end(record))


def attempt(told: Callable[[], Any]) -> Any:
    """What it returns; None and a warning where it raises: a tracker that fails costs no trial."""
    try:
        return told()
    except Exception as error:
        logging.getLogger(__name__).warning("The tracker failed: %s: %s", type(error).__name__, error)
        return None
