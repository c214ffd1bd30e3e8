"""Find FER2013 below the data folder. Imports no NumPy."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.datasets.archives import is_archive
from fer_bench.datasets.emotions import EMOTIONS, canonical_emotion
from fer_bench.datasets.file_names import known_subject
from fer_bench.datasets.table import open_lines
from fer_bench.datasets.tree import Folder, list_folder, subfolders

# In order of preference: all rows and exact pixels; then images, which may be JPEG; then Training only.
COMPLETE = ("fer2013.csv", "icml_face_data.csv")
TRAINING_ONLY = "train.csv"
OTHERS = ("ckextended.csv",)  # with the same columns
CLASSES = frozenset(EMOTIONS) - {"contempt"}
RAFDB_NAME = re.compile(r"(train|test)_\d{4,5}_aligned", re.IGNORECASE)
MAX_LOOKED_AT = 5  # images of a class folder

# Names of folders in lower case → their Usage; None if the folder may contain PublicTest and PrivateTest.
SPLIT_FOLDERS = {
    "train": "Training",
    "training": "Training",
    "publictest": "PublicTest",
    "public_test": "PublicTest",
    "privatetest": "PrivateTest",
    "private_test": "PrivateTest",
    "test": None,
    "testing": None,
}


def locate(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """Return the best copy: fer2013.csv, else icml_face_data.csv, else an image tree, else train.csv; else None.

    A tree is train/ and test/ (or Training/, PublicTest/, PrivateTest/) with folders of all seven classes. If
    `data_dir` is a file, its header decides, whatever its name. Archives under the name of a csv file do not count.
    """
    for name in COMPLETE:
        for path in (data_dir / name, data_dir / "fer2013" / name):
            if _is_table(path):
                return path
    best: dict[int, Path] = {}
    for folder in tree:
        for preference, path in _candidates(data_dir, folder):
            best.setdefault(preference, path)
        if 0 in best:
            break
    return best[min(best)] if best else None


def explain(data_dir: Path, tree: Iterable[Folder]) -> str:
    """Return a sentence on a tree that lacks some of the classes; empty if there is none."""
    for folder in tree:
        classes, training = _classes_of_tree(folder)
        missing = [name for name in EMOTIONS if name in CLASSES - classes]
        if training and len(classes) > 1 and missing and len(missing) < len(CLASSES):
            return f"{training} has no images of {' and '.join(missing)}, so it is not the whole of FER2013."
    return ""


def _candidates(data_dir: Path, folder: Folder) -> Iterable[tuple[int, Path]]:
    for preference, name in enumerate(COMPLETE):
        for file in folder.files:
            if file.lower() == name and _is_table(folder.path / file):
                yield preference, folder.path / file
    if _is_image_tree(data_dir, folder):
        yield len(COMPLETE), folder.path
    if TRAINING_ONLY in folder.files and _has_header(folder.path / TRAINING_ONLY):
        yield len(COMPLETE) + 1, folder.path / TRAINING_ONLY
    if data_dir.name in folder.files and data_dir.name not in OTHERS and _has_header(data_dir):
        yield len(COMPLETE) + 2, data_dir


def _is_image_tree(data_dir: Path, folder: Folder) -> bool:
    classes, _ = _classes_of_tree(folder)
    if _is_named_fer2013(data_dir, folder.path):
        return classes >= CLASSES
    # The folder `folder` contains the user's own images.
    return classes == CLASSES and not folder.path.is_relative_to(data_dir / "folder")


def _classes_of_tree(folder: Folder) -> tuple[set[str | None], Path | None]:
    """Return the classes below the training folder, and that folder; None if this is no tree of FER2013."""
    splits = [name for name in folder.folders if name.lower() in SPLIT_FOLDERS]
    training = [name for name in splits if SPLIT_FOLDERS[name.lower()] == "Training"]
    listing = list_folder(folder.path / training[0]) if len(training) == 1 and len(splits) > 1 else None
    if listing is None or any(map(_is_of_another_dataset, subfolders(listing))):
        return set(), None
    return {canonical_emotion(name) for name in listing.folders}, listing.path


def _is_of_another_dataset(class_folder: Folder) -> bool:
    """Return whether the images are named like those of JAFFE, CK+, KDEF, RAF-DB and others in class folders."""
    stems = [image.stem for image in class_folder.images[:MAX_LOOKED_AT]]
    return bool(stems) and all(known_subject(stem) or RAFDB_NAME.fullmatch(stem) for stem in stems)


def _is_named_fer2013(data_dir: Path, path: Path) -> bool:
    below = path.relative_to(data_dir).parts if path.is_relative_to(data_dir) else path.parts[-3:]  # of an archive
    names = (data_dir.resolve().name, *below)
    return any("fer2013" in name.lower().replace("-", "").replace("_", "") for name in names)


def _is_table(path: Path) -> bool:
    """Return whether a path is a file and no archive. Other contents are reported when it is read."""
    return os.path.isfile(path) and not is_archive(path)  # unlike Path.is_file, False without the permission to look


def _has_header(path: Path) -> bool:
    """Return whether a csv has FER2013's header: others are called train.csv, too."""
    try:
        with open_lines(path) as lines:
            header = next(iter(lines), b"")[:200].lower()
    except UserError:
        return False
    return b"emotion" in header and b"pixels" in header
