"""What every executor has: it takes trials from a queue and yields their results in the order in which they end."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from fer_bench.records.schema import Epoch, Predictions, Record
from fer_bench.sweep.queue import TrialQueue
from fer_bench.training.callback import Callback
from fer_bench.training.planned_trial import PlannedTrial

POLL_SECONDS = 1.0  # between two calls of `on_poll`
START_SECONDS = 600.0  # for importing Keras, which counts for no trial
STALLED = "it stalled"


class TrialResult(NamedTuple):
    """A trial that has ended, with its record and its predictions by split."""

    planned: PlannedTrial
    record: Record
    predictions: dict[str, Predictions]


class Executor(Protocol):
    """Runs the trials of a queue. Calls the callback's `on_trial_begin`, `on_step_end`, `on_epoch_end`, `on_poll`."""

    def __call__(self, queue: TrialQueue, callback: Callback) -> Generator[TrialResult, None, None]: ...


@dataclass(frozen=True)
class TimeLimits:
    """Seconds that a trial may take, and may take for one step; None for no limit."""

    trial_timeout: float | None = None
    stall_timeout: float | None = None

    def exceeded(self, ready: bool, started: float, last_event: float) -> str | None:
        """Return why a trial must end now; None if it may continue.

        Args:
            ready: Whether Keras has started in the trial's process; until then the time counts for no limit.
            started: Time of the monotonic clock when the trial, or the import of Keras, started.
            last_event: Time of the last sign of life.
        """
        now = time.monotonic()
        if not ready and now - started < START_SECONDS:
            return None
        if self.trial_timeout is not None and now - started > self.trial_timeout:
            return f"it took longer than the {self.trial_timeout:g} s of --trial-timeout"
        if self.stall_timeout is not None and now - last_event > self.stall_timeout:
            return f"{STALLED}: no step in the {self.stall_timeout:g} s of --stall-timeout"
        return None


def failed_record(
    planned: PlannedTrial, reason: str, started: str, machine: dict[str, Any], history: list[Epoch]
) -> Record:
    """Return the record of a trial whose process could not write its own."""
    return Record(
        trial=planned.trial,
        status="failed",
        reason=reason,
        started=started,
        machine=machine,
        classes=list(planned.dataset.classes),
        samples=planned.fold.sizes,
        split_notes=list(planned.fold.notes),
        history=history,
    )


def with_concurrency(record: Record, concurrent_trials: int) -> Record:
    """Return the record with the number of trials that shared its machine."""
    if record.costs is None or concurrent_trials == 1:
        return record
    costs = record.costs.model_copy(update={"concurrent_trials": concurrent_trials})
    return record.model_copy(update={"costs": costs})
