"""An executor for debuggers: one trial after the other in this process, which a crash would end."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from fer_bench.records.schema import Epoch
from fer_bench.sweep.executors.executor import POLL_SECONDS, TrialResult
from fer_bench.sweep.queue import TrialQueue
from fer_bench.training.callback import Callback
from fer_bench.training.planned_trial import PlannedTrial


def run_in_process(queue: TrialQueue, callback: Callback) -> Generator[TrialResult, None, None]:
    """Run the trials of a queue; see `Executor`."""
    from fer_bench.training.train import run_trial  # imports Keras

    while queue.has_pending():
        planned = queue.pop_ready()
        if planned is None:
            callback.on_poll()
            time.sleep(POLL_SECONDS)
            continue
        callback.on_trial_begin(planned)
        hooks = _TrialHooks(callback)
        record, predictions = run_trial(planned, hooks)
        if hooks.error:
            raise hooks.error
        yield TrialResult(planned, record, predictions)


class _TrialHooks(Callback):
    """Calls the hooks of a trial and remembers their error, which ends the sweep and is no failure of the trial."""

    def __init__(self, callback: Callback) -> None:
        self._callback = callback
        self.error: Exception | None = None

    def on_step_end(self, planned: PlannedTrial, step: int, steps: int, loss: float) -> None:
        with self._remember_error():
            self._callback.on_step_end(planned, step, steps, loss)

    def on_epoch_end(self, planned: PlannedTrial, epoch: Epoch) -> None:
        with self._remember_error():
            self._callback.on_epoch_end(planned, epoch)

    @contextmanager
    def _remember_error(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.error = error
            raise
