"""The memory-mapped cache: one folder per dataset and source file, written completely or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache_dir import locked, report_write_errors
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.expected_counts import check_order, count_mismatches
from fer_bench.datasets.registry import DATASETS, DataConfig
from fer_bench.datasets.tree import is_output

# Increased when the layout of the folder changes; older caches are then rebuilt.
FORMAT = 3
LOCK = ".datasets.lock"

# All except the first three are optional.
ARRAYS = ("images", "labels", "ids", "split", "subjects", "soft_labels", "sequences")

Source = Path | Sequence[Path] | None
State = dict[str, Any]


def cached_files(
    name: str,
    source: Source,
    data_config: DataConfig,
    read: Callable[[], Dataset],
    version: int | str = 1,
    counts: Mapping[str, Any] | None = None,
) -> Dataset:
    """Return a dataset that is read from files as `data_config` says, with notes on its counts; see `cached`.

    `counts` replaces the published counts that the dataset's entry declares.
    """

    def read_and_compare() -> Dataset:
        dataset = read()
        options = DATASETS.get(name).options | ({"counts": counts} if counts else {})
        check_order(dataset, options)
        return replace(dataset, notes=(*dataset.notes, *(count_mismatches(dataset, options) or ())))

    skip_invalid, refresh = data_config.skip_invalid, data_config.refresh
    return cached(name, source, data_config.cache_dir, read_and_compare, version, skip_invalid, refresh)


def cached(
    name: str,
    source: Source,
    cache_dir: Path,
    read: Callable[[], Dataset],
    version: int | str = 1,
    skip_invalid: bool = False,
    refresh: bool = False,
) -> Dataset:
    """Return a dataset from the cache, which is filled if it is missing, damaged or older than its source.

    Only one process at a time fills the cache.

    Args:
        name: Name of the dataset.
        source: The file or folder, or several, whose path, size and times the cache must match; None for a dataset
            that needs no files.
        cache_dir: The folder of the cache.
        read: Returns the dataset without a fingerprint. It must not use the cache. Its exceptions are passed on, and
            nothing is written.
        version: Increased when `read` returns something else.
        skip_invalid: Whether `read` skips invalid samples. A cache without skipped samples is used in both cases.
        refresh: Read again even if the cache is current.

    Returns:
        The dataset; its images are a read-only memory map.

    Raises:
        UserError: The source cannot be read or the cache cannot be written.
    """
    paths = [] if source is None else [source] if isinstance(source, Path) else list(source)
    origin = {"format": FORMAT, "name": name, "version": version}
    folder = cache_dir / _folder_name(name, paths)
    start = time.time_ns()
    dataset = None if refresh else _open(folder, origin, paths, skip_invalid)
    if dataset is not None:
        return dataset
    with report_write_errors(cache_dir):
        cache_dir.mkdir(parents=True, exist_ok=True)
        if not os.access(cache_dir, os.W_OK | os.X_OK):  # before the source is read, which takes time
            raise PermissionError(None, "permission denied")
    with locked(cache_dir / LOCK) as is_only_writer:
        # Another process may have filled the cache while this one waited.
        if not refresh or _modified_ns(folder) > start:
            dataset = _open(folder, origin, paths, skip_invalid)
        if dataset is not None:
            return dataset
        states = _source_states(paths)
        data = read()
        data = replace(data, fingerprint=fingerprint(data))
        with report_write_errors(cache_dir):
            if is_only_writer:  # then unfinished folders are from processes that were killed
                for unfinished in cache_dir.glob(f".{folder.name}-*.tmp"):
                    shutil.rmtree(unfinished, ignore_errors=True)
            _write(data, origin | {"sources": states, "skip_invalid": skip_invalid}, folder)
    dataset = _open(folder, origin, paths, skip_invalid)
    if dataset is None and _source_states(paths) != states:
        raise UserError(f"{paths[0]} was changed while it was read. Try again.")
    if dataset is None:
        raise UserError(f"The cache folder {folder} does not read back as written. Delete it and try again.")
    return dataset


def fingerprint(dataset: Dataset) -> str:
    """Return the SHA-256, 64 hex digits, over images, labels, split, subjects, soft labels and sequences with shapes.

    Arrays that a dataset lacks do not enter.
    """
    digest = hashlib.sha256()
    arrays = {
        "images": (dataset.images, "u1"),
        "labels": (dataset.labels, "<i8"),
        "split": (dataset.split, "i1"),
        "subjects": (dataset.subjects, "<U"),
        "soft_labels": (dataset.soft_labels, "<f4"),
        "sequences": (dataset.sequences, "<U"),
    }
    for name, (array, dtype) in arrays.items():
        if array is None:
            continue
        values = np.ascontiguousarray(array, dtype=dtype)
        digest.update(f"{name}{values.shape}{values.dtype.str}".encode())
        digest.update(values.view(np.uint8).data if values.size else b"")
    return digest.hexdigest()


def _folder_name(name: str, paths: list[Path]) -> str:
    if not paths:
        return name
    return f"{name}-{hashlib.sha256(':'.join(str(path.resolve()) for path in paths).encode()).hexdigest()[:12]}"


def _modified_ns(folder: Path) -> int:
    try:
        return (folder / "meta.json").stat().st_mtime_ns
    except OSError:
        return 0


def _open(folder: Path, origin: dict[str, Any], paths: list[Path], skip_invalid: bool) -> Dataset | None:
    """Return the cached dataset; None if it is missing, outdated or damaged."""
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        if not _is_current(meta["origin"], origin, paths, skip_invalid):
            return None
        arrays = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r" if name == "images" else None)
            for name in meta["arrays"]
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
    if {name: [str(array.dtype), *array.shape] for name, array in arrays.items()} != meta["arrays"]:
        return None
    return dataset


def _is_current(known: dict[str, Any], origin: dict[str, Any], paths: list[Path], skip_invalid: bool) -> bool:
    if {key: known[key] for key in origin} != origin or (known["skip_invalid"] and not skip_invalid):
        return False
    return len(paths) == len(known["sources"]) and all(map(_is_unchanged, paths, known["sources"]))


def _write(data: Dataset, origin: dict[str, Any], folder: Path) -> None:
    """Write the cache into a temporary folder, then rename it."""
    arrays = {name: getattr(data, name) for name in ARRAYS if getattr(data, name) is not None}
    meta = {
        "origin": origin,
        "classes": list(data.classes),
        "notes": list(data.notes),
        "fingerprint": data.fingerprint,
        "arrays": {name: [str(array.dtype), *array.shape] for name, array in arrays.items()},
    }
    unique = f".{folder.name}-{os.getpid()}-{secrets.token_hex(4)}"
    temporary, outdated = folder.with_name(f"{unique}.tmp"), folder.with_name(f"{unique}.old.tmp")
    try:
        temporary.mkdir()
        for name, array in arrays.items():
            with (temporary / f"{name}.npy").open("wb") as file:
                np.save(file, array, allow_pickle=False)
                _sync(file)
        with (temporary / "meta.json").open("w", encoding="utf-8") as file:
            json.dump(meta, file, indent=1)
            _sync(file)
        with suppress(FileNotFoundError):
            folder.rename(outdated)  # processes that have mapped it keep its pages
        temporary.rename(folder)
    finally:
        for path in (temporary, outdated):
            shutil.rmtree(path, ignore_errors=True)


def _sync(file: IO[Any]) -> None:
    """Force the content to the disk, so that the renamed folder is complete after a power cut."""
    file.flush()
    os.fsync(file.fileno())


# ---- the state of the source files


def _source_states(paths: list[Path]) -> list[State]:
    try:
        return [_source_state(path) for path in paths]
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read: {error.strerror or error}.") from None


def _source_state(path: Path) -> State:
    """Return what shows whether a source has changed: size and time of a file, times of all folders below a folder.

    The time of a folder changes when a file is added, removed or renamed, so that a dataset of 35,887 image files is
    checked by reading two dozen times. An image that is overwritten in place is not noticed; `refresh` reads it.
    """
    status = path.stat()
    state: State = {"path": str(path.resolve())}
    if path.is_dir():
        folders = {str(folder.relative_to(path)): folder.stat().st_mtime_ns for folder in _folders_below(path)}
        return state | {"folders": folders}
    return state | {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _is_unchanged(path: Path, known: State) -> bool:
    try:
        if "folders" not in known:
            return _source_state(path) == known
        if str(path.resolve()) != known["path"]:
            return False
        return all(os.stat(path / folder).st_mtime_ns == mtime for folder, mtime in known["folders"].items())
    except OSError:
        return False


def _folders_below(root: Path) -> list[Path]:
    """Return the folder and all visible folders below. Links are followed, each folder is visited once."""
    found, queue, seen = [], [root], set()
    while queue:
        folder = queue.pop()
        status = folder.stat()
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        found.append(folder)
        with os.scandir(folder) as entries:
            folders = [Path(entry.path) for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
            queue += [path for path in folders if not is_output(path)]
    return sorted(found)
