"""A worker process, seen from the sweep: what it is doing, what it tells, and how it ends."""

from __future__ import annotations

import datetime
import multiprocessing
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import Dataset
from fer_bench.records.schema import Epoch, Predictions, Record
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.sweep.executors.executor import Follower, failed
from fer_bench.sweep.executors.resources import Share
from fer_bench.sweep.executors.worker import Event, Job, Survey, serve
from fer_bench.sweep.plan import PlannedTrial
from fer_bench.sweep.queue import Turn
from fer_bench.training.machine import describe_machine

TAIL = 400  # characters of a log that a record tells
GRACE_SECONDS = 5.0  # between asking a process to end and ending it
STACK_SECONDS = 1.0  # for a process that hangs to write where it does
START_SECONDS = 600.0  # to import Keras, which counts for no trial
STALLED = "it hung"

Told = tuple[Record, dict[str, Predictions]]


@dataclass(frozen=True)
class Limits:
    """Seconds that a trial may take, and that may pass without a step; None: any."""

    trial: float | None = None
    silence: float | None = 1800.0

    def passed(self, ready: bool, began: float, heard: float) -> str | None:
        """Why a trial has to end now, if it has; `began` and `heard` are times of the monotonic clock.

        Until its process is ready it has the time that the import of Keras may take.
        """
        now = time.monotonic()
        if not ready and now - began < START_SECONDS:
            return None
        if self.trial is not None and now - began > self.trial:
            return f"it took longer than the {self.trial:g} s of --trial-timeout"
        if self.silence is not None and now - heard > self.silence:
            return f"{STALLED}: no step in the {self.silence:g} s of --stall-timeout"
        return None


class Handle:
    """A worker and its trial, if it has one. Started at once, so that it imports Keras meanwhile."""

    def __init__(self, share: Share) -> None:
        context = multiprocessing.get_context("spawn")  # not forked: a forked TensorFlow hangs
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, share), daemon=True)
        with _without_ctrl_c():
            self.process.start()
        theirs.close()
        self.share = share
        self.turn: Turn | None = None
        self.follower: Follower | None = None
        self._has: set[int] = set()  # numbers of the datasets it has been sent
        self._machine: dict[str, Any] = {}
        self._history: list[Epoch] = []
        self._started, self._ready = "", False
        self._began = self._heard = 0.0

    def survey(self, backend: str, missing: Iterable[PlannedTrial]) -> dict[str, Any]:
        """The machine, once Keras has started there; UserError where it cannot, or not with some architecture.

        So this process imports no Keras: it would take the seconds twice, memory, and a part of each GPU.
        """
        names = dict.fromkeys(planned.trial.architecture for planned in missing)
        try:
            self.connection.send(Survey(backend, {name: ARCHITECTURES.get(name).file for name in names}))
            machine, wrong = self.connection.recv().told
        except (EOFError, OSError):
            raise UserError(f"Keras cannot start: its process {self._cause()}.") from None
        if wrong:
            raise UserError(wrong)
        return machine

    def give(self, turn: Turn, follower: Follower, number: int, dataset: Dataset) -> None:
        """Have it run a trial; `number` is the dataset's."""
        self.turn, self.follower, self._history, self._ready = turn, follower, [], False
        self._started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._began = self._heard = time.monotonic()
        try:
            if number not in self._has:
                self.connection.send((number, dataset))
                self._has.add(number)
            self.connection.send(Job.of(turn, number))
        except OSError:
            return  # it has died meanwhile, which its sentinel tells

    def hear(self, limits: Limits) -> Told | None:
        """Passes on what it tells of its trial; what that came to, if it has ended, with its process or without."""
        told = self._listen()
        if told is None and not self.process.is_alive():
            told = self._listen() or self._failed(f"its process {self._cause()}")
        if told is None and (reason := self._overdue(limits)):
            told = self._failed(reason)
        if told is not None:
            self.turn = None
        return told

    def _listen(self) -> Told | None:
        try:
            while self.connection.poll():
                event: Event = self.connection.recv()
                self._heard = time.monotonic()
                match event.kind:
                    case "machine":
                        self._machine = event.told[0]
                        self._ready, self._began = True, self._heard
                    case "end":
                        return event.told
                    case "epoch":
                        self._history.append(event.told[0])
                        self.follower.on_epoch_end(*event.told)
                    case "step":
                        self.follower.on_step_end(*event.told)
        except (EOFError, OSError):
            pass
        return None

    def _overdue(self, limits: Limits) -> str | None:
        """Why the trial has to end, after its process was ended."""
        reason = limits.passed(self._ready, self._began, self._heard)
        if reason is None:
            return None
        if reason.startswith(STALLED) and hasattr(signal, "SIGUSR1"):
            os.kill(self.process.pid, signal.SIGUSR1)  # it writes where it is into its log
            self.process.join(STACK_SECONDS)
        self.process.kill()
        self.process.join()
        return reason

    def _failed(self, reason: str) -> Told:
        if tail := _tail(self.turn.log):
            reason += f"; the end of its log: {tail}"
        machine = self._machine or describe_machine("none")
        return failed(self.turn, reason, self._started, machine, self._history), {}

    def _cause(self) -> str:
        self.process.join()
        code = self.process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
            return f"was ended by {name}{hint}"
        return f"ended with exit status {code}"


@contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """A process that is started here never hears of Ctrl-C, which a terminal sends to all; this one hears it later."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which the first start does otherwise, and ends the blocking
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end(handles: Iterable[Handle]) -> None:
    """End processes, gently where they let it."""
    handles = list(handles)
    for handle in handles:
        handle.connection.close()
        handle.process.terminate()
    for handle in handles:
        handle.process.join(GRACE_SECONDS)
        if handle.process.is_alive():
            handle.process.kill()
            handle.process.join()


def _tail(log: Path) -> str:
    try:
        return log.read_text(errors="replace")[-TAIL:].strip()
    except OSError:
        return ""
