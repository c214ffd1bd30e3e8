"""Read images from one folder per class."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS
from fer_bench.core.text import list_first
from fer_bench.datasets.cache import cached_files
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import EMOTIONS
from fer_bench.datasets.file_names import known_subject, split_of, subjects_in_names
from fer_bench.datasets.folder.check import check_classes, check_vanished
from fer_bench.datasets.folder.layout import ClassFolder, read_layout
from fer_bench.datasets.images import MAX_LISTED, read_images, skipped_note
from fer_bench.datasets.registry import DataConfig, require

IMAGE_SIZE = 48
VERSION = 2
SPLIT_NAME = re.compile(r"([a-z]+(?:[-_]?test)?)[-_ ]+\d", re.IGNORECASE)  # PublicTest_123, train_00001_aligned


@dataclass(frozen=True)
class _ImageFile:
    """An image file with its split, class and subject; the last is empty if it is unknown."""

    path: Path
    split: str
    key: str
    class_name: str
    subject: str


def load(data_config: DataConfig) -> Dataset:
    """Return the dataset, from its cache if that is current."""
    path = require("folder", data_config)
    version = f"{VERSION} with accepted classes" if data_config.accept_classes else VERSION
    return cached_files("folder", path, data_config, lambda: _read_folder(path, data_config), version)


def load_originals(name: str, data_config: DataConfig) -> Mapping[str, Path]:
    """Return id → image file."""
    root = require(name, data_config)
    paths = [image for folder in read_layout(root, [])[0] for image in folder.images]
    return dict(zip(_ids(root, paths), paths, strict=True))


def _read_folder(root: Path, data_config: DataConfig) -> Dataset:
    """Read the images in class folders, or in those of train/, val/ and test/.

    ids: paths below `root`, such as happy/1.png.
    """
    notes: list[str] = []
    folders, empty = read_layout(root, notes)
    notes += check_vanished(empty, folders)
    if not folders:
        raise UserError(f"{root} has no images in class folders.")
    notes += check_classes(root, folders, data_config.accept_classes)
    files = _add_subjects(_add_splits(_list_files(folders), notes), notes)
    keys = _sorted_keys(root, files, notes)
    images = read_images([file.path for file in files], IMAGE_SIZE, data_config, f"images in {root.name}")
    notes += skipped_note(images.skipped)
    classes = _class_names(keys, files)
    files = [files[index] for index in images.indices]
    if missing := [key for key in keys if key not in {file.key for file in files}]:
        raise UserError(f"None of the images of {' and '.join(missing)} in {root} can be read.")
    return Dataset(
        name="folder",
        images=images.pixels,
        labels=np.array([keys.index(file.key) for file in files], np.int64),
        ids=np.array(_ids(root, [file.path for file in files])),
        classes=classes,
        fingerprint="",
        split=np.array([SPLITS.index(file.split) for file in files], np.int8) if files[0].split else None,
        subjects=np.array([file.subject for file in files]) if files[0].subject else None,
        notes=tuple(notes),
    )


def _ids(root: Path, paths: Sequence[Path]) -> list[str]:
    """Return the paths below the root in one unicode form, unless two of them are then the same."""
    names = [path.relative_to(root).as_posix() for path in paths]
    normalized = [unicodedata.normalize("NFC", name) for name in names]
    return normalized if len(set(normalized)) == len(names) else names


def _list_files(folders: Sequence[ClassFolder]) -> list[_ImageFile]:
    """Return the files, by the order of the splits, then of the folders."""
    in_order = sorted(folders, key=lambda folder: SPLITS.index(folder.split) if folder.split else 0)
    return [
        _ImageFile(path, folder.split, folder.key, folder.name, folder.subject)
        for folder in in_order
        for path in folder.images
    ]


def _add_splits(files: list[_ImageFile], notes: list[str]) -> list[_ImageFile]:
    """Return the files with the splits that all their names tell, such as PublicTest_123, if no folder tells them."""
    if any(file.split for file in files):
        return files
    matches = [SPLIT_NAME.match(file.path.stem) for file in files]
    splits = [split_of(match[1]) if match else None for match in matches]
    if None in splits or not {"training", "test"} <= set(splits):
        return files
    notes.append(f"The splits are those of the file names, such as {files[0].path.name}.")
    named = [
        _ImageFile(file.path, split or "", file.key, file.class_name, file.subject)
        for file, split in zip(files, splits, strict=True)
    ]
    return sorted(named, key=lambda file: SPLITS.index(file.split))


def _add_subjects(files: list[_ImageFile], notes: list[str]) -> list[_ImageFile]:
    """Return the files with the subjects that all their names tell, if no folder tells them."""
    if any(file.subject for file in files):
        notes.append("The subjects are the folders of persons.")
        return files
    stems = [unicodedata.normalize("NFC", file.path.stem) for file in files]
    subjects = subjects_in_names(stems, [file.key for file in files])
    if subjects is None:
        unknown = [file.path.name for file, stem in zip(files, stems, strict=True) if known_subject(stem) is None]
        if len(unknown) < len(files) / 2:
            notes.append(
                f"The subjects are unknown, because {len(unknown):,} of {len(files):,} file names do not tell them, "
                f"unlike the others: {list_first(unknown, MAX_LISTED)}. Rename or remove these files."
            )
        return files
    count = len(set(subjects))
    notes.append(f"The file names tell {count:,} subjects, such as {subjects[0]} in {files[0].path.name}.")
    return [
        _ImageFile(file.path, file.split, file.key, file.class_name, subject)
        for file, subject in zip(files, subjects, strict=True)
    ]


def _sorted_keys(root: Path, files: list[_ImageFile], notes: list[str]) -> list[str]:
    """Return the classes: expressions in FER2013's order, then others in alphabetical order. Append to `notes`."""
    by_split: dict[str, set[str]] = {}
    for file in files:
        by_split.setdefault(file.split, set()).add(file.key)
    keys = sorted(
        set().union(*by_split.values()),
        key=lambda key: (EMOTIONS.index(key) if key in EMOTIONS else len(EMOTIONS), key),
    )
    if len(keys) < 2:
        raise UserError(f"{root} has images of one class only, {keys[0]}. Add a folder for each of two or more.")
    if "" not in by_split and "training" not in by_split:
        raise UserError(f"The training split of {root} has no images.")
    for split, own in by_split.items():
        missing = [key for key in keys if key not in own]
        if missing and split == "training":
            raise UserError(
                f"The training split of {root} has no images of {' and '.join(missing)}, unlike others. Add images "
                "there, or remove the class from the other splits."
            )
        if missing:
            notes.append(f"The {split} split has no images of {' and '.join(missing)}.")
    return keys


def _class_names(keys: list[str], files: list[_ImageFile]) -> tuple[str, ...]:
    """Return the canonical names if all classes are expressions, else the names of their first folders."""
    if all(key in EMOTIONS for key in keys):
        return tuple(keys)
    first = {file.key: file.class_name.strip() for file in reversed(files)}
    return tuple(first[key] for key in keys)
