"""The memory-mapped cache: one folder per dataset and source file, whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.core.errors import UserError, write_error
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.registry import CACHE_VARIABLE
from fer_bench.datasets.sources import State, state, unchanged

try:
    import fcntl
except ImportError:  # Windows: two first reads at once each do the work, and the later one wins
    fcntl = None

# Raised when the layout of the folder changes; older caches are then built anew.
FORMAT = 2

# All but the first three where the dataset has them.
ARRAYS = ("images", "labels", "ids", "split", "subjects", "soft_labels", "sequences")

Source = Path | Sequence[Path] | None


def cached(
    name: str,
    source: Source,
    cache_dir: Path,
    read: Callable[[], Dataset],
    version: int = 1,
    skip_bad: bool = False,
    refresh: bool = False,
) -> Dataset:
    """The dataset from its cache; `read` fills it when it is missing, damaged, or older than its source.

    `source` is the file or folder whose path, size and times the cache must match, several, or None for a dataset made
    by the program. `version` is raised by a source whose reader changes. `read` returns a Dataset without a
    fingerprint and calls for no other cache; what it raises is passed on and leaves nothing behind. `skip_bad` says
    that `read` leaves out what is bad: a cache without anything left out serves both. `refresh` reads anew. Images
    come back as a read-only memory map. Raises UserError where the source cannot be read or the cache folder cannot be
    written.
    """
    paths = _paths(source)
    origin = {"format": FORMAT, "name": name, "version": version}
    folder = cache_dir / _folder_name(name, paths)
    begun = time.time_ns()
    dataset = None if refresh else _open(folder, origin, paths, skip_bad)
    if dataset is not None:
        return dataset
    with _writable(cache_dir):
        cache_dir.mkdir(parents=True, exist_ok=True)
        if not os.access(cache_dir, os.W_OK | os.X_OK):  # told before the reading, not after it
            raise PermissionError(None, "permission denied")
    with _locked(cache_dir) as alone:
        # Another process may have filled it while this one waited.
        if not refresh or _written(folder) > begun:
            dataset = _open(folder, origin, paths, skip_bad)
        if dataset is not None:
            return dataset
        states = _states(paths)
        data = read()
        data = replace(data, fingerprint=fingerprint(data))
        with _writable(cache_dir):
            if alone:  # whatever is half-written now was left by a process that was killed
                for stale in cache_dir.glob(f".{folder.name}-*.tmp"):
                    shutil.rmtree(stale, ignore_errors=True)
            _write(data, origin | {"sources": states, "skip_bad": skip_bad}, folder)
    dataset = _open(folder, origin, paths, skip_bad)
    if dataset is None and _states(paths) != states:
        raise UserError(f"{paths[0]} was changed while it was read: try again.")
    if dataset is None:
        raise UserError(f"The cache folder {folder} does not read back as written: delete it and try again.")
    return dataset


def fingerprint(dataset: Dataset) -> str:
    """SHA-256 over images, labels, split, subjects, soft labels and sequences with their shapes; 64 hex digits.

    What a dataset lacks is no part of it.
    """
    digest = hashlib.sha256()
    parts = {
        "images": (dataset.images, "u1"),
        "labels": (dataset.labels, "<i8"),
        "split": (dataset.split, "i1"),
        "subjects": (dataset.subjects, "<U"),
        "soft_labels": (dataset.soft_labels, "<f4"),
        "sequences": (dataset.sequences, "<U"),
    }
    for part, (values, kind) in parts.items():
        if values is None:
            continue
        values = np.ascontiguousarray(values, dtype=kind)
        digest.update(f"{part}{values.shape}{values.dtype.str}".encode())
        digest.update(values.view(np.uint8).data if values.size else b"")
    return digest.hexdigest()


def _paths(source: Source) -> list[Path]:
    return [] if source is None else [source] if isinstance(source, Path) else list(source)


def _states(paths: list[Path]) -> list[State]:
    try:
        return [state(path) for path in paths]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror or error}.") from None


def _folder_name(name: str, paths: list[Path]) -> str:
    if not paths:
        return name
    return f"{name}-{hashlib.sha256(':'.join(str(path.resolve()) for path in paths).encode()).hexdigest()[:12]}"


def _written(folder: Path) -> int:
    """When a cache was written, in nanoseconds; 0 where there is none."""
    try:
        return (folder / "meta.json").stat().st_mtime_ns
    except OSError:
        return 0


def _open(folder: Path, origin: dict[str, Any], paths: list[Path], skip_bad: bool) -> Dataset | None:
    """The cached dataset, None where it is absent, outdated or damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if not _is_current(meta["origin"], origin, paths, skip_bad):
            return None
        arrays = {
            part: np.load(folder / f"{part}.npy", mmap_mode="r" if part == "images" else None)
            for part in meta["arrays"]
        }
        dataset = Dataset(
            name=origin["name"],
            classes=tuple(meta["classes"]),
            fingerprint=meta["fingerprint"],
            notes=tuple(meta["notes"]),
            **arrays,
        )
    except (OSError, ValueError, EOFError, KeyError, TypeError):
        return None
    if {part: [str(a.dtype), *a.shape] for part, a in arrays.items()} != meta["arrays"]:
        return None
    return dataset


def _is_current(known: dict[str, Any], origin: dict[str, Any], paths: list[Path], skip_bad: bool) -> bool:
    if {key: known[key] for key in origin} != origin or (known["skip_bad"] and not skip_bad):
        return False
    return len(paths) == len(known["sources"]) and all(map(unchanged, paths, known["sources"]))


def _write(data: Dataset, origin: dict[str, Any], folder: Path) -> None:
    """Write the cache beside its place, then put it there in one step."""
    arrays = {part: getattr(data, part) for part in ARRAYS if getattr(data, part) is not None}
    meta = {
        "origin": origin,
        "classes": list(data.classes),
        "notes": list(data.notes),
        "fingerprint": data.fingerprint,
        "arrays": {part: [str(values.dtype), *values.shape] for part, values in arrays.items()},
    }
    unique = f".{folder.name}-{os.getpid()}-{secrets.token_hex(4)}"
    temporary, outdated = folder.with_name(f"{unique}.tmp"), folder.with_name(f"{unique}.old.tmp")
    try:
        temporary.mkdir()
        for part, values in arrays.items():
            with (temporary / f"{part}.npy").open("wb") as file:
                np.save(file, values, allow_pickle=False)
                _to_disk(file)
        with (temporary / "meta.json").open("w", encoding="utf-8") as file:
            json.dump(meta, file, indent=1)
            _to_disk(file)
        with suppress(FileNotFoundError):
            folder.rename(outdated)  # a process that has it mapped keeps its pages
        temporary.rename(folder)
    finally:
        for left in (temporary, outdated):
            shutil.rmtree(left, ignore_errors=True)


def _to_disk(file: Any) -> None:
    """So that the folder's new name never outlives a power cut that its contents did not."""
    file.flush()
    os.fsync(file.fileno())


@contextmanager
def _locked(cache_dir: Path) -> Iterator[bool]:
    """One writer in a cache folder at a time; yields whether that could be had. The lock ends with its process."""
    if fcntl is None:
        yield False
        return
    handle = os.open(cache_dir, os.O_RDONLY)
    try:
        alone = True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:  # some network file systems have no locks
            alone = False
        yield alone
    finally:
        os.close(handle)


@contextmanager
def _writable(cache_dir: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise write_error(f"The cache folder {cache_dir}", error, f"Name another in {CACHE_VARIABLE}.") from None
