"""What a sweep is doing, in two small files of its results folder, for the command `status` in another terminal.

RESULTS/sweeps/<id>.plan.json lists the trials of the plan and is written once. <id>.json lists the running trials and
the expected time, and is replaced every few seconds. Finished and failed trials are counted from the records.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape

from fer_bench.core.files import write_atomically
from fer_bench.core.text import duration, slug
from fer_bench.records.schema import Epoch, Record
from fer_bench.sweep.claims import host_id, process_exists
from fer_bench.training.callback import Callback
from fer_bench.training.planned_trial import PlannedTrial

FOLDER = "sweeps"
UPDATE_SECONDS = 2.0  # between two updates of the file
SILENT_SECONDS = 120.0  # without an update, after which a sweep of another machine is taken to have ended
MAX_LISTED = 5  # unfinished trials that are named
STOP_STATES = {"interrupted": "interrupted", "error": "stopped by an error"}  # others: "ended"


@dataclass(frozen=True)
class SweepStatus:
    """A sweep as its files describe it.

    Attributes:
        name: Name of the experiment.
        host: Machine and container; see `host_id`.
        process: Number of the process.
        started: Start time in seconds since 1970.
        written: Time of the last update in seconds since 1970.
        state: How it ended; empty while it runs.
        seconds_left: Expected time to its end.
        trials: Descriptions of all planned trials by key.
        running: What the running trials are doing, by key.
    """

    name: str
    host: str
    process: int
    started: float
    written: float
    state: str
    seconds_left: float | None
    trials: dict[str, str]
    running: dict[str, str]

    @property
    def alive(self) -> bool:
        """Whether the sweep is running, as far as this machine can see."""
        if self.state:
            return False
        if self.host == host_id():
            return process_exists(self.process)
        return time.time() - self.written < SILENT_SECONDS


class SweepStatusWriter(Callback):
    """Writes the status files of one sweep.

    Args:
        results: The results folder.
        name: Name of the experiment.
        planned: All trials of the plan, also those that are recorded already.
        seconds_left: Returns the expected time to the end of the sweep.
    """

    def __init__(
        self, results: Path, name: str, planned: Sequence[PlannedTrial], seconds_left: Callable[[], float | None]
    ) -> None:
        self._folder = results / FOLDER
        self._file = self._folder / f"{slug(name)}-{socket.gethostname()}-{os.getpid()}.json"
        self._header = {"name": name, "host": host_id(), "process": os.getpid(), "started": time.time()}
        self._planned, self._seconds_left = planned, seconds_left
        self._running: dict[str, str] = {}
        self._epochs: dict[str, int] = {}  # completed, by key
        self._written = 0.0

    def on_sweep_begin(self, trials: Sequence[PlannedTrial]) -> None:
        for sweep, file in _read_all(self._folder):  # an ended sweep of the same name is replaced
            if sweep.name == self._header["name"] and not sweep.alive:
                file.unlink(missing_ok=True)
                _plan_file(file).unlink(missing_ok=True)
        _write(_plan_file(self._file), {planned.key: str(planned.trial) for planned in self._planned})
        self._update()

    def on_sweep_end(self, stop_reason: str) -> None:
        self._running.clear()
        self._update(STOP_STATES.get(stop_reason, "ended"))

    def on_trial_begin(self, planned: PlannedTrial) -> None:
        self._epochs[planned.key] = 0
        self._running[planned.key] = "starting"
        self._update()

    def on_step_end(self, planned: PlannedTrial, step: int, steps: int, loss: float) -> None:
        self._running[planned.key] = f"epoch {self._epochs[planned.key] + 1}, step {step} of {steps}"
        self._update_if_due()

    def on_epoch_end(self, planned: PlannedTrial, epoch: Epoch) -> None:
        self._epochs[planned.key] = epoch.epoch
        epochs, accuracy = planned.trial.recipe["epochs"], epoch.validation_accuracy
        self._running[planned.key] = f"epoch {epoch.epoch} of {epochs} done, validation {accuracy:.1%}"
        self._update_if_due()

    def on_trial_end(self, planned: PlannedTrial, record: Record) -> None:
        self._running.pop(planned.key, None)
        self._update()

    def _update_if_due(self) -> None:
        if time.monotonic() - self._written > UPDATE_SECONDS:
            self._update()

    def _update(self, state: str = "") -> None:
        self._written = time.monotonic()
        now = {"written": time.time(), "state": state, "running": self._running, "seconds_left": self._seconds_left()}
        _write(self._file, self._header | now)


def read_sweeps(results: Path) -> list[SweepStatus]:
    """Return the sweeps of a results folder by their start time."""
    return sorted((sweep for sweep, _ in _read_all(results / FOLDER)), key=lambda sweep: sweep.started)


def status_lines(sweep: SweepStatus, known: Mapping[str, Record], now: float, show_all: bool = False) -> list[str]:
    """Describe a sweep in a few lines of rich markup.

    Args:
        sweep: The sweep.
        known: The records of its results folder by key.
        now: Seconds since 1970.
        show_all: Whether to list every unfinished trial.
    """
    recorded = [known[key] for key in sweep.trials if key in known]
    failed = [record for record in recorded if record.status != "finished"]
    pending = [key for key in sweep.trials if key not in known and key not in sweep.running]
    started = time.strftime("%Y-%m-%d %H:%M", time.localtime(sweep.started))
    where = f"on {sweep.host.split()[0]}, process {sweep.process}, since {started}"
    if sweep.alive:
        left = "" if sweep.seconds_left is None else f", about {duration(sweep.seconds_left, approximate=True)} left"
        state = f"[green]running[/] {where}{left}"
    else:
        ago = duration(max(0.0, now - sweep.written), approximate=True)
        state = f"{sweep.state or '[red]stopped without reporting[/]'} {where}; last update {ago} ago"
    lines = [
        f"[bold]{escape(sweep.name)}[/]: {state}",
        f"  {len(recorded) - len(failed)} of {len(sweep.trials)} done, {len(failed)} failed, "
        f"{len(sweep.running) if sweep.alive else 0} running, {len(pending)} left",
    ]
    if sweep.alive:
        lines += [f"  {escape(sweep.trials.get(key, key))}: {escape(doing)}" for key, doing in sweep.running.items()]
    lines += [
        f"  [red]{record.status}[/] {escape(str(record.trial))}: {escape(record.reason.splitlines()[0])}"
        for record in failed
        if record.reason
    ]
    listed = pending if show_all else pending[:MAX_LISTED]
    lines += [f"  left: {escape(sweep.trials[key])}" for key in listed]
    if len(pending) > len(listed):
        lines.append(f"  and {len(pending) - len(listed)} more; --all lists them")
    return lines


def _write(file: Path, content: Mapping[str, Any]) -> None:
    with suppress(OSError):  # a full disk ends the sweep when a record cannot be written, not here
        write_atomically(file, json.dumps(content))


def _read_all(folder: Path) -> list[tuple[SweepStatus, Path]]:
    found = []
    for file in folder.glob("*.json"):
        if file.name.startswith(".") or file.name.endswith(".plan.json"):
            continue
        with suppress(OSError, ValueError, TypeError):  # removed at this moment, or not a status file
            trials = json.loads(_plan_file(file).read_text())
            found.append((SweepStatus(**json.loads(file.read_text()), trials=trials), file))
    return found


def _plan_file(file: Path) -> Path:
    return file.with_suffix(".plan.json")
