"""One trial after the other in this process: for debuggers, since whatever kills one kills the sweep."""

from __future__ import annotations

import time
from collections.abc import Iterator

from fer_bench.sweep.executors.executor import POLL_SECONDS, Follow, Outcome
from fer_bench.sweep.queue import Turns


def here(turns: Turns, follow: Follow) -> Iterator[Outcome]:
    """See `Executor`."""
    from fer_bench.training.train import run_trial  # imports Keras

    while turns:
        turn = turns.take()
        if turn is None:
            turns.check()
            time.sleep(POLL_SECONDS)
            continue
        follower, planned = follow(turn), turn.planned
        record, predictions = run_trial(
            planned.trial,
            planned.dataset,
            planned.fold,
            planned.weights_file,
            follower,
            turn.model_file,
            turn.checkpoint,
            turn.accumulate,
        )
        yield Outcome(turn, record, predictions, follower)
