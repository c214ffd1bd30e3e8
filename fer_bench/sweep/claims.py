"""Sweeps that work on one results folder at the same time share its trials: each claims what it runs.

RESULTS/claims/<key>.<generation> is a claim, with its owner inside; while that lives, the file's time is kept young.
Whose is the highest generation has the trial. A claim that has grown old is taken over by one of the next generation:
a file that is made only if it is not there, which of two sweeps only one can do, also on a network's file system.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path

from fer_bench.core.errors import write_error
from fer_bench.records.store import KEY_LENGTH

FOLDER = "claims"
BEAT_SECONDS = 10.0
STALE_SECONDS = 90.0  # without a beat, after which the owner is taken to be gone
ADVICE = "Make room there; the same command goes on."


class Claims:
    """The claims of one sweep; a context manager, which lets go of all of them."""

    def __init__(self, results: Path) -> None:
        self._folder = results / FOLDER
        self._mine: dict[str, Path] = {}  # by key
        self._owner = json.dumps({"host": _host(), "process": os.getpid(), "id": uuid.uuid4().hex})
        self._clock = self._folder / f".clock-{uuid.uuid4().hex}"  # its time is "now" to whoever keeps the files' times
        self._ends = threading.Event()
        self._heart = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Claims:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._clock.touch()
        except OSError as error:
            raise write_error(self._folder, error, ADVICE) from None
        self._heart.start()
        return self

    def __exit__(self, *_) -> None:
        self._ends.set()
        self._heart.join()
        for key in list(self._mine):
            self.let_go(key)
        self._clock.unlink(missing_ok=True)
        with suppress(OSError):  # another sweep's claims are there
            self._folder.rmdir()

    def claim(self, key: str) -> bool:
        """Take a trial, unless another sweep has it that is alive."""
        claims = self._of(key)
        if claims and self._alive(claims[-1]):
            return False
        generation = self._generation(claims[-1]) + 1 if claims else 0
        file = self._folder / f"{key[:KEY_LENGTH]}.{generation}"
        part = self._clock.with_name(f"{self._clock.name}.part")
        try:
            part.write_text(self._owner)  # the claim has its owner in it from the first
            os.link(part, file)
        except FileExistsError:
            return False  # somebody was faster
        except OSError:  # a file system without links, or a full one
            try:
                with file.open("x") as made:
                    made.write(self._owner)
            except FileExistsError:
                return False
            except OSError as error:
                file.unlink(missing_ok=True)
                raise write_error(self._folder, error, ADVICE) from None
        finally:
            part.unlink(missing_ok=True)
        self._mine[key] = file
        return True

    def holds(self, key: str) -> bool:
        """Whether a trial is still ours: it may have been taken over while this program was asleep."""
        claims = self._of(key)
        return key in self._mine and bool(claims) and claims[-1] == self._mine[key]

    def let_go(self, key: str) -> None:
        """End a claim, and those of the owners before it."""
        ours = self._mine.pop(key, None)
        for file in self._of(key):
            if ours and self._generation(file) <= self._generation(ours):
                file.unlink(missing_ok=True)

    def _of(self, key: str) -> list[Path]:
        found = (file for file in self._folder.glob(f"{key[:KEY_LENGTH]}.*") if file.suffix[1:].isdigit())
        return sorted(found, key=self._generation)

    @staticmethod
    def _generation(file: Path) -> int:
        return int(file.suffix[1:])

    def _alive(self, file: Path) -> bool:
        try:
            with suppress(OSError, ValueError, KeyError, TypeError):  # half written, or no claim at all
                owner = json.loads(file.read_text())
                if owner["host"] == _host() and not runs(int(owner["process"])):
                    return False
            return self._now() - file.stat().st_mtime < STALE_SECONDS
        except FileNotFoundError:
            return False  # it has just ended; whether its trial is recorded is looked at by whoever asks

    def _now(self) -> float:
        """The time, as whoever keeps the files' times sees it; where that cannot be told, as this machine does."""
        try:
            os.utime(self._clock)
            return self._clock.stat().st_mtime
        except OSError:
            return time.time()

    def _beat(self) -> None:
        while not self._ends.wait(BEAT_SECONDS):
            for file in list(self._mine.values()):
                try:
                    os.utime(file)
                except OSError as error:
                    logging.getLogger(__name__).debug("The claim %s cannot be kept young: %s", file, error)


def _host() -> str:
    """This machine, or of its containers this one, whose processes have numbers of their own."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def runs(process: int) -> bool:
    """Whether this machine has a process of that number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
