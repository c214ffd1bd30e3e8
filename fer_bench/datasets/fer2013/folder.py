"""Read FER2013 from image files: train/<class>/…, test/<class>/…, or Training/, PublicTest/, PrivateTest/."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS
from fer_bench.core.text import plural
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.emotions import canonical_emotion
from fer_bench.datasets.fer2013.locate import SPLIT_FOLDERS
from fer_bench.datasets.images import check_skipped_classes, read_images, skipped_note
from fer_bench.datasets.registry import DataConfig
from fer_bench.datasets.tree import require_folder

IMAGE_SIZE = 48
USAGES = ("Training", "PublicTest", "PrivateTest")  # in the order of SPLITS, and of the rows of fer2013.csv
PUBLISHED_ROWS = (28709, 3589, 3589)
NAME = re.compile(r"(?:.*?(Training|PublicTest|PrivateTest))?[-_ ]*(\d+)", re.IGNORECASE)  # Training_3908
AMBIGUOUS_NOTE = (
    "PublicTest and PrivateTest cannot be distinguished in test/, because its file names do not name them: both are "
    "the test split, and there is no official validation split."
)
JPEG_NOTE = "The images are JPEG files, whose pixels are not exactly those of fer2013.csv."


@dataclass(frozen=True)
class _ImageFile:
    """An image file, with the information in its folder and its name."""

    path: Path
    label: int
    folder_usage: str | None  # None in test/
    named_usage: str | None  # None if the name has no Usage
    number: int | None


def read_folder(root: Path, data_config: DataConfig) -> Dataset:
    """Read the images below `root`/<split>/<class>/; the fingerprint stays empty.

    The split is taken from names such as PrivateTest_10131363.jpg, else from the folders. If test/ may contain both
    PublicTest and PrivateTest, all of it is the test split, with a note. If the numbers in the names are rows of
    fer2013.csv, samples have its order and its ids (`fer2013-00042`, else `fer2013/<name>`).

    Raises:
        UserError: A class folder is missing or unknown, or an image cannot be read.
    """
    files, notes = _list_files(root)
    split, split_notes = _assign_splits(files)
    rows = _csv_rows(files, split)
    if rows is None:
        names = [file.path.stem for file in files]
        if len(set(names)) < len(names):
            names = [file.path.relative_to(root).as_posix() for file in files]
        ids = [f"fer2013/{name}" for name in names]
        order = sorted(range(len(files)), key=lambda i: (split[i], files[i].number or 0, files[i].path))
    else:
        ids = [f"fer2013-{row:05d}" for row in rows]
        order = np.argsort(rows).tolist()
    files = [files[index] for index in order]
    paths = [file.path for file in files]
    images = read_images(paths, None, data_config, "FER2013's images")
    if (size := images.pixels.shape[1]) != IMAGE_SIZE:
        raise UserError(
            f"The images in {root} are {size}×{size}, not {IMAGE_SIZE}×{IMAGE_SIZE} like FER2013. Try --dataset folder."
        )
    emotions = [FER2013_CLASSES[file.label] for file in files]
    check_skipped_classes(emotions, [emotions[index] for index in images.indices], images.skipped)
    notes += skipped_note(images.skipped)
    notes += [JPEG_NOTE] if any(path.suffix.lower() in (".jpg", ".jpeg") for path in paths) else []
    return Dataset(
        name="fer2013",
        images=images.pixels,
        labels=np.array([file.label for file in files], np.int64)[images.indices],
        ids=np.array(ids)[order][images.indices],
        classes=FER2013_CLASSES,
        fingerprint="",
        split=split[order][images.indices],
        notes=(*split_notes, *notes),
    )


def _list_files(root: Path) -> tuple[list[_ImageFile], list[str]]:
    """Return the image files of all splits, sorted by path, and notes on them."""
    found, notes = [], []
    for name in require_folder(root).folders:
        if name.lower() not in SPLIT_FOLDERS:
            continue
        folder, usage = root / name, SPLIT_FOLDERS[name.lower()]
        classes = _list_classes(folder)
        missing = [emotion for emotion in FER2013_CLASSES if emotion not in classes]
        if missing and usage == "Training":
            raise UserError(
                f"{folder} has no images of {' and '.join(missing)}: this copy of FER2013 is "
                "incomplete. Complete it, or use --dataset folder for the classes that it has."
            )
        if missing:
            notes.append(f"{name}/ has no images of {' and '.join(missing)}.")
        for emotion, paths in classes.items():
            found += [_parse_name(path, FER2013_CLASSES.index(emotion), usage) for path in paths]
    return sorted(found, key=lambda file: file.path), notes


def _list_classes(split_folder: Path) -> dict[str, list[Path]]:
    """Return class → image files of one split."""
    listing = require_folder(split_folder)
    if listing.images:
        raise UserError(f"{listing.images[0]} is not in a class folder.")
    classes: dict[str, list[Path]] = {}
    for folder_name in listing.folders:
        folder, emotion = split_folder / folder_name, canonical_emotion(folder_name)
        if emotion not in FER2013_CLASSES:
            raise UserError(f"{folder} names no class of FER2013. The classes are {', '.join(FER2013_CLASSES)}.")
        if emotion in classes:
            other = classes[emotion][0].parent.name
            raise UserError(f"{split_folder} has two folders for {emotion}, {folder_name} and {other}.")
        if paths := require_folder(folder).images:
            classes[emotion] = paths
    return classes


def _parse_name(path: Path, label: int, folder_usage: str | None) -> _ImageFile:
    match = NAME.fullmatch(path.stem)
    named_usage = next((u for u in USAGES if match and match[1] and u.lower() == match[1].lower()), None)
    return _ImageFile(path, label, folder_usage, named_usage, int(match[2]) if match else None)


def _assign_splits(files: Sequence[_ImageFile]) -> tuple[np.ndarray, list[str]]:
    """Return (files,) int8 indices into SPLITS, and notes."""
    usages = [file.named_usage or file.folder_usage for file in files]
    unnamed = [file.path for file, usage in zip(files, usages, strict=True) if usage is None]
    if unnamed and any(file.folder_usage is None and file.named_usage for file in files):
        raise UserError(
            f"{plural(len(unnamed), 'image')} in {unnamed[0].parents[1]} do not name PublicTest or PrivateTest, unlike "
            f"others there, such as {unnamed[0]}. Rename or remove them."
        )
    if unnamed:
        split = [SPLITS.index("training" if file.folder_usage == "Training" else "test") for file in files]
        return np.array(split, np.int8), [AMBIGUOUS_NOTE]
    moved = sum(usage != (file.folder_usage or usage) for file, usage in zip(files, usages, strict=True))
    moved += sum(file.folder_usage is None and usage == "Training" for file, usage in zip(files, usages, strict=True))
    notes = [f"{moved:,} images are in another split's folder than their names say: the names were used."]
    return np.array([USAGES.index(str(usage)) for usage in usages], np.int8), notes if moved else []


def _csv_rows(files: Sequence[_ImageFile], split: np.ndarray) -> np.ndarray | None:
    """Return (files,) rows of fer2013.csv, from 0, if the numbers in the names are rows; else None.

    They are if all lie in the published range of rows of their split, if they number all files, or if they number the
    files of each split. Others, such as 10131363, are not.
    """
    if any(file.number is None for file in files):
        return None
    numbers = np.array([file.number for file in files])
    starts = np.cumsum((0, *PUBLISHED_ROWS))
    in_range = (numbers >= starts[split]) & (numbers < starts[split + 1])
    if len(np.unique(numbers)) == len(numbers) and in_range.all():
        return numbers
    if (enumerated := _enumeration(numbers)) is not None:
        return enumerated
    rows, start = np.empty_like(numbers), 0
    for index in range(len(SPLITS)):
        members = np.flatnonzero(split == index)
        if (enumerated := _enumeration(numbers[members])) is None:
            return None
        rows[members] = enumerated + start
        start += len(members)
    return rows


def _enumeration(numbers: np.ndarray) -> np.ndarray | None:
    """Return the numbers from 0 if they are 0, 1, … or 1, 2, … in any order; else None."""
    for first in (0, 1):
        if np.array_equal(np.sort(numbers), np.arange(first, first + len(numbers))):
            return numbers - first
    return None
