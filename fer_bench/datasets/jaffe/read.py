"""Read JAFFE from the folder of its images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import cached_files
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.emotions import canonical_emotion
from fer_bench.datasets.images import check_skipped_classes, first_few, own_splits_note, read_images, skipped_note
from fer_bench.datasets.jaffe.locate import NAME, names_in
from fer_bench.datasets.registry import DataConfig, require
from fer_bench.datasets.tree import folders_below

IMAGE_SIZE = 48
CENTER_CROP = True  # the middle squares of the images
CODES = ("AN", "DI", "FE", "HA", "SA", "SU", "NE")  # in the order of FER2013_CLASSES
FRAMING_NOTE = (
    "Unless faces were cropped, the 256×256 images are reduced to 48×48 as a whole: the face fills only a part of "
    "them, unlike in FER2013."
)


def load(data_config: DataConfig) -> Dataset:
    """Return the dataset, from its cache if that is current."""
    folder = require("jaffe", data_config)
    return cached_files("jaffe", folder, data_config, lambda: read_jaffe(folder, data_config))


def load_originals(name: str, data_config: DataConfig) -> Mapping[str, Path]:
    """Return id → image file, 256×256 pixels."""
    return {path.stem.upper(): path for path in _list_images(require(name, data_config))}


def read_jaffe(folder: Path, data_config: DataConfig) -> Dataset:
    """Read the images in a folder or its subfolders, in the order of their names. ids: `KA.AN1.39`; no fingerprint.

    Raises:
        UserError: An image is in another class folder than its name says; or names or contents of images cannot be
            read, and `data_config.skip_invalid` is not set.
    """
    paths = _list_images(folder)
    problems = [(path, problem) for path in paths if (problem := _check_name(path))]
    paths = [path for path in paths if not _check_name(path)]
    if problems and not (data_config.skip_invalid and paths):
        raise UserError(f"{len(problems):,} of JAFFE's images cannot be used: {first_few(problems)}.")
    _check_unique(paths)
    _check_class_folders(paths)
    images = read_images(paths, IMAGE_SIZE, data_config, "JAFFE", center_crop=CENTER_CROP)
    expected = FER2013_CLASSES if problems else [_emotion(path) for path in paths]
    paths = [paths[index] for index in images.indices]
    problems += images.skipped
    check_skipped_classes(expected, map(_emotion, paths), problems)
    return Dataset(
        name="jaffe",
        images=images.pixels,
        labels=np.array([FER2013_CLASSES.index(_emotion(path)) for path in paths], np.int64),
        ids=np.array([path.stem.upper() for path in paths]),
        classes=FER2013_CLASSES,
        fingerprint="",
        subjects=np.array([path.stem[:2].upper() for path in paths]),
        notes=(FRAMING_NOTE, *own_splits_note(folder, paths), *skipped_note(problems)),
    )


def _list_images(root: Path) -> list[Path]:
    """Return the images in a folder, or else in those of its subfolders that have JAFFE's images, sorted by name."""
    folders = list(folders_below(root, max_entries=None))
    used = folders[:1] if names_in(folders[0]) else [folder for folder in folders if names_in(folder)]
    return sorted((image for folder in used for image in folder.images), key=lambda path: (path.name, path))


def _check_name(path: Path) -> str:
    """Return the problem with an image's name; empty if it names a subject and an expression."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return "not named like KA.AN1.39.tiff"
    return "" if match[2].upper() in CODES else f"unknown expression code {match[2]}, not one of {', '.join(CODES)}"


def _emotion(path: Path) -> str:
    return FER2013_CLASSES[CODES.index(path.stem[3:5].upper())]


def _check_class_folders(paths: list[Path]) -> None:
    """Raise UserError for images that are in the folder of another class than their names say."""
    wrong = [path for path in paths if canonical_emotion(path.parent.name) not in (None, _emotion(path))]
    if wrong:
        raise UserError(
            f"{len(wrong):,} of JAFFE's images are in the folder of another class than their names say, such as "
            f"{wrong[0]}. Move them, or use --dataset folder, which reads the folders."
        )


def _check_unique(paths: list[Path]) -> None:
    """Raise UserError for an image that exists twice, such as once as .tiff and once as .png."""
    known: dict[str, Path] = {}
    for path in paths:
        if other := known.get(path.stem.upper()):
            raise UserError(f"The image {path.stem} exists twice: {other} and {path.name}. Remove one of them.")
        known[path.stem.upper()] = path
