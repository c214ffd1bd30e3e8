"""A process that runs the trials it is sent, one after the other, until nobody sends any more."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from fer_bench.architecture import ARCHITECTURES
from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.fold import Fold
from fer_bench.trial import Epoch, Predictions, Record, Trial

STEP_SECONDS = 0.25  # between two steps that are told


@dataclass(frozen=True)
class Job:
    """A trial to run; `dataset` is the number under which the worker has been sent its data."""

    trial: Trial
    source: Path  # of the architecture, which may lie outside the registry's own folder
    dataset: int
    fold: Fold
    weights_file: Path | None
    model_file: Path | None
    log: Path


@dataclass(frozen=True)
class Event:
    """What a worker tells: (step, steps, loss), (epoch, epochs), or (record, predictions)."""

    kind: Literal["step", "epoch", "end"]
    told: tuple[Any, ...]


def serve(connection: Connection, cores: set[int]) -> None:
    """Run jobs from a connection on some cores alone. Whatever they print goes to their logs.

    Ctrl-C is the other side's to hear; when it is gone, so is this process.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "sched_setaffinity"):  # TensorFlow and BLAS take as many threads as the process may use cores
        os.sched_setaffinity(0, cores)
    datasets: dict[int, Dataset] = {}
    try:
        while True:
            match connection.recv():
                case (int(number), Dataset() as dataset):
                    datasets[number] = dataset
                case Job() as job:
                    _log_to(job.log)
                    connection.send(Event("end", _run(job, datasets[job.dataset], connection)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _run(job: Job, dataset: Dataset, connection: Connection) -> tuple[Record, dict[str, Predictions]]:
    from fer_bench.training.train import run_trial  # here the process takes its seconds to import Keras

    if job.trial.architecture not in ARCHITECTURES:
        ARCHITECTURES.scan(job.source)
    return run_trial(job.trial, dataset, job.fold, job.weights_file, _Teller(connection), job.model_file)


class _Teller:
    """Tells the other side of steps, though not of all, and of epochs."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._told = connection, 0.0

    def step(self, step: int, steps: int, loss: float) -> None:
        now = time.monotonic()
        if step == 1 or now - self._told > STEP_SECONDS:
            self._told = now
            self._connection.send(Event("step", (step, steps, loss)))

    def epoch(self, epoch: Epoch, epochs: int) -> None:
        self._connection.send(Event("epoch", (epoch, epochs)))


def _log_to(file: Path) -> None:
    """Standard output and errors into a file, of this process and of the libraries in it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for stream in (1, 2):
        os.dup2(opened, stream)
    os.close(opened)
