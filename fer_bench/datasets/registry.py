"""The registry of datasets, and how their files are found. Imports no NumPy, so that listing is fast."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from fer_bench.core.errors import UserError
from fer_bench.datasets.tree import CachedWalk, Folder
from fer_bench.registry.registry import Registry

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset

CACHE_VARIABLE = "FER_BENCH_CACHE"

Progress = Callable[[str, int, int], None]  # description, units done, total

DATASETS = Registry("dataset")
register_dataset = DATASETS.register


def default_cache_dir() -> Path:
    """Return FER_BENCH_CACHE, else XDG_CACHE_HOME/fer-bench, else ~/.cache/fer-bench."""
    if folder := os.environ.get(CACHE_VARIABLE):
        return Path(folder).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fer-bench"


@dataclass(frozen=True)
class DataConfig:
    """Where datasets are read and cached, and how.

    Attributes:
        data_dir: The folder below which the files of datasets are searched.
        cache_dir: The folder of the memory-mapped cache.
        progress: Called while a dataset is read for the first time.
        skip_invalid: Skip rows and images that cannot be read and note them, instead of raising an error.
        refresh: Read the files again even if the cache is current.
    """

    data_dir: Path = Path("data")
    cache_dir: Path = field(default_factory=default_cache_dir)
    progress: Progress | None = None
    skip_invalid: bool = False
    refresh: bool = False


def load(name: str, data_config: DataConfig) -> Dataset:
    """Return a dataset, from its cache if that is current.

    Raises:
        UserError: The name is unknown, a file is missing or malformed, or the cache cannot be written.
    """
    return DATASETS.function(name)(data_config)


def default_dataset(data_dir: Path | None = None) -> str:
    """Return the dataset of a sweep that names none: "fer2013" if it is found or `data_dir` is named, else "synthetic".

    A user who names a data folder never gets drawn faces instead.
    """
    config = DataConfig() if data_dir is None else DataConfig(data_dir)
    return "fer2013" if data_dir or available("fer2013", config) else "synthetic"


def needs_files(name: str) -> bool:
    """Return whether a dataset is read from files, not drawn. Raise UserError for an unknown name."""
    return "locate" in DATASETS.get(name).options


def find(name: str, data_config: DataConfig, tree: Iterable[Folder] | None = None) -> Path | None:
    """Return the file or folder that a dataset is read from.

    The entry's option `locate` names a function in the module `locate` of the dataset's package, which imports no
    NumPy. It gets the data folder and a walk through it.

    Args:
        name: Name of the dataset.
        data_config: Names the data folder.
        tree: A walk through the data folder that can be iterated repeatedly, so that several searches can share it.

    Returns:
        The path; None if the files are missing or the dataset needs none.

    Raises:
        UserError: The name is unknown.
    """
    entry = DATASETS.get(name)
    if not needs_files(name):
        return None
    locate = getattr(import_module(f"{entry.module}.locate"), entry.options["locate"])
    return locate(data_config.data_dir, CachedWalk(data_config.data_dir) if tree is None else tree)


def available(name: str, data_config: DataConfig, tree: Iterable[Folder] | None = None) -> bool:
    """Return whether the dataset can be loaded: its files are found, or it needs none."""
    return not needs_files(name) or find(name, data_config, tree) is not None


def find_all(data_config: DataConfig) -> dict[str, Path | None]:
    """Return the datasets that can be loaded, with their file or folder; None for those that need no files.

    `folder`, which reads any images, is omitted if its folder contains another dataset.
    """
    tree = CachedWalk(data_config.data_dir)
    sources = {name: find(name, data_config, tree) for name in DATASETS.names() if available(name, data_config, tree)}
    others = [path.resolve() for name, path in sources.items() if path and name != "folder"]
    if (folder := sources.get("folder")) and any(path.is_relative_to(folder.resolve()) for path in others):
        del sources["folder"]
    return sources


def require(name: str, data_config: DataConfig) -> Path:
    """Return the file or folder of a dataset. Raise UserError with its origin and layouts if it is not found."""
    path = find(name, data_config)
    if path is not None:
        return path
    options, data_dir = DATASETS.get(name).options, data_config.data_dir
    if not os.path.isdir(data_dir):
        state = f"there is no data folder {data_dir}"
    elif _is_empty(data_dir):
        state = f"the data folder {data_dir} is empty"
    else:
        state = f"searched {data_dir} and all folders below"
    raise UserError(
        f"{options['title']} was not found ({state}). Get it from {options['source']} "
        f"and put {' or '.join(options['layouts'])} below {data_dir}/, or name its folder with --data-dir."
    )


def _is_empty(folder: Path) -> bool:
    """Return whether a folder contains nothing except the README of a fresh checkout."""
    try:
        return all(name == "README.md" or name.startswith(".") for name in os.listdir(folder))
    except OSError:
        return False


DATASETS.scan(Path(__file__).parent, package="fer_bench.datasets")
