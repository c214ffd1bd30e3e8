"""Listing the folders below the data folder. Imports no NumPy and opens no file."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice, tee
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.datasets.emotions import canonical_emotion

# Entries read from one folder. A folder with more entries contains images; a csv file among them may be missed.
MAX_ENTRIES = 1000
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".pgm")


@dataclass(frozen=True)
class Folder:
    """A folder with the sorted names of its subfolders and files."""

    path: Path
    folders: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def images(self) -> list[Path]:
        """The paths of the image files."""
        return [self.path / name for name in self.files if is_image(name)]


def is_image(name: str) -> bool:
    """Return whether a file name has the suffix of an image. Hidden files, such as the ._ copies of macOS, have not."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def list_folder(path: Path, max_entries: int | None = MAX_ENTRIES) -> Folder | None:
    """Return a folder's visible entries; None if it cannot be read. All are read if `max_entries` is None."""
    try:
        with os.scandir(path) as entries:
            kinds = {e.name: _kind(e) for e in islice(entries, max_entries) if not _is_hidden(e.name)}
    except OSError:
        return None
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


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _kind(entry: os.DirEntry[str]) -> str:
    try:
        return "folder" if entry.is_dir() else "file" if entry.is_file() else "other"
    except OSError:  # a link that points to itself
        return "other"
