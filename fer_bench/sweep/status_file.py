"""What a sweep is doing, in two small files of its results folder, for whoever asks from another terminal.

RESULTS/sweeps/<id>.plan.json has the trials of the plan, written once; <id>.json what is running and how long it may
take, replaced every few seconds. What is done and what has failed, the records say.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fer_bench.records.schema import Epoch, Record
from fer_bench.sweep.claims import runs
from fer_bench.sweep.executors.executor import Follower
from fer_bench.sweep.plan import PlannedTrial

FOLDER = "sweeps"
EVERY_SECONDS = 2.0  # between two writings
SILENT_SECONDS = 120.0  # without one, after which a sweep of another machine is taken to have ended


@dataclass(frozen=True)
class Sweep:
    """A sweep as its files tell of it: keys and titles of its trials, and of those that run what they are at."""

    name: str
    host: str
    process: int
    started: float  # seconds since 1970, as `written`
    written: float
    ended: str  # how, in a word or two; empty while it runs
    seconds_left: float | None
    trials: dict[str, str]
    running: dict[str, str]

    @property
    def alive(self) -> bool:
        """Whether it goes on, as far as one can tell."""
        if self.ended:
            return False
        if self.host == socket.gethostname():
            return runs(self.process)
        return time.time() - self.written < SILENT_SECONDS


class Journal:
    """Writes the files of one sweep; passes on what it is told to whoever follows the sweep."""

    def __init__(
        self, results: Path, name: str, trials: Iterable[PlannedTrial], follower: Any, left: Callable[[], float | None]
    ) -> None:
        self._folder = results / FOLDER
        slug = re.sub(r"[^\w.-]", "_", name)
        self._file = self._folder / f"{slug}-{socket.gethostname()}-{os.getpid()}.json"
        self._told = {"name": name, "host": socket.gethostname(), "process": os.getpid(), "started": time.time()}
        self._trials = {planned.key: str(planned.trial) for planned in trials}
        self._follower, self._left = follower, left
        self._running: dict[str, str] = {}
        self._written = 0.0

    def __enter__(self) -> Journal:
        for sweep, file in _read_all(self._folder):  # one of the same name that has ended says nothing any more
            if sweep.name == self._told["name"] and not sweep.alive:
                file.unlink(missing_ok=True)
                _plan_of(file).unlink(missing_ok=True)
        self._put(_plan_of(self._file), self._trials)
        self._write()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        self._running.clear()
        self._write("ended" if kind is None else "interrupted" if issubclass(kind, KeyboardInterrupt) else "broken off")

    def trial_begins(self, planned: PlannedTrial, number: int, of: int) -> _Noted:
        follower = self._follower.trial_begins(planned, number, of)
        self.note(planned.key, "begins")
        return _Noted(self, planned.key, follower)

    def elsewhere(self, planned: PlannedTrial) -> None:
        self._follower.elsewhere(planned)

    def note(self, key: str, doing: str | None, now: bool = True) -> None:
        """What a trial is doing; None: it has ended. `now`: write it at once."""
        if doing is None:
            self._running.pop(key, None)
        else:
            self._running[key] = doing
        if now or time.monotonic() - self._written > EVERY_SECONDS:
            self._write()

    def _write(self, ended: str = "") -> None:
        self._written = time.monotonic()
        state = {"written": time.time(), "ended": ended, "running": self._running, "seconds_left": self._left()}
        self._put(self._file, self._told | state)

    def _put(self, file: Path, content: dict[str, Any]) -> None:
        part = file.with_name(f".{file.name}.part")
        with suppress(OSError):  # a full disk ends the sweep where a record cannot be written, not here
            self._folder.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(content))
            part.replace(file)


class _Noted:
    """A follower of one trial, of which the journal hears."""

    def __init__(self, journal: Journal, key: str, follower: Follower) -> None:
        self._journal, self._key, self._follower = journal, key, follower
        self._epoch = 1

    def on_step_end(self, step: int, steps: int, loss: float) -> None:
        self._follower.on_step_end(step, steps, loss)
        self._journal.note(self._key, f"epoch {self._epoch}, step {step} of {steps}", now=False)

    def on_epoch_end(self, epoch: Epoch, epochs: int) -> None:
        self._follower.on_epoch_end(epoch, epochs)
        self._epoch = epoch.epoch + 1
        done = f"epoch {epoch.epoch} of {epochs} done, validation {epoch.validation_accuracy:.1%}"
        self._journal.note(self._key, done, now=False)

    def on_trial_end(self, record: Record) -> None:
        self._follower.on_trial_end(record)
        self._journal.note(self._key, None)


def sweeps(results: Path) -> list[Sweep]:
    """The sweeps of a results folder, by when they began."""
    return sorted((sweep for sweep, _ in _read_all(results / FOLDER)), key=lambda sweep: sweep.started)


def _read_all(folder: Path) -> list[tuple[Sweep, Path]]:
    found = []
    for file in folder.glob("*.json"):
        if file.name.startswith(".") or file.name.endswith(".plan.json"):
            continue
        with suppress(OSError, ValueError, TypeError):  # of a writer that has just ended, or no sweep at all
            found.append((Sweep(**json.loads(file.read_text()), trials=json.loads(_plan_of(file).read_text())), file))
    return found


def _plan_of(file: Path) -> Path:
    return file.with_suffix(".plan.json")
