"""Listing the folders below the data folder. Imports no NumPy."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice, tee
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.datasets.emotions import canonical_emotion
from fer_bench.datasets.image_format import has_image_suffix

# Entries read from one folder. A folder with more entries contains images; a csv file among them may be missed.
MAX_ENTRIES = 1000
MAX_DEPTH = 4  # folders between the root of a dataset and its images
# What this program writes: files that a results folder or a cache has, and the subfolders of a results folder.
OUTPUT_FILES = ("leaderboard.csv", "leaderboard.html", ".datasets.lock")
OUTPUT_FOLDERS = frozenset(
    ("records", "figures", "experiments", "logs", "checkpoints", "audits", "sweeps", "claims", "tensorboard", "mlflow")
)


@dataclass(frozen=True)
class Folder:
    """A folder with the sorted names of its subfolders and files."""

    path: Path
    folders: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def images(self) -> list[Path]:
        """The paths of the image files."""
        return [self.path / name for name in self.files if has_image_suffix(name)]


def list_folder(path: Path, max_entries: int | None = MAX_ENTRIES) -> Folder | None:
    """Return a folder's visible entries; None if it cannot be read. All are read if `max_entries` is None.

    The results folders and caches of this program are no entries.
    """
    try:
        with os.scandir(path) as entries:
            kinds = {e.name: _kind(e) for e in islice(entries, max_entries) if not _is_hidden(e.name)}
    except OSError:
        return None
    is_results = any(name in kinds for name in OUTPUT_FILES)
    for name in [name for name in kinds if kinds[name] == "folder"]:
        if (is_results and name in OUTPUT_FOLDERS) or is_output(Path(path, name)):
            del kinds[name]
    folders, files = (tuple(sorted(name for name in kinds if kinds[name] == kind)) for kind in ("folder", "file"))
    return Folder(Path(path), folders, files)


def require_folder(path: Path) -> Folder:
    """Return all visible entries of a folder. Raise UserError if it cannot be read."""
    folder = list_folder(path, max_entries=None)
    if folder is None:
        raise UserError(f"The folder {path} cannot be read. Check that it exists and its permissions.")
    return folder


def list_images(path: Path) -> list[Path]:
    """Return the image files in a folder, sorted by name; an empty list if it cannot be read."""
    folder = list_folder(path, max_entries=None)
    return folder.images if folder else []


def walk(root: Path) -> Iterator[Folder]:
    """Yield the folders below `root`, the shallowest first. Links are followed, each folder is visited once.

    A folder that is named for an expression contains only images: it is not entered, so that a data folder with many
    thousand images is walked in milliseconds.
    """
    queue, seen = deque([root]), set()
    while queue:
        path = queue.popleft()
        try:
            status = path.stat()
        except OSError:  # a folder that cannot be read contains nothing for us
            continue
        if (status.st_dev, status.st_ino) in seen or (folder := list_folder(path)) is None:
            continue
        seen.add((status.st_dev, status.st_ino))
        yield folder
        queue.extend(path / name for name in folder.folders if canonical_emotion(name) is None)


class CachedWalk:
    """A walk that several searches can iterate: each folder is read once, when a search first reaches it."""

    def __init__(self, root: Path) -> None:
        self._walk = walk(root)

    def __iter__(self) -> Iterator[Folder]:
        self._walk, copy = tee(self._walk)
        return copy


def subfolders(folder: Folder) -> Iterator[Folder]:
    """Yield the listings of the folders in a folder, of those that can be read."""
    yield from filter(None, (list_folder(folder.path / name) for name in folder.folders))


def common_root(first: Path, data_dir: Path, names: Callable[[Folder], set[str]]) -> Path:
    """Return the folder of all parts of a dataset that was found in one folder, such as of a class or a split.

    That is the highest folder below which most names are different: folders beside each other with the same names are
    copies, not parts.

    Args:
        first: The folder in which the dataset was found.
        data_dir: Where the search ends.
        names: Returns the names of a folder's own samples.
    """
    root, count = first, 0
    for path in (first, *first.parents) if first.is_relative_to(data_dir) else ():
        found = [name for folder in folders_below(path) for name in names(folder)]
        if len(found) - len(set(found)) > (len(found) - count) / 2:
            break
        if len(found) > count:
            root, count = path, len(found)
        if path == data_dir:
            break
    return root


def is_output(path: Path) -> bool:
    """Return whether a folder is a results folder or a cache of this program."""
    if any(os.path.exists(os.path.join(path, name)) for name in OUTPUT_FILES):
        return True
    if not any(os.path.isdir(os.path.join(path, name)) for name in ("records", "audits")):
        return False
    try:
        with os.scandir(path) as entries:
            return {entry.name for entry in entries if entry.is_dir() and not _is_hidden(entry.name)} <= OUTPUT_FOLDERS
    except OSError:
        return False


def folders_below(path: Path, depth: int = MAX_DEPTH, max_entries: int | None = MAX_ENTRIES) -> Iterator[Folder]:
    """Yield a folder and those below, to a limited depth."""
    folder = list_folder(path, max_entries)
    if folder is None:
        return
    yield folder
    for name in folder.folders if depth else ():
        yield from folders_below(path / name, depth - 1, max_entries)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        # A link to a missing file is a file that cannot be read: the reader names it.
        return "folder" if entry.is_dir() else "file" if entry.is_file() or entry.is_symlink() else "other"
    except OSError:  # a link that points to itself
        return "other"
