"""The registry of datasets, and how their files are found. Imports no NumPy, so that listing is fast."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from fer_bench.core.errors import UserError
from fer_bench.core.file_kind import identify_file
from fer_bench.core.progress import ProgressBar
from fer_bench.core.text import plural
from fer_bench.datasets.cache_dir import default_cache_dir
from fer_bench.datasets.search import Locate, Search, source_tree
from fer_bench.datasets.tree import Folder
from fer_bench.registry.registry import Registry

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset

Progress = Callable[[str, int, int], None]  # description, units done, total

MAX_OTHERS = 4  # other datasets that a message names
MAX_PROBLEMS = 2  # archives that a message names because they cannot be unpacked

DATASETS = Registry("dataset")
register_dataset = DATASETS.register


@dataclass(frozen=True)
class DataConfig:
    """Where datasets are read and cached, and how.

    Attributes:
        data_dir: The folder below which the files of datasets are searched.
        cache_dir: The folder of the memory-mapped cache.
        progress: Called while a dataset is read for the first time.
        skip_invalid: Skip rows and images that cannot be read and note them, instead of raising an error.
        refresh: Read the files again even if the cache is current.
        accept_classes: Read folders as classes even if they look like persons, recordings or splits.
    """

    data_dir: Path = Path("data")
    cache_dir: Path = field(default_factory=default_cache_dir)
    progress: Progress | None = None
    skip_invalid: bool = False
    refresh: bool = False
    accept_classes: bool = False


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
    return "fer2013" if data_dir or available("fer2013", DataConfig(progress=ProgressBar())) else "synthetic"


def needs_files(name: str) -> bool:
    """Return whether a dataset is read from files, not drawn. Raise UserError for an unknown name."""
    return "locate" in DATASETS.get(name).options


def find(name: str, data_config: DataConfig, tree: Iterable[Folder] | None = None, unpack: bool = True) -> Path | None:
    """Return the file or folder that a dataset is read from.

    The entry's option `locate` names a function in the module `locate` of the dataset's package, which imports no
    NumPy. It gets the data folder and a walk through it. If it finds nothing, archives in the data folder are unpacked
    into the cache and searched.

    Args:
        name: Name of the dataset.
        data_config: Names the data folder.
        tree: A walk through the data folder that can be iterated repeatedly, so that several searches can share it.
        unpack: Whether to unpack archives; otherwise only those that were unpacked earlier are searched.

    Returns:
        The path; None if the files are missing or the dataset needs none.

    Raises:
        UserError: The name is unknown.
    """
    if not needs_files(name):
        return None
    return search(name, data_config, tree, unpack).find(_locate_function(name))


def search(name: str, data_config: DataConfig, tree: Iterable[Folder] | None = None, unpack: bool = True) -> Search:
    """Return a search for the files of a dataset; see `find`."""
    tree = source_tree(data_config.data_dir) if tree is None else tree
    where = (data_config.data_dir, data_config.cache_dir, data_config.progress)
    return Search(*where, DATASETS.get(name).name, tree, unpack)


def _locate_function(name: str) -> Locate:
    entry = DATASETS.get(name)
    return getattr(import_module(f"{entry.module}.locate"), entry.options["locate"])


def available(name: str, data_config: DataConfig, tree: Iterable[Folder] | None = None) -> bool:
    """Return whether the dataset can be loaded: its files are found, or it needs none."""
    return not needs_files(name) or find(name, data_config, tree) is not None


def find_all(data_config: DataConfig) -> dict[str, Path | None]:
    """Return the datasets that can be loaded, with their file or folder; None for those that need no files.

    `folder`, which reads any images, is omitted if its folder contains another dataset.
    """
    tree = source_tree(data_config.data_dir)
    paths = {name: find(name, data_config, tree) for name in DATASETS.names()}
    sources = {name: path for name, path in paths.items() if path or not needs_files(name)}
    others = [path.resolve() for name, path in sources.items() if path and name != "folder"]
    if (folder := sources.get("folder")) and any(path.is_relative_to(folder.resolve()) for path in others):
        del sources["folder"]
    return sources


def unreadable_archives(data_config: DataConfig) -> list[str]:
    """Return one sentence for each archive in the data folder that cannot be unpacked."""
    archives = search("fer2013", data_config)
    archives.all_folders()
    return archives.problems


def require(name: str, data_config: DataConfig) -> Path:
    """Return the file or folder of a dataset. Raise UserError with its origin and layouts if it is not found."""
    source = search(name, data_config)
    if (path := source.find(_locate_function(name))) is not None:
        return path
    options, data_dir = DATASETS.get(name).options, data_config.data_dir
    reasons = "".join(f" {problem}" for problem in source.problems[:MAX_PROBLEMS])
    reasons += _explain(name, source, data_config)
    raise UserError(
        f"{options['title']} was not found ({_describe_search(source)}).{reasons} "
        f"Get it from {options['source']} and put {' or '.join(options['layouts'])} below {data_dir}/, or name its "
        "folder with --data-dir."
    )


def _explain(name: str, source: Search, data_config: DataConfig) -> str:
    """Return sentences on what the data folder has instead of a dataset; empty if nothing is known.

    The module `locate` of a dataset's package can have a function `explain(data_dir, tree)` that returns one.
    """
    module = import_module(f"{DATASETS.get(name).module}.locate")
    reason = module.explain(data_config.data_dir, source.tree) if hasattr(module, "explain") else ""
    others = [other for other in DATASETS.names() if needs_files(other) and find(other, data_config, unpack=False)]
    found = f"--dataset {' or '.join(others[:MAX_OTHERS])} reads what is there." if others else ""
    return "".join(f" {sentence}" for sentence in (reason, found) if sentence)


def _describe_search(source: Search) -> str:
    data_dir = source.data_dir
    if os.path.isfile(data_dir) and not source.searched:
        kind = identify_file(data_dir)
        return f"{data_dir} is {kind.name if kind else 'another file'}"
    if not os.path.exists(data_dir):
        return f"there is no data folder {data_dir}"
    if os.path.isdir(data_dir) and _is_empty(data_dir):
        return f"the data folder {data_dir} is empty"
    if source.searched:
        return f"searched {data_dir}, all folders below and {plural(len(source.searched), 'archive')}"
    return f"searched {data_dir} and all folders below"


def _is_empty(folder: Path) -> bool:
    """Return whether a folder contains nothing except the README of a fresh checkout."""
    try:
        return all(name == "README.md" or name.startswith(".") for name in os.listdir(folder))
    except OSError:
        return False


DATASETS.add_lazy_loader(partial(DATASETS.scan, Path(__file__).parent, package="fer_bench.datasets"))
