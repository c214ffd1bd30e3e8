"""Which of the files below a data folder are FER2013. Imports no NumPy."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from fer_bench.datasets.emotions import ORDER, canonical
from fer_bench.datasets.tree import Folder, look

# In order of preference: all rows and exact pixels; then images, which may be JPEG; then Training alone.
WHOLE = ("fer2013.csv", "icml_face_data.csv")
TRAINING_ONLY = "train.csv"
CLASSES = frozenset(ORDER) - {"contempt"}

# Folders of an image tree, by their names in lower case → the Usage that they stand for, None where it may be either.
PARTS = {
    "train": "Training",
    "training": "Training",
    "publictest": "PublicTest",
    "public_test": "PublicTest",
    "privatetest": "PrivateTest",
    "private_test": "PrivateTest",
    "test": None,
    "testing": None,
}


def find(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """The best copy: fer2013.csv, else icml_face_data.csv, else an image tree, else train.csv; None without any.

    A tree is train/ and test/ (or Training/, PublicTest/, PrivateTest/) with folders of all seven classes; below a
    folder named like fer2013, some of the classes do, so that what is missing is told when it is read.
    """
    for name in WHOLE:
        for path in (data_dir / name, data_dir / "fer2013" / name):
            if os.path.isfile(path):  # unlike Path.is_file, False for what may not be read
                return path
    best: dict[int, Path] = {}
    for folder in tree:
        for preference, path in _candidates(data_dir, folder):
            best.setdefault(preference, path)
        if 0 in best:
            break
    return best[min(best)] if best else None


def layout(path: Path) -> str:
    """The layout of a copy, in the words of `data`."""
    return f"images in {path.name}/<part>/<class>/" if os.path.isdir(path) else path.name


def _candidates(data_dir: Path, folder: Folder) -> Iterable[tuple[int, Path]]:
    for preference, name in enumerate(WHOLE):
        if name in folder.files:
            yield preference, folder.path / name
    if _is_tree(data_dir, folder):
        yield len(WHOLE), folder.path
    if TRAINING_ONLY in folder.files and _has_header(folder.path / TRAINING_ONLY):
        yield len(WHOLE) + 1, folder.path / TRAINING_ONLY


def _is_tree(data_dir: Path, folder: Folder) -> bool:
    parts = [name for name in folder.folders if name.lower() in PARTS]
    training = [name for name in parts if PARTS[name.lower()] == "Training"]
    if len(training) != 1 or len(parts) < 2:
        return False
    inside = look(folder.path / training[0])
    classes = {canonical(name) for name in inside.folders} if inside else set()
    if _is_named(data_dir, folder.path):
        return bool(classes & CLASSES)
    return classes == CLASSES and folder.path.relative_to(data_dir).parts[:1] != ("folder",)  # that is one's own


def _is_named(data_dir: Path, path: Path) -> bool:
    names = (data_dir.resolve().name, *path.relative_to(data_dir).parts)
    return any("fer2013" in name.lower().replace("-", "").replace("_", "") for name in names)


def _has_header(path: Path) -> bool:
    """Whether a csv of so common a name is FER2013's."""
    try:
        with path.open("rb") as file:
            return b"emotion" in (header := file.readline(200).lower()) and b"pixels" in header
    except OSError:
        return False
