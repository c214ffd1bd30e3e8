"""Where the files of datasets are searched: in the data folder or the file that stands for it, then in archives.

Imports no NumPy.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.datasets.archives import Progress, find_unpacked, is_archive, list_archives, unpack
from fer_bench.datasets.tree import CachedWalk, Folder

Locate = Callable[[Path, Iterable[Folder]], Path | None]
MAX_NESTING = 2  # archives in archives


def source_tree(data_dir: Path) -> Iterable[Folder]:
    """Return the folders below the data folder; for a file, its folder as if it contained only that file."""
    if os.path.isfile(data_dir):  # unlike Path.is_file, False without the permission to look
        return (Folder(data_dir.parent, (), (data_dir.name,)),)
    return CachedWalk(data_dir)


@dataclass
class Search:
    """One search for a dataset's files.

    Attributes:
        data_dir: Where to search.
        cache_dir: Where archives are unpacked.
        progress: Called while an archive is unpacked.
        name: Of the dataset: archives with it in their names come first.
        tree: The folders of the data folder.
        unpack: Whether archives are unpacked; otherwise only those are searched that were unpacked earlier.
        searched: The archives that were searched.
        problems: One sentence for each archive that cannot be unpacked.
    """

    data_dir: Path
    cache_dir: Path
    progress: Progress | None
    name: str
    tree: Iterable[Folder]
    unpack: bool = True
    searched: list[Path] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def find(self, locate: Locate) -> Path | None:
        """Return what `locate` finds in the data folder, in an archive, or in several together."""
        roots = []
        if path := _no_archive(locate(self.data_dir, self.tree)):
            return path
        for root in self._roots(self.tree):
            if path := _no_archive(locate(root, CachedWalk(root))):
                return path
            roots.append(root)
        return _no_archive(locate(self.data_dir, _Joined(self.tree, roots))) if roots else None

    def all_folders(self) -> Iterable[Folder]:
        """Return the folders of the data folder and of all archives in it."""
        return _Joined(self.tree, list(self._roots(self.tree)))

    def _roots(self, tree: Iterable[Folder], depth: int = 1) -> Iterator[Path]:
        """Yield the folders of unpacked archives; those of archives in archives last."""
        archives = sorted(list_archives(tree), key=lambda path: self.name not in _simplify(path.name))
        roots = []
        for archive in archives:
            if root := self._unpack(archive):
                roots.append(root)
                yield root
        if depth < MAX_NESTING:
            for root in roots:
                yield from self._roots(CachedWalk(root), depth + 1)

    def _unpack(self, archive: Path) -> Path | None:
        try:
            unpacked = find_unpacked(archive, self.cache_dir)
            root = unpack(archive, self.cache_dir, self.progress) if self.unpack else unpacked
        except UserError as error:
            self.problems.append(str(error))
            return None
        self.searched += [archive] if root else []
        return root


class _Joined:
    """The folders of a tree and below several roots, which can be iterated repeatedly."""

    def __init__(self, tree: Iterable[Folder], roots: list[Path]) -> None:
        self._trees = [tree, *(CachedWalk(root) for root in roots)]

    def __iter__(self) -> Iterator[Folder]:
        return (folder for tree in self._trees for folder in tree)


def _no_archive(path: Path | None) -> Path | None:
    return None if path is None or (os.path.isfile(path) and is_archive(path)) else path


def _simplify(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
