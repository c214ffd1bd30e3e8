"""Read images from one folder per class."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS
from fer_bench.core.text import list_first
from fer_bench.datasets.cache import cached_files
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import EMOTIONS, canonical_label
from fer_bench.datasets.folder.locate import split_folders
from fer_bench.datasets.images import MAX_LISTED, read_images, skipped_note
from fer_bench.datasets.registry import DataConfig, require
from fer_bench.datasets.tree import Folder, is_image, require_folder

IMAGE_SIZE = 48
CLUTTER = ("thumbs.db", "desktop.ini")  # written by file managers


@dataclass(frozen=True)
class _ImageFile:
    """An image file with its split and the key of its class, which is the same for all spellings."""

    split: str
    key: str
    path: Path


def load(data_config: DataConfig) -> Dataset:
    """Return the dataset, from its cache if that is current."""
    path = require("folder", data_config)
    return cached_files("folder", path, data_config, lambda: _read_folder(path, data_config))


def load_originals(name: str, data_config: DataConfig) -> Mapping[str, Path]:
    """Return id → image file."""
    root = require(name, data_config)
    files = (Path(folder, name) for folder, _, names in os.walk(root, followlinks=True) for name in names)
    return {path.relative_to(root).as_posix(): path for path in files if is_image(path.name)}


def _read_folder(root: Path, data_config: DataConfig) -> Dataset:
    """Read the images in class folders, or in those of train/, val/ and test/.

    ids: paths below `root`, such as happy/1.png.
    """
    listing = require_folder(root)
    splits = split_folders(listing)
    notes: list[str] = []
    if splits and (others := [name for name in listing.folders if name not in splits.values()]):
        notes.append(f"{', '.join(others)} next to {splits['training']}/ is no split and was ignored.")
    files: list[_ImageFile] = []
    for split in sorted(splits, key=SPLITS.index):
        files += _list_split(split, require_folder(root / splits[split]), notes)
    if not splits:
        files += _list_split("", listing, notes)
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
        ids=np.array([file.path.relative_to(root).as_posix() for file in files]),
        classes=classes,
        fingerprint="",
        split=np.array([SPLITS.index(file.split) for file in files], np.int8) if splits else None,
        notes=tuple(notes),
    )


def _list_split(split: str, folder: Folder, notes: list[str]) -> Iterable[_ImageFile]:
    """Yield the images of one split, sorted by class and name; append to `notes`."""
    if folder.images:
        raise UserError(f"{folder.images[0]} is not in a class folder.")
    seen: dict[str, str] = {}
    for key, name in sorted((canonical_label(name), name) for name in folder.folders):
        class_folder = require_folder(folder.path / name)
        if key in seen:
            raise UserError(f"{folder.path} has two folders for {key}, {seen[key]} and {name}.")
        seen[key] = name
        if class_folder.folders:
            raise UserError(
                f"{class_folder.path / class_folder.folders[0]} is a folder within a class. "
                "Put the images directly into the class folder."
            )
        others = [file for file in class_folder.files if not is_image(file) and file.lower() not in CLUTTER]
        if others:
            listed = list_first(others, MAX_LISTED)
            notes.append(f"Files in {folder.path.name}/{name} that are no images were skipped: {listed}.")
        yield from (_ImageFile(split, key, path) for path in class_folder.images)


def _sorted_keys(root: Path, files: list[_ImageFile], notes: list[str]) -> list[str]:
    """Return the classes: expressions in FER2013's order, then others in alphabetical order. Append to `notes`."""
    if not files:
        raise UserError(f"{root} has no images in class folders.")
    by_split: dict[str, set[str]] = {}
    for file in files:
        by_split.setdefault(file.split, set()).add(file.key)
    keys = sorted(
        set().union(*by_split.values()),
        key=lambda key: (EMOTIONS.index(key) if key in EMOTIONS else len(EMOTIONS), key),
    )
    if len(keys) < 2:
        raise UserError(f"{root} has images of one class only, {keys[0]}. Add a folder for each of two or more.")
    for split, own in by_split.items():
        missing = [key for key in keys if key not in own]
        if missing and split == "training":
            raise UserError(f"The training split of {root} has no images of {' and '.join(missing)}, unlike others.")
        if missing:
            notes.append(f"The {split} split has no images of {' and '.join(missing)}.")
    return keys


def _class_names(keys: list[str], files: list[_ImageFile]) -> tuple[str, ...]:
    """Return the canonical names if all classes are expressions, else the names of their first folders."""
    if all(key in EMOTIONS for key in keys):
        return tuple(keys)
    first = {file.key: file.path.parent.name.strip() for file in reversed(files)}
    return tuple(first[key] for key in keys)
