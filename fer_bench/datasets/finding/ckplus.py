"""Where CK+ lies below the data folder, in any layout. Imports no NumPy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fer_bench.datasets.emotions import canonical
from fer_bench.datasets.tree import Folder, look

ORIGINAL, LABELS, TABLE = "cohn-kanade-images", "Emotion", "ckextended.csv"
FRAME = re.compile(r"(S\d{3})_(\d{3})_(\d{8})", re.IGNORECASE)  # subject, sequence, frame
SUBJECT = re.compile(r"S\d{3}", re.IGNORECASE)


def find(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """The folder of class folders, else cohn-kanade-images, else ckextended.csv."""
    folders = list(tree)
    return class_folders(folders) or original(folders) or table(folders)


def find_with_neutral(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """A layout that has neutral images: cohn-kanade-images, else ckextended.csv."""
    folders = list(tree)
    return original(folders) or table(folders)


def find_sequences(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """A layout that has sequences: the folder of class folders, else cohn-kanade-images."""
    folders = list(tree)
    return class_folders(folders) or original(folders)


def class_folders(tree: Iterable[Folder]) -> Path | None:
    """The first folder whose class folders hold frames of CK+."""
    return next((folder.path for folder in tree if _has_classes(folder)), None)


def original(tree: Iterable[Folder]) -> Path | None:
    """The first cohn-kanade-images with the folder of a subject; its archive may hold a second one inside."""
    named = (folder for folder in tree if folder.path.resolve().name.lower() == ORIGINAL)
    return next((folder.path for folder in named if any(map(SUBJECT.fullmatch, folder.folders))), None)


def table(tree: Iterable[Folder]) -> Path | None:
    """The first ckextended.csv."""
    return next((folder.path / TABLE for folder in tree if TABLE in folder.files), None)


def labels_beside(images: Path, data_dir: Path) -> Path | None:
    """The Emotion folder that belongs to cohn-kanade-images: beside it or a folder off, as its archives unpack."""
    above = [images.parent]
    if images.parent.resolve() != data_dir.resolve():
        above.append(images.parent.parent)
    for root in above:
        for path in (root, *(root / name for name in _folders(root))):
            for name in _folders(path):
                if name.lower() == LABELS.lower():
                    return path / name
    return None


def _folders(path: Path) -> tuple[str, ...]:
    folder = look(path)
    return folder.folders if folder else ()


def _has_classes(folder: Folder) -> bool:
    """Whether class folders with frames of CK+ lie in it."""
    classes = (look(folder.path / name, most=10) for name in folder.folders if canonical(name))
    return any(FRAME.fullmatch(Path(file).stem) for inside in classes if inside for file in inside.files)
