"""Read JAFFE from the folder of its images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import cached_files
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.images import first_few, read_images, skipped_note
from fer_bench.datasets.jaffe.locate import NAME
from fer_bench.datasets.registry import DataConfig, require
from fer_bench.datasets.tree import list_images

IMAGE_SIZE = 48
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
    return {path.stem.upper(): path for path in list_images(require(name, data_config))}


def read_jaffe(folder: Path, data_config: DataConfig) -> Dataset:
    """Read the images in a folder, in the order of their names. ids: `KA.AN1.39`; the fingerprint stays empty.

    Raises:
        UserError: Names or contents of images cannot be read, and `data_config.skip_invalid` is not set.
    """
    paths = list_images(folder)
    problems = [(path, problem) for path in paths if (problem := _check_name(path))]
    paths = [path for path in paths if not _check_name(path)]
    if problems and not (data_config.skip_invalid and paths):
        raise UserError(f"{len(problems):,} of JAFFE's images cannot be used: {first_few(problems)}.")
    _check_unique(paths)
    images = read_images(paths, IMAGE_SIZE, data_config, "JAFFE", center_crop=True)
    paths = [paths[index] for index in images.indices]
    return Dataset(
        name="jaffe",
        images=images.pixels,
        labels=np.array([CODES.index(path.stem[3:5].upper()) for path in paths], np.int64),
        ids=np.array([path.stem.upper() for path in paths]),
        classes=FER2013_CLASSES,
        fingerprint="",
        subjects=np.array([path.stem[:2].upper() for path in paths]),
        notes=(FRAMING_NOTE, *skipped_note(problems + images.skipped)),
    )


def _check_name(path: Path) -> str:
    """Return the problem with an image's name; empty if it names a subject and an expression."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return "not named like KA.AN1.39.tiff"
    return "" if match[2].upper() in CODES else f"unknown expression code {match[2]}, not one of {', '.join(CODES)}"


def _check_unique(paths: list[Path]) -> None:
    """Raise UserError for an image that exists twice, such as once as .tiff and once as .png."""
    known: dict[str, Path] = {}
    for path in paths:
        if other := known.get(path.stem.upper()):
            raise UserError(f"The image {path.stem} exists twice: {other} and {path.name}. Remove one of them.")
        known[path.stem.upper()] = path
