"""Trials in processes of this machine, several side by side, each on cores of its own; none takes another down.

Processes are used again while they are well, so that Keras is imported once in each. Images are not sent: each process
maps the same file.
"""

from __future__ import annotations

import datetime
import mmap
import multiprocessing
import os
import signal
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import keras
import numpy as np

from fer_bench.architecture import ARCHITECTURES
from fer_bench.datasets.dataset import Dataset
from fer_bench.records.store import folder_of
from fer_bench.sweep.executors.executor import Follow, Follower, Outcome, model_file_in
from fer_bench.sweep.executors.worker import Event, Job, serve
from fer_bench.sweep.plan import Planned
from fer_bench.training.machine import describe_machine
from fer_bench.trial import Predictions, Record

LOGS = "logs"
TAIL = 400  # characters of a log that a record tells
GRACE_SECONDS = 5.0  # between asking a process to end and ending it


@dataclass
class _Worker:
    """A process and what it is doing."""

    process: BaseProcess
    connection: Connection
    has: set[int] = field(default_factory=set)  # numbers of the datasets it has been sent
    planned: Planned | None = None
    follower: Follower | None = None
    job: Job | None = None
    started: str = ""


class Processes:
    """An executor; see `Executor`. `count` trials run at a time, on equal shares of the cores."""

    def __init__(self, count: int, results: Path) -> None:
        self._shares = shares_of(available_cores(), count)
        self._results = results

    def __call__(self, missing: list[Planned], follow: Follow, models: Path | None) -> Iterator[Outcome]:
        waiting = deque(enumerate(missing, start=1))
        workers: dict[int, _Worker] = {}
        with tempfile.TemporaryDirectory(prefix="fer-bench-") as folder:
            numbers: dict[int, int] = {}
            shared: list[Dataset] = []
            try:
                while waiting or any(worker.job for worker in workers.values()):
                    for place, cores in enumerate(self._shares):
                        if waiting and (place not in workers or workers[place].job is None):
                            worker = workers.get(place)
                            if worker is None or not worker.process.is_alive():  # it may have died idle, too
                                worker = workers[place] = _started(cores)
                            number, planned = waiting.popleft()
                            dataset = planned.dataset
                            if id(dataset) not in numbers:
                                numbers[id(dataset)] = len(shared)
                                shared.append(_on_disk(dataset, Path(folder) / f"{len(shared)}.npy"))
                            at = numbers[id(dataset)]
                            follower = follow(planned, number, len(missing))
                            self._give(worker, planned, follower, at, shared[at], model_file_in(models, number))
                    busy = [worker for worker in workers.values() if worker.job]
                    wait([end for w in busy for end in (w.connection, w.process.sentinel)])
                    for worker in busy:
                        ended = self._heard(worker)
                        if ended is None and not worker.process.is_alive():
                            ended = self._heard(worker) or self._died(worker)
                        if ended is None:
                            continue
                        record, predictions = ended
                        outcome = Outcome(self._marked(record), predictions, worker.follower, worker.job.model_file)
                        worker.job = None
                        yield outcome
            finally:
                _end(list(workers.values()))

    def _give(
        self,
        worker: _Worker,
        planned: Planned,
        follower: Follower,
        number: int,
        dataset: Dataset,
        model_file: Path | None,
    ) -> None:
        log = self._results / LOGS / f"{folder_of(self._results, planned.trial).name}.log"
        source = ARCHITECTURES.get(planned.trial.architecture).file
        job = Job(planned.trial, source, number, planned.fold, planned.weights_file, model_file, log)
        worker.planned, worker.follower, worker.job = planned, follower, job
        worker.started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        try:
            if number not in worker.has:
                worker.connection.send((number, dataset))
                worker.has.add(number)
            worker.connection.send(job)
        except OSError:
            return  # it has died meanwhile, which its sentinel tells

    def _heard(self, worker: _Worker) -> tuple[Record, dict[str, Predictions]] | None:
        """Passes on what a worker tells; what its trial came to, if it has."""
        try:
            while worker.connection.poll():
                event: Event = worker.connection.recv()
                if event.kind == "end":
                    return event.told
                getattr(worker.follower, event.kind)(*event.told)
        except (EOFError, OSError):
            pass
        return None

    def _died(self, worker: _Worker) -> tuple[Record, dict[str, Predictions]]:
        worker.process.join()
        planned, fold = worker.planned, worker.planned.fold
        reason = f"its process {_cause(worker.process.exitcode)}"
        if tail := _tail(worker.job.log):
            reason += f"; the end of its log: {tail}"
        record = Record(
            trial=planned.trial,
            status="failed",
            reason=reason,
            started=worker.started,
            machine=describe_machine(keras.backend.backend()),
            classes=list(planned.dataset.classes),
            samples={part: len(getattr(fold, part)) for part in ("training", "validation", "test")},
            remarks=list(fold.remarks),
        )
        return record, {}

    def _marked(self, record: Record) -> Record:
        if record.costs is None or len(self._shares) == 1:
            return record
        costs = record.costs.model_copy(update={"beside": len(self._shares)})
        return record.model_copy(update={"costs": costs})


def available_cores() -> list[int]:
    """Numbers of the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def shares_of(cores: list[int], count: int) -> list[set[int]]:
    """Equal shares of the cores, one for each of `count` trials at a time; of more trials than cores some share one."""
    each = max(1, len(cores) // count)
    return [{cores[(place * each + i) % len(cores)] for i in range(each)} for place in range(count)]


def _started(cores: set[int]) -> _Worker:
    # Not forked: a forked TensorFlow hangs.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(theirs, cores), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _end(workers: list[_Worker]) -> None:
    for worker in workers:
        worker.connection.close()
        worker.process.terminate()
    for worker in workers:
        worker.process.join(GRACE_SECONDS)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        name = signal.Signals(-code).name
        hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
        return f"was ended by {name}{hint}"
    return f"ended with exit status {code}"


def _tail(log: Path) -> str:
    try:
        return log.read_text(errors="replace")[-TAIL:].strip()
    except OSError:
        return ""


def _on_disk(dataset: Dataset, file: Path) -> Dataset:
    """With images that other processes can map: those in memory are written to a file."""
    if _is_map(dataset.images):
        return dataset
    np.save(file, dataset.images)
    return replace(dataset, images=np.load(file, mmap_mode="r"))


def _is_map(array: np.ndarray) -> bool:
    """Whether it is a memory map of a file as it is, and no part of one."""
    return type(array) is np.memmap and isinstance(array.base, mmap.mmap) and array.filename is not None


def _reduced(array: np.memmap):
    if not _is_map(array):
        return np.asarray(array).__reduce__()
    order = "C" if array.flags.c_contiguous else "F"
    return np.memmap, (array.filename, array.dtype, "r", array.offset, array.shape, order)


ForkingPickler.register(np.memmap, _reduced)
