"""JAFFE (Japanese Female Facial Expressions), from the folder of its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import cached
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.expected_counts import differences
from fer_bench.datasets.finding.jaffe import NAME
from fer_bench.datasets.images import left_out, named, read_images
from fer_bench.datasets.registry import DATASETS, DataConfig, register_dataset, require
from fer_bench.datasets.tree import is_image, look

SIDE = 48
CODES = {
    "AN": "angry",
    "DI": "disgust",
    "FE": "fear",
    "HA": "happy",
    "SA": "sad",
    "SU": "surprise",
    "NE": "neutral",
}
FRAMING = (
    "Unless they were prepared otherwise, the 256×256 pictures are reduced whole to 48×48: the face fills only a part "
    "of them, unlike in FER2013."
)


@register_dataset(
    "jaffe",
    title="JAFFE",
    source="https://zenodo.org/records/3451524",
    agreement=True,
    finder="jaffe:find",
    layouts=("a folder with KA.AN1.39.tiff and the other 212 pictures",),
    samples=213,
    classes=7,
    counts={"all": (30, 29, 32, 31, 31, 30, 30)},
)
def jaffe(places: DataConfig) -> Dataset:
    """Posed expressions of ten Japanese women, photographed in a laboratory.

    images: (213, 48, 48) uint8, reduced from 256×256; FER2013's seven classes; subjects are known, there is no official
    split. Lyons, Akamatsu, Kamachi & Gyoba, "Coding Facial Expressions with Gabor Wavelets", FG 1998.
    """
    folder = require("jaffe", places)
    return cached(
        "jaffe",
        folder,
        places.cache_dir,
        lambda: read_jaffe(folder, places),
        skip_bad=places.skip_invalid,
        refresh=places.refresh,
    )


def read_jaffe(folder: Path, places: DataConfig) -> Dataset:
    """Read the pictures in a folder, in the order of their names; the fingerprint is left empty. ids: `KA.AN1.39`.

    Raises UserError that names pictures whose name or content cannot be read; with `places.skip_bad` they are left out
    and told in a note.
    """
    paths = _pictures(folder)
    problems = [(path, wrong) for path in paths if (wrong := _wrong(path))]
    paths = [path for path in paths if not _wrong(path)]
    if problems and not (places.skip_invalid and paths):
        raise UserError(f"{len(problems):,} of JAFFE's pictures cannot be used: {named(problems)}.")
    _check_single(paths)
    images = read_images(paths, SIDE, places.progress, "JAFFE", places.skip_invalid, crop=True)
    paths = [paths[index] for index in images.kept]
    labels = np.array([FER2013_CLASSES.index(CODES[path.stem[3:5].upper()]) for path in paths], np.int64)
    dataset = Dataset(
        name="jaffe",
        images=images.pixels,
        labels=labels,
        ids=np.array([path.stem.upper() for path in paths]),
        classes=FER2013_CLASSES,
        fingerprint="",
        subjects=np.array([path.stem[:2].upper() for path in paths]),
    )
    wrong = differences(dataset, DATASETS.get("jaffe").options)
    return replace(dataset, notes=(FRAMING, *left_out(problems + images.bad), *wrong))


def originals(name: str, places: DataConfig) -> Mapping[str, Path]:
    """The picture of each id, 256×256 pixels."""
    return {path.stem.upper(): path for path in _pictures(require(name, places))}


def _pictures(folder: Path) -> list[Path]:
    inside = look(folder, most=None)
    return [folder / name for name in inside.files if is_image(name)] if inside else []


def _wrong(path: Path) -> str:
    """What is wrong with a picture's name; nothing where it says who and what it shows."""
    match = NAME.fullmatch(path.stem)
    if match is None:
        return "not named like KA.AN1.39.tiff"
    return "" if match[2].upper() in CODES else f"unknown expression code {match[2]}, not one of {', '.join(CODES)}"


def _check_single(paths: list[Path]) -> None:
    """Raise UserError for a picture that is there twice, such as once as .tiff and once as .png."""
    known: dict[str, Path] = {}
    for path in paths:
        if other := known.get(path.stem.upper()):
            raise UserError(f"The picture {path.stem} is there twice: {other} and {path.name}.")
        known[path.stem.upper()] = path
