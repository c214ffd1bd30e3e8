"""FER2013 from image files: train/<emotion>/…, test/<emotion>/…, or Training/, PublicTest/, PrivateTest/."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import FER2013_CLASSES, SPLITS, Dataset
from fer_bench.datasets.emotions import canonical
from fer_bench.datasets.finding.fer2013 import PARTS
from fer_bench.datasets.images import left_out, read_images
from fer_bench.datasets.registry import Progress
from fer_bench.datasets.tree import is_image, look

SIDE = 48
USAGES = ("Training", "PublicTest", "PrivateTest")  # in the order of SPLITS, and of the rows of fer2013.csv
PUBLISHED = (28709, 3589, 3589)  # rows of each
NAME = re.compile(r"(?:.*?(Training|PublicTest|PrivateTest))?[-_ ]*(\d+)", re.IGNORECASE)  # Training_3908


@dataclass(frozen=True)
class _File:
    """An image file: what its folder and its name say of it."""

    path: Path
    label: int
    folder_usage: str | None  # None in test/
    named_usage: str | None  # None where the name says nothing
    number: int | None


def read_folder(root: Path, progress: Progress | None = None, skip_bad: bool = False) -> Dataset:
    """Read the images below `root`/<part>/<class>/; the fingerprint is left empty.

    The split is taken from names such as PrivateTest_10131363.jpg, else from the folders; where test/ may hold both
    PublicTest and PrivateTest, a note says so and all of it is the test part. Where the numbers in the names are rows
    of fer2013.csv, samples have its order and its ids (`fer2013-00042`, else `fer2013/<name>`). Raises UserError for a
    class folder that is missing or unknown, and for images that cannot be read, which `skip_bad` leaves out and tells
    in a note.
    """
    files, notes = _files(root)
    split, told = _split(files)
    rows = _rows(files, split)
    if rows is None:
        order = sorted(range(len(files)), key=lambda at: (split[at], files[at].number or 0, files[at].path))
        ids = _ids(root, files)
    else:
        order = np.argsort(rows)
        ids = [f"fer2013-{row:05d}" for row in rows]
    files, split, ids = [files[at] for at in order], split[order], np.array(ids)[order]
    paths = [file.path for file in files]
    read = read_images(paths, None, progress, what="FER2013's images", skip_bad=skip_bad)
    if read.pixels.shape[1] != SIDE:
        side = read.pixels.shape[1]
        raise UserError(f"The images in {root} are {side}×{side}, not FER2013's {SIDE}×{SIDE}: try --dataset folder.")
    notes += left_out(read.bad)
    if any(path.suffix.lower() in (".jpg", ".jpeg") for path in paths):
        notes += ["The images are JPEG files, whose pixels are not exactly those of fer2013.csv."]
    return Dataset(
        name="fer2013",
        images=read.pixels,
        labels=np.array([file.label for file in files], np.int64)[read.kept],
        ids=ids[read.kept],
        classes=FER2013_CLASSES,
        fingerprint="",
        split=split[read.kept],
        notes=(*told, *notes),
    )


def _files(root: Path) -> tuple[list[_File], list[str]]:
    """The image files of every part in the order of their paths, and what must be told of them."""
    found, notes = [], []
    for part in _subfolders(root):
        if part.name.lower() not in PARTS:
            continue
        usage = PARTS[part.name.lower()]
        classes = _classes(part)
        missing = [name for name in FER2013_CLASSES if name not in classes]
        if missing and usage == "Training":
            raise UserError(f"{part} has no images of {' and '.join(missing)}: this copy of FER2013 is not whole.")
        if missing:
            notes.append(f"{part.name}/ has no images of {' and '.join(missing)}.")
        for name, paths in classes.items():
            found += [_file(path, FER2013_CLASSES.index(name), usage) for path in paths]
    return sorted(found, key=lambda file: file.path), notes


def _classes(part: Path) -> dict[str, list[Path]]:
    """Class → image files of one part."""
    if loose := _images(part):
        raise UserError(f"{loose[0]} lies in no class folder.")
    classes: dict[str, list[Path]] = {}
    for folder in _subfolders(part):
        name = canonical(folder.name)
        if name not in FER2013_CLASSES:
            raise UserError(f"{folder} is named for no class of FER2013: these are {', '.join(FER2013_CLASSES)}.")
        if name in classes:
            raise UserError(f"{part} has two folders for {name}, {folder.name} and {classes[name][0].parent.name}.")
        if paths := _images(folder):
            classes[name] = paths
    return classes


def _file(path: Path, label: int, usage: str | None) -> _File:
    match = NAME.fullmatch(path.stem)
    named = next((u for u in USAGES if match and match[1] and u.lower() == match[1].lower()), None)
    return _File(path, label, usage, named, int(match[2]) if match else None)


def _split(files: Sequence[_File]) -> tuple[np.ndarray, list[str]]:
    """(files,) int8 indices into SPLITS, and what must be told of it."""
    usages = [file.named_usage or file.folder_usage for file in files]
    if None in usages:
        split = [SPLITS.index("training" if file.folder_usage == "Training" else "test") for file in files]
        return np.array(split, np.int8), [
            "PublicTest and PrivateTest cannot be told apart in test/, whose file names do not say: both are the test "
            "part, and there is no official validation part."
        ]
    moved = sum(usage != (file.folder_usage or usage) for file, usage in zip(files, usages, strict=True))
    moved += sum(file.folder_usage is None and usage == "Training" for file, usage in zip(files, usages, strict=True))
    notes = [f"{moved:,} images lie in another part's folder than their names say: the names were followed."]
    return np.array([USAGES.index(usage) for usage in usages], np.int8), notes if moved else []


def _rows(files: Sequence[_File], split: np.ndarray) -> np.ndarray | None:
    """(files,) the row of fer2013.csv that each is, from 0, where the numbers in the names say it, else None.

    They do where all lie in the published range of rows of their part, where they number all files, or where they
    number the files of each part. Others, such as 10131363, are no rows.
    """
    if any(file.number is None for file in files):
        return None
    numbers = np.array([file.number for file in files])
    starts = np.cumsum((0, *PUBLISHED))
    whole = (numbers >= starts[split]) & (numbers < starts[split + 1])
    if len(np.unique(numbers)) == len(numbers) and whole.all():
        return numbers
    if (counted := _counted(numbers)) is not None:
        return counted
    rows, start = np.empty_like(numbers), 0
    for part in range(len(SPLITS)):
        members = np.flatnonzero(split == part)
        if (counted := _counted(numbers[members])) is None:
            return None
        rows[members] = counted + start
        start += len(members)
    return rows


def _counted(numbers: np.ndarray) -> np.ndarray | None:
    """The numbers from 0 if they are 0, 1, … or 1, 2, … in any order, else None."""
    for first in (0, 1):
        if np.array_equal(np.sort(numbers), np.arange(first, first + len(numbers))):
            return numbers - first
    return None


def _ids(root: Path, files: Sequence[_File]) -> list[str]:
    names = [file.path.stem for file in files]
    if len(set(names)) < len(names):
        names = [file.path.relative_to(root).as_posix() for file in files]
    return [f"fer2013/{name}" for name in names]


def _subfolders(folder: Path) -> Iterator[Path]:
    seen = look(folder, most=None)
    if seen is None:
        raise UserError(f"The folder {folder} cannot be read.")
    return (folder / name for name in seen.folders)


def _images(folder: Path) -> list[Path]:
    seen = look(folder, most=None)
    if seen is None:
        raise UserError(f"The folder {folder} cannot be read.")
    return [folder / name for name in seen.files if is_image(name)]
