"""Trackers: each trial's settings, curves and record are also logged to TensorBoard or MLflow.

A tracker is a module of this package with a function `create(results, experiment)` that returns a `Tracker`, and an
extra of the same name in pyproject.toml.
"""

from __future__ import annotations

import importlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from fer_bench.core.errors import UserError
from fer_bench.records.schema import Epoch, Record, Trial
from fer_bench.training.callback import Callback
from fer_bench.training.planned_trial import PlannedTrial

# The curves, under the names that they have in a record.
CURVES = ("loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate")

T = TypeVar("T")


class TrackedRun(Protocol):
    """One trial in a tracker."""

    def log_epoch(self, epoch: Epoch) -> None:
        """Log the curves of an epoch."""

    def end(self, record: Record | None) -> None:
        """End the run; None if the trial was interrupted."""


class Tracker(Protocol):
    """A service that shows runs beside each other."""

    def start_run(self, trial: Trial) -> TrackedRun:
        """Start the run of a trial."""


def create_tracker(name: str, results: Path, experiment: str) -> Tracker:
    """Return the tracker of a name.

    Args:
        name: Name of a module of this package and of an extra.
        results: The results folder; trackers without a server write below it.
        experiment: Name of the experiment.

    Raises:
        UserError: The tracker's library is not installed.
    """
    try:
        module = importlib.import_module(f"fer_bench.sweep.tracking.{name}")
    except ImportError as error:
        raise UserError(f"--tracker {name} needs {error.name}: pip install 'fer-bench[{name}]'.") from None
    return module.create(results, experiment)


class TrackerCallback(Callback):
    """Logs the trials of a sweep to a tracker. An error of the tracker is a warning and fails no trial."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._runs: dict[str, TrackedRun] = {}  # of running trials, by key

    def on_trial_begin(self, planned: PlannedTrial) -> None:
        if run := warn_on_error(lambda: self._tracker.start_run(planned.trial)):
            self._runs[planned.key] = run

    def on_epoch_end(self, planned: PlannedTrial, epoch: Epoch) -> None:
        if run := self._runs.get(planned.key):
            warn_on_error(lambda: run.log_epoch(epoch))

    def on_trial_end(self, planned: PlannedTrial, record: Record) -> None:
        if run := self._runs.pop(planned.key, None):
            warn_on_error(lambda: run.end(record))

    def on_sweep_end(self, stop_reason: str) -> None:
        for run in self._runs.values():
            warn_on_error(lambda run=run: run.end(None))  # type: ignore[misc]
        self._runs.clear()


def warn_on_error(call: Callable[[], T]) -> T | None:
    """Return the result of a call; log a warning and return None if it raises."""
    try:
        return call()
    except Exception as error:
        logging.getLogger(__name__).warning("The tracker failed: %s: %s", type(error).__name__, error)
        return None
