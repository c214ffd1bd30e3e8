"""One trial after the other in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fer_bench.sweep.executors.executor import Follow, Outcome, model_file_in
from fer_bench.sweep.plan import Planned
from fer_bench.training.train import run_trial


def here(missing: list[Planned], follow: Follow, models: Path | None) -> Iterator[Outcome]:
    """See `Executor`."""
    for number, planned in enumerate(missing, start=1):
        follower = follow(planned, number, len(missing))
        model_file = model_file_in(models, number)
        record, predictions = run_trial(
            planned.trial, planned.dataset, planned.fold, planned.weights_file, follower, model_file
        )
        yield Outcome(record, predictions, follower, model_file)
