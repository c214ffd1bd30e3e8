"""An executor for debuggers: one trial after the other in this process, which a crash would end."""

from __future__ import annotations

import time
from collections.abc import Generator

from fer_bench.sweep.executors.executor import POLL_SECONDS, TrialResult
from fer_bench.sweep.queue import TrialQueue
from fer_bench.training.callback import Callback


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
        yield TrialResult(planned, *run_trial(planned, callback))
