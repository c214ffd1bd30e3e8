"""Trials in processes of this machine, one or several at a time, each on cores of its own; none takes another down.

Processes are used again while they are well, so that Keras is imported once in each. Images are not sent: each process
maps the same file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from multiprocessing.connection import wait
from pathlib import Path

from fer_bench.datasets.dataset import Dataset
from fer_bench.records.schema import Record
from fer_bench.sweep.executors.executor import POLL_SECONDS, Follow, Outcome
from fer_bench.sweep.executors.memmap import on_disk
from fer_bench.sweep.executors.resources import Share
from fer_bench.sweep.executors.worker_handle import Handle, Limits, end
from fer_bench.sweep.queue import Turns


class Processes:
    """An executor; see `Executor`. As many trials at a time as there are shares; `idle` runs those of its own."""

    def __init__(self, shares: Sequence[Share], limits: Limits | None = None, idle: Handle | None = None) -> None:
        self._shares = shares
        self._limits = limits or Limits()
        self._handles: dict[int, Handle] = {}  # by place
        if idle and idle.share in shares and idle.process.is_alive():
            self._handles[shares.index(idle.share)] = idle

    def stop(self) -> None:
        """End the processes."""
        end(self._handles.values())
        self._handles.clear()

    def __call__(self, turns: Turns, follow: Follow) -> Iterator[Outcome]:
        with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
            datasets = _Datasets(Path(folder))
            try:
                while turns or self._busy():
                    for place in range(len(self._shares)):
                        if not self._free(place) or (turn := turns.take()) is None:
                            continue
                        number, dataset = datasets.numbered(turn.planned.dataset)
                        self._handle(place).give(turn, follow(turn), number, dataset)
                    ends = [of for handle in self._busy() for of in (handle.connection, handle.process.sentinel)]
                    wait(ends, POLL_SECONDS)
                    turns.check()
                    for handle in self._busy():
                        turn, follower = handle.turn, handle.follower
                        if told := handle.hear(self._limits):
                            record, predictions = told
                            yield Outcome(turn, self._marked(record), predictions, follower)
            finally:
                self.stop()

    def _busy(self) -> list[Handle]:
        return [handle for handle in self._handles.values() if handle.turn]

    def _free(self, place: int) -> bool:
        return place not in self._handles or self._handles[place].turn is None

    def _handle(self, place: int) -> Handle:
        """The process of a place, which may have died idle, too."""
        if place not in self._handles or not self._handles[place].process.is_alive():
            self._handles[place] = Handle(self._shares[place])
        return self._handles[place]

    def _marked(self, record: Record) -> Record:
        if record.costs is None or len(self._shares) == 1:
            return record
        costs = record.costs.model_copy(update={"concurrent_trials": len(self._shares)})
        return record.model_copy(update={"costs": costs})


class _Datasets:
    """Datasets in a form that processes share, each under a number."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: list[tuple[Dataset, Dataset]] = []  # as it came, and as it is shared

    def numbered(self, dataset: Dataset) -> tuple[int, Dataset]:
        for number, (known, shared) in enumerate(self._known):
            if known is dataset:
                return number, shared
        number = len(self._known)
        self._known.append((dataset, on_disk(dataset, self._folder / f"{number}.npy")))
        return number, self._known[number][1]
