"""The state of a trial after an epoch, on disk, from which an interrupted trial resumes.

The checkpoint is one file, which is replaced atomically and restores all numbers bit by bit.
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

from fer_bench.core.files import atomic_write

INTERVAL_VARIABLE = "FER_BENCH_CHECKPOINT_SECONDS"
INTERVAL_SECONDS = float(os.environ.get(INTERVAL_VARIABLE, "30"))  # at least, because saving takes a part of a second
FILE = "state.npz"
METADATA = "metadata"

Arrays = Mapping[str, list[np.ndarray]]


@dataclass(frozen=True)
class CheckpointState:
    """Metadata as JSON, and lists of arrays by name."""

    metadata: dict[str, Any]
    arrays: Arrays


class Checkpoint:
    """The checkpoint of one trial.

    Args:
        folder: A folder for this trial alone.
        identity: What the checkpoint is valid for; a checkpoint with another identity is not loaded.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        self._file = folder / FILE
        self._identity = identity
        self._saved = time.monotonic()

    def load(self) -> CheckpointState | None:
        """Return the saved state, or None if there is none, it is damaged or has another identity."""
        try:
            with np.load(self._file, allow_pickle=False) as file:
                metadata = json.loads(str(file[METADATA]))
                if metadata.pop("identity") != self._identity:
                    return None
                counts = metadata.pop("counts")
                arrays = {name: [file[f"{name}_{i}"] for i in range(n)] for name, n in counts.items()}
                return CheckpointState(metadata, arrays)
        except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error, RuntimeError):
            return None

    @property
    def is_due(self) -> bool:
        """Whether the interval since the last checkpoint has passed."""
        return time.monotonic() - self._saved >= INTERVAL_SECONDS

    def save(self, state: CheckpointState) -> None:
        """Replace the checkpoint. If it cannot be written, log a warning and leave the earlier one."""
        counts = {name: len(arrays) for name, arrays in state.arrays.items()}
        metadata = json.dumps(state.metadata | {"identity": self._identity, "counts": counts})
        arrays: dict[str, Any] = {METADATA: np.array(metadata)}
        for name, values in state.arrays.items():
            arrays |= {f"{name}_{i}": value for i, value in enumerate(values)}
        _replace(self._file, lambda file: np.savez(file, **arrays))
        self._saved = time.monotonic()


def modified_at(folder: Path) -> int | None:
    """Return the modification time of the checkpoint in a folder, in nanoseconds; None if there is none."""
    try:
        return (folder / FILE).stat().st_mtime_ns
    except OSError:
        return None


def to_bytes(folder: Path) -> bytes | None:
    """Return the checkpoint in a folder, to send it to another machine; None if there is none."""
    try:
        return (folder / FILE).read_bytes()
    except OSError:
        return None


def from_bytes(content: bytes, folder: Path) -> None:
    """Replace the checkpoint in a folder by the result of `to_bytes`; failures are logged as in `Checkpoint.save`."""
    _replace(folder / FILE, lambda file: file.write(content))


def _replace(checkpoint: Path, write: Callable[[BinaryIO], object]) -> None:
    try:
        with atomic_write(checkpoint, sync=True) as file:
            write(file)
    except OSError as error:
        logging.getLogger(__name__).warning("No checkpoint could be written: %s", error.strerror or error)
