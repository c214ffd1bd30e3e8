"""What a trial has come to after an epoch, on disk, so that one that is stopped goes on from there.

One file, replaced in one step. Whoever reads it gets the numbers that were written, to the bit.
"""

from __future__ import annotations

import json
import logging
import os
import time
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

# Of training, at least, between two checkpoints, which each take a part of a second.
INTERVAL_VARIABLE = "FER_BENCH_CHECKPOINT_SECONDS"
INTERVAL_SECONDS = float(os.environ.get(INTERVAL_VARIABLE, "30"))
FILE = "state.npz"
METADATA = "facts"

Arrays = Mapping[str, list[np.ndarray]]


@dataclass(frozen=True)
class CheckpointState:
    """Facts that JSON can hold, and lists of arrays by name."""

    metadata: dict[str, Any]
    arrays: Arrays


class Checkpoint:
    """The checkpoint of one trial, in a folder of its own. `identity` is what it is good for; another's is not read."""

    def __init__(self, folder: Path, identity: str) -> None:
        self._file = folder / FILE
        self._identity = identity
        self._saved = time.monotonic()

    def load(self) -> CheckpointState | None:
        """What was saved; None where nothing was, or it is damaged, or of another trial or other versions."""
        try:
            with np.load(self._file, allow_pickle=False) as file:
                facts = json.loads(str(file[METADATA]))
                if facts.pop("identity") != self._identity:
                    return None
                counts = facts.pop("counts")
                return CheckpointState(
                    facts, {name: [file[f"{name}_{i}"] for i in range(n)] for name, n in counts.items()}
                )
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error, RuntimeError):
            return None

    @property
    def is_due(self) -> bool:
        """Whether it is time for another."""
        return time.monotonic() - self._saved >= INTERVAL_SECONDS

    def save(self, state: CheckpointState) -> None:
        """Replace what was saved before. Where that is impossible it stays, and the trial goes on."""
        counts = {name: len(arrays) for name, arrays in state.arrays.items()}
        facts = json.dumps(state.metadata | {"identity": self._identity, "counts": counts})
        named = {f"{name}_{i}": array for name, arrays in state.arrays.items() for i, array in enumerate(arrays)}
        _replace(self._file, lambda file: np.savez(file, **{METADATA: np.array(facts)}, **named))
        self._saved = time.monotonic()


def modified_at(folder: Path) -> int | None:
    """When the checkpoint in a folder was written, in nanoseconds; None where there is none."""
    try:
        return (folder / FILE).stat().st_mtime_ns
    except OSError:
        return None


def to_bytes(folder: Path) -> bytes | None:
    """The checkpoint in a folder, to be sent elsewhere; None where there is none."""
    try:
        return (folder / FILE).read_bytes()
    except OSError:
        return None


def from_bytes(content: bytes, folder: Path) -> None:
    """Put what `packed` gave in place of the checkpoint in a folder; as `Checkpoint.save`."""
    _replace(folder / FILE, lambda file: file.write(content))


def _replace(checkpoint: Path, write: Callable[[BinaryIO], object]) -> None:
    part = checkpoint.with_name(f"{FILE}.{os.getpid()}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(checkpoint)
    except OSError as error:
        logging.getLogger(__name__).warning("No checkpoint could be written: %s", error.strerror or error)
        part.unlink(missing_ok=True)
