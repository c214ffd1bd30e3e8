"""A worker process as the sweep sees it: its trial, its events, and how it ends."""

from __future__ import annotations

import datetime
import multiprocessing
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from fer_bench.core.errors import UserError
from fer_bench.records.schema import Epoch
from fer_bench.sweep.executors.executor import STALLED, TimeLimits, TrialResult, failed_record
from fer_bench.sweep.executors.resources import ResourceSlot
from fer_bench.sweep.executors.worker import Event, ProbeRequest, serve
from fer_bench.training.callback import Callback
from fer_bench.training.machine import describe_machine
from fer_bench.training.planned_trial import PlannedTrial

LOG_TAIL = 400  # characters of a log that a record quotes
GRACE_SECONDS = 5.0  # between asking a process to end and killing it
STACK_SECONDS = 1.0  # for a stalled process to write its stacks


class WorkerHandle:
    """A worker process and its trial, if it has one. It starts at once, and imports Keras in the meantime."""

    def __init__(self, slot: ResourceSlot) -> None:
        context = multiprocessing.get_context("spawn")  # a forked TensorFlow hangs
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, slot), daemon=True)
        with _ctrl_c_blocked():
            self.process.start()
        theirs.close()
        self.slot = slot
        self.planned: PlannedTrial | None = None
        self._machine: dict[str, Any] = {}
        self._history: list[Epoch] = []
        self._started_at, self._ready = "", False
        self._started = self._last_event = 0.0

    def probe(self, backend: str, trials: Iterable[PlannedTrial]) -> dict[str, Any]:
        """Describe the machine and check that Keras and the architectures of trials can be imported.

        The sweep's own process imports no Keras: that would take seconds, memory, and a part of each GPU.

        Raises:
            UserError: Keras cannot start there, or an architecture cannot be imported.
        """
        try:
            self.connection.send(ProbeRequest(backend, {p.trial.architecture: p.source_file for p in trials}))
            machine, error = self.connection.recv().payload
        except (EOFError, OSError):
            reason = f"Keras cannot start: its process {self._exit_reason()}."
            if self.process.exitcode == 1:  # multiprocessing imports the main module in each worker
                reason += " In a script, put the call of run_benchmark below `if __name__ == '__main__':`."
            raise UserError(reason) from None
        if error:
            raise UserError(error)
        return machine

    def submit(self, planned: PlannedTrial) -> None:
        """Make the worker run a trial."""
        self.planned, self._history, self._ready = planned, [], False
        self._started_at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        self._started = self._last_event = time.monotonic()
        with suppress(OSError):  # it has died in the meantime, which `poll` finds out
            self.connection.send(planned)

    def poll(self, limits: TimeLimits, callback: Callback) -> TrialResult | None:
        """Pass the worker's events on. Return the result of its trial if that has ended, or its process has."""
        planned = self.planned
        assert planned is not None
        result = self._drain(planned, callback)
        if result is None and not self.process.is_alive():
            result = self._drain(planned, callback) or self._failed(planned, f"its process {self._exit_reason()}")
        if result is None and (reason := self._check_timeouts(limits)):
            result = self._failed(planned, reason)
        if result is not None:
            self.planned = None
        return result

    def _drain(self, planned: PlannedTrial, callback: Callback) -> TrialResult | None:
        with suppress(EOFError, OSError):
            while self.connection.poll():
                event: Event = self.connection.recv()
                self._last_event = time.monotonic()
                match event.kind:
                    case "machine":
                        (self._machine,) = event.payload
                        self._ready, self._started = True, self._last_event
                    case "end":
                        return TrialResult(planned, *event.payload)
                    case "epoch":
                        self._history.append(event.payload[0])
                        callback.on_epoch_end(planned, *event.payload)
                    case "step":
                        callback.on_step_end(planned, *event.payload)
        return None

    def _check_timeouts(self, limits: TimeLimits) -> str | None:
        """Kill a process that exceeds a limit, and return which."""
        reason = limits.exceeded(self._ready, self._started, self._last_event)
        if reason is None:
            return None
        if reason.startswith(STALLED) and hasattr(signal, "SIGUSR1") and self.process.pid:
            os.kill(self.process.pid, signal.SIGUSR1)  # it writes its stacks to its log
            self.process.join(STACK_SECONDS)
        self.process.kill()
        self.process.join()
        return reason

    def _failed(self, planned: PlannedTrial, reason: str) -> TrialResult:
        if tail := _tail(planned.log_file):
            reason += f"; the end of its log: {tail}"
        machine = self._machine or describe_machine("none")
        return TrialResult(planned, failed_record(planned, reason, self._started_at, machine, self._history), {})

    def _exit_reason(self) -> str:
        self.process.join()
        code = self.process.exitcode
        if code is not None and code < 0:
            name = signal.Signals(-code).name
            hint = ", as the system does when memory runs out" if name == "SIGKILL" else ""
            return f"was ended by {name}{hint}"
        return f"ended with exit status {code}"


def stop_workers(workers: Iterable[WorkerHandle]) -> None:
    """End processes, gently if they allow it."""
    workers = list(workers)
    for worker in workers:
        worker.connection.close()
        worker.process.terminate()
    for worker in workers:
        worker.process.join(GRACE_SECONDS)
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Block Ctrl-C: a process that starts now inherits that, and this process receives the signal afterwards."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # the first process would start it, which ends the blocking
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _tail(log_file: Path | None) -> str:
    try:
        return log_file.read_text(errors="replace")[-LOG_TAIL:].strip() if log_file else ""
    except OSError:
        return ""
