"""Sweeps that run on one results folder at the same time share its trials: each sweep claims a trial before it runs it.

RESULTS/claims/<key>.<generation> is a claim; the file names its owner. While the owner runs, a heartbeat updates the
file's modification time. The claim with the highest generation owns the trial. If its heartbeat has stopped, another
sweep takes the trial over with a claim of the next generation. That file is created only if it does not exist, which
exactly one sweep can do, also on a network file system.
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
HEARTBEAT_SECONDS = 10.0
STALE_SECONDS = 90.0  # without a heartbeat, after which the owner is taken to have ended
ADVICE = "Free some space; the same command then resumes."


class Claims:
    """The claims of one sweep. A context manager that releases all of them at its end."""

    def __init__(self, results: Path) -> None:
        self._folder = results / FOLDER
        self._owned: dict[str, Path] = {}  # by key
        self._owner = json.dumps({"host": host_id(), "process": os.getpid(), "id": uuid.uuid4().hex})
        self._clock = self._folder / f".clock-{uuid.uuid4().hex}"  # its time is the file server's current time
        self._stop = threading.Event()
        self._heartbeat_thread = threading.Thread(target=self._heartbeat, daemon=True)

    def __enter__(self) -> Claims:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._clock.touch()
        except OSError as error:
            raise write_error(self._folder, error, ADVICE) from None
        self._heartbeat_thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._heartbeat_thread.join()
        for key in list(self._owned):
            self.release(key)
        self._clock.unlink(missing_ok=True)
        with suppress(OSError):  # claims of another sweep are in it
            self._folder.rmdir()

    def claim(self, key: str) -> bool:
        """Claim a trial; False if a running sweep owns it."""
        claims = self._claim_files(key)
        if claims and self._is_alive(claims[-1]):
            return False
        generation = self._generation(claims[-1]) + 1 if claims else 0
        file = self._folder / f"{key[:KEY_LENGTH]}.{generation}"
        temporary = self._clock.with_name(f"{self._clock.name}.tmp")
        try:
            temporary.write_text(self._owner)  # the claim names its owner from the first moment
            os.link(temporary, file)
        except FileExistsError:
            return False  # another sweep was faster
        except OSError:  # a file system without links, or a full one
            try:
                with file.open("x") as created:
                    created.write(self._owner)
            except FileExistsError:
                return False
            except OSError as error:
                file.unlink(missing_ok=True)
                raise write_error(self._folder, error, ADVICE) from None
        finally:
            temporary.unlink(missing_ok=True)
        self._owned[key] = file
        return True

    def owns(self, key: str) -> bool:
        """Whether this sweep still owns a trial; another may have taken it over while this process was suspended."""
        claims = self._claim_files(key)
        return key in self._owned and bool(claims) and claims[-1] == self._owned[key]

    def release(self, key: str) -> None:
        """Remove a claim, and the claims of earlier owners."""
        owned = self._owned.pop(key, None)
        for file in self._claim_files(key):
            if owned and self._generation(file) <= self._generation(owned):
                file.unlink(missing_ok=True)

    def _claim_files(self, key: str) -> list[Path]:
        """Return the claims on a trial by generation."""
        files = (file for file in self._folder.glob(f"{key[:KEY_LENGTH]}.*") if file.suffix[1:].isdigit())
        return sorted(files, key=self._generation)

    @staticmethod
    def _generation(file: Path) -> int:
        return int(file.suffix[1:])

    def _is_alive(self, file: Path) -> bool:
        try:
            with suppress(OSError, ValueError, KeyError, TypeError):  # half written, or not a claim
                owner = json.loads(file.read_text())
                if owner["host"] == host_id() and not process_exists(int(owner["process"])):
                    return False
            return self._now() - file.stat().st_mtime < STALE_SECONDS
        except FileNotFoundError:
            return False  # released at this moment; the caller looks for its record

    def _now(self) -> float:
        """Return the time of the file server, which may differ from this machine's; this machine's if unknown."""
        try:
            os.utime(self._clock)
            return self._clock.stat().st_mtime
        except OSError:
            return time.time()

    def _heartbeat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS):
            for file in list(self._owned.values()):
                try:
                    os.utime(file)
                except OSError as error:
                    logging.getLogger(__name__).debug("The heartbeat of the claim %s failed: %s", file, error)


def host_id() -> str:
    """Return the name of this machine and of its container: process numbers are unique within a container only."""
    try:
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def process_exists(process: int) -> bool:
    """Whether this machine or container has a process of that number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
