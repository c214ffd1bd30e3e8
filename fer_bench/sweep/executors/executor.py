"""What an executor is: it takes trials and gives back what became of them, in whatever order they end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fer_bench.sweep.plan import Planned
from fer_bench.training.train import Watcher
from fer_bench.trial import Predictions, Record


class Follower(Watcher, Protocol):
    """Whoever follows one trial of a sweep."""

    def ends(self, record: Record) -> None: ...


Follow = Callable[[Planned, int, int], Follower]  # a trial begins: which, its number from 1, of how many


@dataclass(frozen=True)
class Outcome:
    """A trial that has ended; model_file is where its model was to be kept, if it was."""

    record: Record
    predictions: dict[str, Predictions]
    follower: Follower
    model_file: Path | None = None


class Executor(Protocol):
    """Runs trials; `models` is a folder for their trained models where those are kept."""

    def __call__(self, missing: list[Planned], follow: Follow, models: Path | None) -> Iterator[Outcome]: ...


def model_file_in(models: Path | None, number: int) -> Path | None:
    return None if models is None else models / f"{number}.keras"
