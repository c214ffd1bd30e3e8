"""What an executor is: it takes trials and gives back what became of them, in whatever order they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from fer_bench.records.schema import Epoch, Predictions, Record
from fer_bench.sweep.queue import Turn, Turns
from fer_bench.training.callback import TrainingCallback

POLL_SECONDS = 1.0  # between two looks whether the sweep is to end, or a trial may begin


class Follower(TrainingCallback, Protocol):
    """Whoever follows one trial of a sweep."""

    def on_trial_end(self, record: Record) -> None: ...


Follow = Callable[[Turn], Follower]  # a trial begins


@dataclass(frozen=True)
class Outcome:
    """A trial that has ended."""

    turn: Turn
    record: Record
    predictions: dict[str, Predictions]
    follower: Follower


class Executor(Protocol):
    """Runs trials."""

    def __call__(self, turns: Turns, follow: Follow) -> Iterator[Outcome]: ...


def failed(turn: Turn, reason: str, started: str, machine: dict[str, Any], history: list[Epoch]) -> Record:
    """The record of a trial that could not make its own."""
    planned, fold = turn.planned, turn.planned.fold
    return Record(
        trial=planned.trial,
        status="failed",
        reason=reason,
        started=started,
        machine=machine,
        classes=list(planned.dataset.classes),
        samples={part: len(getattr(fold, part)) for part in ("training", "validation", "test")},
        split_notes=list(fold.notes),
        history=history,
    )
