"""The registry of datasets, and where their files lie. Imports no NumPy, so that listing is light."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fer_bench.errors import UserError
from fer_bench.registry import Registry

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset

CACHE_VARIABLE = "FER_BENCH_CACHE"

Progress = Callable[[str, int, int], None]  # what is being done, units done, units in all

DATASETS = Registry("dataset")
register_dataset = DATASETS.register


def default_cache_dir() -> Path:
    """FER_BENCH_CACHE, else XDG_CACHE_HOME/fer-bench, else ~/.cache/fer-bench."""
    if chosen := os.environ.get(CACHE_VARIABLE):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fer-bench"


@dataclass(frozen=True)
class Places:
    """Where a dataset's source reads and writes.

    `progress` is called during a first read.
    """

    data_dir: Path = Path("data")
    cache_dir: Path = field(default_factory=default_cache_dir)
    progress: Progress | None = None


def load(name: str, places: Places) -> Dataset:
    """The dataset of that name, from its cache where that is current.

    Raises UserError for an unknown name, a missing or malformed source file, an unwritable cache.
    """
    return DATASETS.function(name)(places)


def find(name: str, places: Places) -> Path | None:
    """The dataset's source file below the data folder; None where it is absent or the dataset needs none.

    Looks for each of the entry's `files` in the data folder, in its subfolder of the dataset's name, then at
    any depth, the shallowest first. Opens nothing. Raises UserError for an unknown name.
    """
    files = DATASETS.get(name).options.get("files", ())
    for file in files:
        for path in (places.data_dir / file, places.data_dir / name / file):
            if os.path.isfile(path):  # unlike Path.is_file, False for what may not be read
                return path
    return _search(places.data_dir, files) if files else None


def available(name: str, places: Places) -> bool:
    """Whether `load` has what it needs: the source file is found, or the dataset needs none."""
    return not DATASETS.get(name).options.get("files") or find(name, places) is not None


def require(name: str, places: Places) -> Path:
    """`find`, with a UserError that names the places looked at and where the dataset is to be had."""
    path = find(name, places)
    if path is not None:
        return path
    options, data_dir = DATASETS.get(name).options, places.data_dir
    if _is_empty(data_dir):
        state = f"the data folder {data_dir} is empty"
    elif os.path.isdir(data_dir):
        looked = ", ".join(str(folder / file) for file in options["files"] for folder in (data_dir, data_dir / name))
        state = f"looked at {looked} and everywhere below {data_dir}"
    else:
        state = f"there is no data folder {data_dir}"
    raise UserError(
        f"{options['title']} was not found ({state}): get it from {options['source']} "
        f"and put {' or '.join(options['files'])} below {data_dir}/, or name its folder with --data-dir."
    )


def _is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing but the README of a fresh checkout."""
    try:
        return all(name == "README.md" or name.startswith(".") for name in os.listdir(folder))
    except OSError:
        return False


def _search(root: Path, files: tuple[str, ...]) -> Path | None:
    """The shallowest file of one of these names; follows links to folders, each folder once."""
    queue, seen = deque([root]), set()
    while queue:
        folder = queue.popleft()
        try:
            status = folder.stat()
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:  # a folder that cannot be read holds nothing for us
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        for entry in entries:
            if entry.name in files and os.path.isfile(entry):
                return Path(entry.path)
        queue.extend(Path(e.path) for e in entries if not e.name.startswith(".") and os.path.isdir(e))
    return None


DATASETS.scan(Path(__file__).parent, package="fer_bench.datasets")
