"""What lies where below the data folder, by names alone. Imports no NumPy; opens no file."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from fer_bench.datasets.emotions import canonical

# Entries looked at in one folder. What holds more is full of images; whoever has a csv among them may name its folder.
MOST = 1000
IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".pgm")


@dataclass(frozen=True)
class Folder:
    """A folder with the names of what lies in it, sorted."""

    path: Path
    folders: tuple[str, ...]
    files: tuple[str, ...]

    @property
    def images(self) -> bool:
        """Whether image files lie in it, by their names."""
        return any(is_image(name) for name in self.files)


def is_image(name: str) -> bool:
    """Whether a file name is that of an image; hidden files, such as macOS' ._ copies, are none."""
    return name.lower().endswith(IMAGES) and not name.startswith(".")


def look(path: Path, most: int | None = MOST) -> Folder | None:
    """What lies in one folder, hidden entries left out; None where it cannot be read. None as `most` sees all."""
    try:
        with os.scandir(path) as entries:
            seen = [(e.name, _is_folder(e), e) for e in islice(entries, most) if not _is_clutter(e.name)]
    except OSError:
        return None
    folders = sorted(name for name, is_folder, _ in seen if is_folder)
    files = sorted(name for name, is_folder, entry in seen if not is_folder and _is_file(entry))
    return Folder(Path(path), tuple(folders), tuple(files))


def walk(root: Path) -> Iterator[Folder]:
    """The folders below `root`, the shallowest first; follows links, each folder once.

    A folder with the name of an expression holds images and nothing else: it is named by its parent but not entered,
    so that a data folder of many thousand images is walked in milliseconds.
    """
    queue, seen = deque([root]), set()
    while queue:
        path = queue.popleft()
        try:
            status = path.stat()
        except OSError:  # what cannot be read holds nothing for us
            continue
        if (status.st_dev, status.st_ino) in seen or (folder := look(path)) is None:
            continue
        seen.add((status.st_dev, status.st_ino))
        yield folder
        queue.extend(path / name for name in folder.folders if canonical(name) is None)


class Walk:
    """A walk that is taken once, as far as it is asked for."""

    def __init__(self, root: Path) -> None:
        self._left, self._seen = walk(root), []

    def __iter__(self) -> Iterator[Folder]:
        place = 0
        while place < len(self._seen) or self._step():
            yield self._seen[place]
            place += 1

    def _step(self) -> bool:
        folder = next(self._left, None)
        if folder is not None:
            self._seen.append(folder)
        return folder is not None


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False


def _is_file(entry: os.DirEntry) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link in a circle
        return False
