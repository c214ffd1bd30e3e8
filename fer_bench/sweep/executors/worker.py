"""A worker process: it runs the trials that it receives until its parent closes the connection."""

from __future__ import annotations

import faulthandler
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import parent_process
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from fer_bench.core.console import make_printable
from fer_bench.core.errors import UserError
from fer_bench.records.schema import Epoch, Predictions, Record
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.sweep.executors.resources import ResourceSlot
from fer_bench.sweep.plan import check_importable
from fer_bench.training.callback import Callback
from fer_bench.training.planned_trial import PlannedTrial

STEP_SECONDS = 0.25  # between two steps that are reported


@dataclass(frozen=True)
class ProbeRequest:
    """Asks a worker to describe the machine and to import architectures, each from its file."""

    backend: str
    architectures: Mapping[str, Path]


@dataclass(frozen=True)
class Event:
    """A message from a worker.

    The payload is (machine,), (step, steps, loss), (epoch,), or (record, predictions) at the end; (machine, error
    message or "") after a probe. On a cluster there are also (node,), (text to log,) and (checkpoint as bytes,), and
    the end has the trained model as bytes, or None.
    """

    kind: Literal["probe", "node", "machine", "step", "epoch", "log", "checkpoint", "end"]
    payload: tuple[Any, ...]


def serve(connection: Connection, slot: ResourceSlot) -> None:
    """Run trials from a connection on a share of the machine; their output goes to their logs.

    Ctrl-C is left to the parent; if the parent ends, so does this process. On SIGUSR1 it writes its stacks to the log.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _prefer_oom_kill()
    os.environ.update(slot.environment)
    if hasattr(os, "sched_setaffinity"):  # TensorFlow and BLAS start as many threads as the process has cores
        os.sched_setaffinity(0, slot.cores)
    _redirect_output(Path(os.devnull))
    with suppress(Exception):  # an error here comes up again in the first trial, which reports it
        from fer_bench.training import devices, train  # noqa: F401  takes seconds

        if len(slot.devices) > 1:
            devices.enable_data_parallel()
    try:
        while True:
            match connection.recv():
                case ProbeRequest() as request:
                    connection.send(Event("probe", _probe(request)))
                case PlannedTrial() as planned:
                    _redirect_output(planned.log_file or Path(os.devnull))
                    connection.send(Event("end", run_in_worker(planned, connection.send)))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _probe(request: ProbeRequest) -> tuple[dict[str, Any], str]:
    try:
        from fer_bench.training.machine import describe_machine

        machine = describe_machine(request.backend)
        import keras  # noqa: F401
    except Exception as error:
        return {}, f"Keras cannot start on the backend '{request.backend}': {error}."
    try:
        for name, file in request.architectures.items():
            if name not in ARCHITECTURES:
                ARCHITECTURES.scan(file)
        check_importable(request.architectures)
    except UserError as error:
        return machine, str(error)
    return machine, ""


def run_in_worker(planned: PlannedTrial, send: Callable[[Event], object]) -> tuple[Record, dict[str, Predictions]]:
    """Run a trial in a process that may not know its architecture yet, and send its events."""
    from fer_bench.training.machine import describe_machine
    from fer_bench.training.train import run_trial

    trial = planned.trial
    _freeze_libraries()
    send(Event("machine", (describe_machine(trial.backend),)))
    if trial.architecture not in ARCHITECTURES:
        ARCHITECTURES.scan(planned.source_file)
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {trial}, {trial.recipe_name}", flush=True)
    record, predictions = run_trial(planned, EventSender(send))
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {record.status} {record.reason}".rstrip(), flush=True)
    return record, predictions


@cache
def _freeze_libraries() -> None:
    """Exclude everything loaded so far from garbage collection, once per process.

    Each trial ends with three full collections. They would visit the million objects of TensorFlow and Keras, which
    takes a second per trial.
    """
    gc.collect()
    gc.freeze()


class EventSender(Callback):
    """Sends epochs, and a few steps per second, to the parent process, and prints the epochs to the log."""

    def __init__(self, send: Callable[[Event], object]) -> None:
        self._send, self._sent = send, 0.0

    def on_step_end(self, planned: PlannedTrial, step: int, steps: int, loss: float) -> None:
        now = time.monotonic()
        if step == 1 or now - self._sent > STEP_SECONDS:
            self._sent = now
            self._send(Event("step", (step, steps, loss)))

    def on_epoch_end(self, planned: PlannedTrial, epoch: Epoch) -> None:
        print(format_epoch(epoch, planned), flush=True)
        self._send(Event("epoch", (epoch,)))


def format_epoch(epoch: Epoch, planned: PlannedTrial) -> str:
    """Return an epoch as a line of a log."""
    return (
        f"epoch {epoch.epoch}/{planned.trial.recipe['epochs']}: loss {epoch.loss:.4f}, "
        f"accuracy {epoch.accuracy:.2%}, validation loss {epoch.validation_loss:.4f}, "
        f"accuracy {epoch.validation_accuracy:.2%}, {epoch.train_seconds + epoch.validation_seconds:.1f} s"
    )


def _redirect_output(file: Path) -> None:
    """Append standard output and errors to a file, also those of native libraries."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(opened, stream)
    os.close(opened)
    for text in (sys.stdout, sys.stderr):
        make_printable(text)
    if hasattr(faulthandler, "register"):
        faulthandler.register(signal.SIGUSR1, file=2, all_threads=True)


def _prefer_oom_kill() -> None:
    """If memory runs out, the system shall end this process, not the one that runs the sweep."""
    with suppress(OSError):  # Linux only
        Path("/proc/self/oom_score_adj").write_text("500")


def _end_with_parent() -> None:
    """End this process with its parent; without this it would notice at its next event only, which may never come."""
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
