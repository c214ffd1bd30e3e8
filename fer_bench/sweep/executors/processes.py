"""An executor that runs trials in processes of this machine, one or several at a time, each on cores of its own.

A process that crashes ends alone. Processes are reused while they are healthy, so that each imports Keras once. Images
are not copied: every process maps the same file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Sequence
from dataclasses import replace
from multiprocessing.connection import wait
from pathlib import Path

from fer_bench.datasets.dataset import Dataset
from fer_bench.sweep.executors.executor import POLL_SECONDS, TimeLimits, TrialResult, with_concurrency
from fer_bench.sweep.executors.memmap import ensure_memmap
from fer_bench.sweep.executors.resources import ResourceSlot
from fer_bench.sweep.executors.worker_handle import WorkerHandle, stop_workers
from fer_bench.sweep.queue import TrialQueue
from fer_bench.training.callback import Callback


class ProcessExecutor:
    """Runs as many trials at a time as there are slots; see `Executor`.

    Args:
        slots: The share of the machine that each concurrent trial gets.
        limits: Time limits per trial.
        idle: A worker that has started already; it is used if its slot is one of `slots`.
    """

    def __init__(
        self, slots: Sequence[ResourceSlot], limits: TimeLimits | None = None, idle: WorkerHandle | None = None
    ) -> None:
        self._slots = slots
        self._limits = limits or TimeLimits()
        self._workers: dict[int, WorkerHandle] = {}  # by index of the slot
        if idle and idle.slot in slots and idle.process.is_alive():
            self._workers[slots.index(idle.slot)] = idle

    def stop(self) -> None:
        """End the processes."""
        stop_workers(self._workers.values())
        self._workers.clear()

    def __call__(self, queue: TrialQueue, callback: Callback) -> Generator[TrialResult, None, None]:
        with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
            shared = _SharedDatasets(Path(folder))
            try:
                while queue.has_pending() or self._busy():
                    for index in range(len(self._slots)):
                        if self._is_free(index) and (planned := queue.pop_ready()):
                            callback.on_trial_begin(planned)
                            self._worker(index).submit(replace(planned, dataset=shared.get(planned.dataset)))
                    wait([x for w in self._busy() for x in (w.connection, w.process.sentinel)], POLL_SECONDS)
                    callback.on_poll()
                    for worker in self._busy():
                        if result := worker.poll(self._limits, callback):
                            yield result._replace(record=with_concurrency(result.record, len(self._slots)))
            finally:
                self.stop()

    def _busy(self) -> list[WorkerHandle]:
        return [worker for worker in self._workers.values() if worker.planned]

    def _is_free(self, index: int) -> bool:
        return index not in self._workers or self._workers[index].planned is None

    def _worker(self, index: int) -> WorkerHandle:
        """Return the worker of a slot; a new one if it has died while idle."""
        if index not in self._workers or not self._workers[index].process.is_alive():
            self._workers[index] = WorkerHandle(self._slots[index])
        return self._workers[index]


class _SharedDatasets:
    """Datasets whose images every process can map."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shared: dict[int, tuple[Dataset, Dataset]] = {}  # by identity; the original is held so that it stays

    def get(self, dataset: Dataset) -> Dataset:
        if id(dataset) not in self._shared:
            file = self._folder / f"{len(self._shared)}.npy"
            self._shared[id(dataset)] = dataset, ensure_memmap(dataset, file)
        return self._shared[id(dataset)][1]
