"""Find CK+ below the data folder, in any layout. Imports no NumPy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fer_bench.datasets.emotions import canonical_emotion
from fer_bench.datasets.tree import Folder, common_root, list_folder

ORIGINAL, LABELS, TABLE = "cohn-kanade-images", "Emotion", "ckextended.csv"
FRAME = re.compile(r"(S\d{3})_(\d{3})_(\d{8})", re.IGNORECASE)  # subject, sequence, frame
SUBJECT = re.compile(r"S\d{3}", re.IGNORECASE)


def locate(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """Return the folder of class folders, else cohn-kanade-images, else ckextended.csv."""
    return _find_class_folders(data_dir, tree) or _find_original(tree) or _find_table(tree)


def locate_with_neutral(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """Return a layout that has neutral images: cohn-kanade-images, else ckextended.csv."""
    return _find_original(tree) or _find_table(tree)


def locate_sequences(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """Return a layout that has sequences: the folder of class folders, else cohn-kanade-images."""
    return _find_class_folders(data_dir, tree) or _find_original(tree)


def locate_labels(images: Path, data_dir: Path) -> Path | None:
    """Return the Emotion folder of a cohn-kanade-images folder: next to it or one level away, as archives unpack."""
    parents = [images.parent]
    if images.parent.resolve() != data_dir.resolve():
        parents.append(images.parent.parent)
    for root in parents:
        for path in (root, *(root / name for name in _subfolders(root))):
            for name in _subfolders(path):
                if name.lower() == LABELS.lower():
                    return path / name
    return None


def frames_in(folder: Folder) -> set[str]:
    """Return the names of CK+'s frames in a class folder."""
    if canonical_emotion(folder.path.name) is None:
        return set()
    return {image.stem.upper() for image in folder.images if FRAME.fullmatch(image.stem)}


def _find_class_folders(data_dir: Path, folders: Iterable[Folder]) -> Path | None:
    """Return the first folder whose class folders have frames of CK+, or that above if they are in several folders."""
    for folder in folders:
        for name in filter(canonical_emotion, folder.folders):
            class_folder = list_folder(folder.path / name, max_entries=10)
            if class_folder and frames_in(class_folder):
                return common_root(folder.path, data_dir, frames_in)
    return None


def _find_original(folders: Iterable[Folder]) -> Path | None:
    """Return the first cohn-kanade-images with the folder of a subject; an archive may contain a second one inside."""
    candidates = (folder for folder in folders if folder.path.resolve().name.lower() == ORIGINAL)
    return next((folder.path for folder in candidates if any(map(SUBJECT.fullmatch, folder.folders))), None)


def _find_table(folders: Iterable[Folder]) -> Path | None:
    return next((folder.path / TABLE for folder in folders if TABLE in folder.files), None)


def _subfolders(path: Path) -> tuple[str, ...]:
    folder = list_folder(path)
    return folder.folders if folder else ()
