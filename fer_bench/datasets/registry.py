"""The registry of datasets, and where their files lie. Imports no NumPy, so that listing is light."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer_bench.core.errors import UserError
from fer_bench.datasets.tree import Folder, Walk, walk
from fer_bench.registry.registry import Registry

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
class DataConfig:
    """Where a dataset's source reads and writes, and how.

    `progress` is called during a first read. With `skip_bad` rows and images that cannot be read are left out and
    told in the dataset's notes, instead of being an error. `refresh` reads the files again, whatever the cache holds.
    """

    data_dir: Path = Path("data")
    cache_dir: Path = field(default_factory=default_cache_dir)
    progress: Progress | None = None
    skip_invalid: bool = False
    refresh: bool = False


def load(name: str, places: DataConfig) -> Dataset:
    """The dataset of that name, from its cache where that is current.

    Raises UserError for an unknown name, a missing or malformed source file, an unwritable cache.
    """
    return DATASETS.function(name)(places)


def default_dataset(data_dir: Path | None = None) -> str:
    """Return the dataset of a sweep that names none: "fer2013" if it is found or `data_dir` is named, else "synthetic".

    A user who names a data folder is never given drawn faces instead.
    """
    config = DataConfig() if data_dir is None else DataConfig(data_dir)
    return "fer2013" if data_dir or available("fer2013", config) else "synthetic"


def needs_files(name: str) -> bool:
    """Whether a dataset is read from files; others are made by the program. UserError for an unknown name."""
    options = DATASETS.get(name).options
    return any(options.get(key) for key in ("files", "folders", "finder"))


def find(name: str, places: DataConfig, tree: Iterable[Folder] | None = None) -> Path | None:
    """The file or folder that a dataset is read from; None where it is absent or the dataset needs none.

    An entry says by its options what is looked for: `folders` and `files` are names, in order of preference, sought in
    the data folder, in its subfolder of the dataset's name, then at any depth, the shallowest first; `finder` names a
    function of `finding`, as "jaffe:find", which chooses. `tree` is a walk of the data folder, where several datasets
    are looked for. Raises UserError for an unknown name.
    """
    options, data_dir = DATASETS.get(name).options, places.data_dir
    if finder := options.get("finder"):
        module, _, function = finder.partition(":")
        choose = getattr(import_module(f"fer_bench.datasets.finding.{module}"), function)
        return choose(data_dir, Walk(data_dir) if tree is None else tree)
    for wanted, is_there in _wanted(options):
        for path in (data_dir / wanted, data_dir / name / wanted):
            if is_there(path):
                return path
    if not needs_files(name):
        return None
    folders = {folder.lower(): place for place, folder in enumerate(options.get("folders", ()))}
    files = {file: place for place, file in enumerate(options.get("files", ()), len(folders))}
    found = [
        (place, depth, path)
        for depth, folder in enumerate(walk(data_dir) if tree is None else tree)
        for place, path in _matches(folder, depth == 0, folders, files)
    ]
    return min(found)[2] if found else None


def available(name: str, places: DataConfig, tree: Iterable[Folder] | None = None) -> bool:
    """Whether `load` has what it needs: its source is found, or it needs none."""
    return not needs_files(name) or find(name, places, tree) is not None


def found(places: DataConfig) -> dict[str, Path | None]:
    """The datasets that can be loaded, with their source; None for those that the program makes.

    `folder`, which reads any images, is left out where what it would read belongs to another dataset.
    """
    tree = Walk(places.data_dir)
    sources = {name: find(name, places, tree) for name in DATASETS.names() if available(name, places, tree)}
    others = [path.resolve() for name, path in sources.items() if path and name != "folder"]
    if (own := sources.get("folder")) and any(path.is_relative_to(own.resolve()) for path in others):
        del sources["folder"]
    return sources


def require(name: str, places: DataConfig) -> Path:
    """`find`, with a UserError that names the places looked at and where the dataset is to be had."""
    path = find(name, places)
    if path is not None:
        return path
    options, data_dir = DATASETS.get(name).options, places.data_dir
    wanted = [*options.get("folders", ()), *options.get("files", ())]
    if _is_empty(data_dir):
        state = f"the data folder {data_dir} is empty"
    elif os.path.isdir(data_dir):
        looked = ", ".join(str(folder / one) for one in wanted for folder in (data_dir, data_dir / name))
        state = f"looked at {looked} and everywhere below {data_dir}" if wanted else f"looked below {data_dir}"
    else:
        state = f"there is no data folder {data_dir}"
    layouts = options.get("layouts") or [f"{one}/" if one in options.get("folders", ()) else one for one in wanted]
    raise UserError(
        f"{options['title']} was not found ({state}): get it from {options['source']} "
        f"and put {' or '.join(layouts)} below {data_dir}/, or name its folder with --data-dir."
    )


def _wanted(options: dict[str, Any]) -> list[tuple[str, Callable[[Path], bool]]]:
    """Names with what tells that they are there; os.path's functions say False of what may not be read."""
    folders = [(name, os.path.isdir) for name in options.get("folders", ())]
    return folders + [(name, os.path.isfile) for name in options.get("files", ())]


def _matches(folder: Folder, is_root: bool, folders: dict[str, int], files: dict[str, int]) -> Iterator[tuple]:
    """What of one folder is looked for, with its place in the order of preference."""
    if is_root and folder.path.resolve().name.lower() in folders:  # --data-dir names the dataset's own folder
        yield folders[folder.path.resolve().name.lower()], folder.path
    yield from ((folders[name.lower()], folder.path / name) for name in folder.folders if name.lower() in folders)
    yield from ((files[name], folder.path / name) for name in folder.files if name in files)


def _is_empty(folder: Path) -> bool:
    """Whether a folder holds nothing but the README of a fresh checkout."""
    try:
        return all(name == "README.md" or name.startswith(".") for name in os.listdir(folder))
    except OSError:
        return False


DATASETS.scan(Path(__file__).parent, package="fer_bench.datasets")
