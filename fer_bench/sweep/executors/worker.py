"""A process that runs the trials it is sent, one after the other, until nobody sends any more."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.fold import Fold
from fer_bench.records.schema import Epoch, Predictions, Record, Trial
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.sweep.executors.resources import Share
from fer_bench.sweep.plan import check_importable
from fer_bench.sweep.queue import Turn

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
    checkpoint: Path | None
    accumulate: int
    log: Path

    @classmethod
    def of(cls, turn: Turn, dataset: int = 0) -> Job:
        planned = turn.planned
        return cls(
            planned.trial,
            ARCHITECTURES.get(planned.trial.architecture).file,
            dataset,
            planned.fold,
            planned.weights_file,
            turn.model_file,
            turn.checkpoint,
            turn.accumulate,
            turn.log,
        )


@dataclass(frozen=True)
class Survey:
    """A question: what machine this is, and whether architectures can be imported, each from a file."""

    backend: str
    architectures: Mapping[str, Path]


@dataclass(frozen=True)
class Event:
    """What a worker tells: (machine,), (step, steps, loss), (epoch, epochs), (record, predictions).

    Of a survey (machine, what is wrong or ""). On a cluster also (node,), (text to log,) and (checkpoint,), and at
    the end the trained model, both as bytes, None where it is not kept.
    """

    kind: Literal["survey", "node", "machine", "step", "epoch", "log", "checkpoint", "end"]
    told: tuple[Any, ...]


def serve(connection: Connection, share: Share) -> None:
    """Run jobs from a connection on a share of the machine. Whatever they print goes to their logs.

    Ctrl-C is the other side's to hear; when that is gone, so is this process. On SIGUSR1 it writes what it is doing.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _volunteer()
    os.environ.update(share.environment)
    if hasattr(os, "sched_setaffinity"):  # TensorFlow and BLAS take as many threads as the process may use cores
        os.sched_setaffinity(0, share.cores)
    _print_to(Path(os.devnull))
    with suppress(Exception):  # whatever is wrong there is the trial's to tell
        from fer_bench.training import devices, train  # noqa: F401  takes its seconds

        if len(share.devices) > 1:
            devices.share_batches()
    datasets: dict[int, Dataset] = {}
    try:
        while True:
            match connection.recv():
                case Survey() as survey:
                    connection.send(Event("survey", _surveyed(survey)))
                case (int(number), Dataset() as dataset):
                    datasets[number] = dataset
                case Job() as job:
                    _print_to(job.log)
                    connection.send(Event("end", run(job, datasets[job.dataset], connection.send)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _surveyed(survey: Survey) -> tuple[dict[str, Any], str]:
    try:
        from fer_bench.training.machine import describe_machine

        machine = describe_machine(survey.backend)
        import keras  # noqa: F401
    except Exception as error:
        return {}, f"Keras cannot start on the backend '{survey.backend}': {error}."
    try:
        for name, file in survey.architectures.items():
            if name not in ARCHITECTURES:
                ARCHITECTURES.scan(file)
        check_importable(survey.architectures)
    except UserError as error:
        return machine, str(error)
    return machine, ""


def run(job: Job, dataset: Dataset, tell) -> tuple[Record, dict[str, Predictions]]:
    """A trial, from a process that may know its architecture or not; `tell` is given its events."""
    from fer_bench.training.machine import describe_machine
    from fer_bench.training.train import run_trial

    _freeze_libraries()
    tell(Event("machine", (describe_machine(job.trial.backend),)))
    if job.trial.architecture not in ARCHITECTURES:
        ARCHITECTURES.scan(job.source)
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {job.trial}, {job.trial.recipe_name}", flush=True)
    record, predictions = run_trial(
        job.trial, dataset, job.fold, job.weights_file, _Teller(tell), job.model_file, job.checkpoint, job.accumulate
    )
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {record.status} {record.reason}".rstrip(), flush=True)
    return record, predictions


@cache
def _freeze_libraries() -> None:
    """Take what is loaded by now out of garbage collection, once: each trial ends with three full collections.

    They go through the million objects of TensorFlow and Keras otherwise, which takes a second a trial.
    """
    gc.collect()
    gc.freeze()


class _Teller:
    """Tells the other side of steps, though not of all, and of epochs; these stand in the log, too."""

    def __init__(self, tell) -> None:
        self._tell, self._told = tell, 0.0

    def on_step_end(self, step: int, steps: int, loss: float) -> None:
        now = time.monotonic()
        if step == 1 or now - self._told > STEP_SECONDS:
            self._told = now
            self._tell(Event("step", (step, steps, loss)))

    def on_epoch_end(self, epoch: Epoch, epochs: int) -> None:
        print(epoch_line(epoch, epochs), flush=True)
        self._tell(Event("epoch", (epoch, epochs)))


def epoch_line(epoch: Epoch, epochs: int) -> str:
    """An epoch as a log tells it."""
    return (
        f"epoch {epoch.epoch}/{epochs}: loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.2%}, "
        f"validation loss {epoch.validation_loss:.4f}, accuracy {epoch.validation_accuracy:.2%}, "
        f"{epoch.train_seconds + epoch.validation_seconds:.1f} s"
    )


def _print_to(file: Path) -> None:
    """Standard output and errors to the end of a file, of this process and of the libraries in it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(opened, stream)
    os.close(opened)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)


def _volunteer() -> None:
    """Where memory runs out, the system is to end this process and not the one that keeps the sweep together."""
    with suppress(OSError):  # Linux alone
        Path("/proc/self/oom_score_adj").write_text("500")


def _end_with_parent() -> None:
    """A process whose parent was killed hears it only when it next tells something, which may be never."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
