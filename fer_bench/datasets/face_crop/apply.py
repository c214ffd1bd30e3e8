"""A dataset from a dataset: the same samples, their faces found, aligned, cropped, equalised and resized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import fingerprint
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.face_crop.detect import Detector, detector_of
from fer_bench.datasets.face_crop.geometry import Face, Square, cut, square
from fer_bench.datasets.face_crop.spec import MARK, Preparation
from fer_bench.datasets.faces import opencv
from fer_bench.datasets.registry import Progress

CROPPED = 64  # pixels a side: whatever is smaller has been cropped to a face by whoever made it
SAMPLE = 16  # pictures at most whose size is looked at
NAMED = 3  # images that a message names
CLIP, TILES = 2.0, (8, 8)  # of CLAHE

PER_SAMPLE = ("images", "labels", "ids", "split", "subjects", "soft_labels", "sequences")


@dataclass(frozen=True)
class Prepared:
    """One picture's way: pixels (side, side) uint8, the face that was found, the square that was cut out for it."""

    pixels: np.ndarray
    face: Face | None = None
    where: Square | None = None


def prepared(
    dataset: Dataset,
    preparation: Preparation,
    progress: Progress | None = None,
    pictures: Sequence[np.ndarray] | None = None,
    detector: Detector | None = None,
) -> Dataset:
    """The dataset with prepared images, named for the preparation; its notes say what was not found.

    `pictures` are grey (height, width) uint8, one for each sample, of any sizes: the originals, where the dataset's own
    images are smaller. `detector` takes the place of the one that the preparation names. Raises UserError for
    sequences, for images that are cropped already, for a face that is missing where that is to fail.
    """
    pictures = dataset.images if pictures is None else pictures
    check(dataset, preparation, pictures)
    detector = detector or detector_of(preparation)
    images = np.empty((len(dataset), preparation.side, preparation.side), np.uint8)
    faces: list[Face | None] = []
    for index in range(len(dataset)):
        one = prepare_picture(pictures[index], preparation, detector)
        images[index] = one.pixels
        faces.append(one.face)
        if progress:
            progress(f"preparing {dataset.name}", index + 1, len(dataset))
    made = replace(dataset, name=f"{dataset.name}{MARK}{preparation}", images=images)
    if detector is not None:
        made = _without(made, preparation, faces)
    return replace(made, fingerprint=fingerprint(made))


def check(dataset: Dataset, preparation: Preparation, pictures: Sequence[np.ndarray]) -> None:
    """UserError for a dataset that this preparation is not for."""
    if dataset.images.ndim != 3:
        raise UserError(f"'{dataset.name}' is of sequences: only images can be prepared.")
    if not len(dataset) or preparation.detector == "none" or preparation.cropped_too:
        return
    sizes = sorted((pictures[index].shape for index in range(0, len(pictures), -(-len(pictures) // SAMPLE))), key=min)
    height, width = sizes[len(sizes) // 2]
    if min(height, width) < CROPPED:
        raise UserError(
            f"The images of {dataset.name}, {width}×{height}, are cropped to the face already and are left alone: a "
            "face detector needs the picture around the face, and without it loses many (OpenCV's cascade three of "
            "four in FER2013). Equalising alone is possible; --cropped-too looks for faces all the same."
        )


def prepare_picture(picture: np.ndarray, preparation: Preparation, detector: Detector | None) -> Prepared:
    """One grey picture (height, width) uint8 prepared; the middle square of the whole where no face is found."""
    face = detector(picture, preparation.align) if detector else None
    where = square(face, preparation.align, preparation.margin) if face else None
    cropped = cut(picture, where) if where else _middle(picture)
    return Prepared(_resized(equalised(cropped, preparation.equalise), preparation.side), face, where)


def equalised(pixels: np.ndarray, how: str) -> np.ndarray:
    """Grey pixels (height, width) uint8 with a flatter histogram: "none", "histogram" or "clahe".

    CLAHE: Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994.
    """
    cv2 = opencv()
    if how == "histogram":
        return cv2.equalizeHist(pixels)
    if how == "clahe":
        return cv2.createCLAHE(CLIP, TILES).apply(pixels)
    return pixels


def _middle(picture: np.ndarray) -> np.ndarray:
    height, width = picture.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return np.ascontiguousarray(picture[top : top + side, left : left + side])


def _resized(pixels: np.ndarray, side: int) -> np.ndarray:
    cv2 = opencv()
    interpolation = cv2.INTER_AREA if min(pixels.shape) >= side else cv2.INTER_LINEAR
    return cv2.resize(pixels, (side, side), interpolation=interpolation)


def _without(dataset: Dataset, preparation: Preparation, faces: list[Face | None]) -> Dataset:
    """The dataset after what is to be done with the images without a face, and with notes on that."""
    lost = np.array([face is None for face in faces], bool)
    count, total = int(lost.sum()), len(dataset)
    if count and preparation.without_face == "fail":
        where = f"{count:,} of {total:,} images: {_named(dataset, lost)}"
        raise UserError(f"{preparation.detector} finds no face in {where}; --without-face keep or drop goes on.")
    if count == total:
        raise UserError(f"{preparation.detector} finds no face in any of the {total:,} images of {dataset.name}.")
    notes = [f"{preparation.detector} found a face in {total - count:,} of {total:,} images."]
    if count:
        done = "left out" if preparation.without_face == "drop" else "kept whole"
        notes = [f"{notes[0][:-1]}; the others are {done}: {_by_class(dataset, lost)}."]
    if preparation.align:
        blind = sum(face is not None and face.eyes is None for face in faces)
        notes += [f"{blind:,} of the faces found not aligned: no eyes found in them."] if blind else []
    if preparation.without_face == "drop":
        values = {name: getattr(dataset, name) for name in PER_SAMPLE}
        dataset = replace(dataset, **{name: value[~lost] for name, value in values.items() if value is not None})
    return replace(dataset, notes=(*dataset.notes, *notes))


def _named(dataset: Dataset, which: np.ndarray) -> str:
    ids = dataset.ids[which]
    more = f" and {len(ids) - NAMED:,} more" if len(ids) > NAMED else ""
    return ", ".join(map(str, ids[:NAMED])) + more


def _by_class(dataset: Dataset, which: np.ndarray) -> str:
    """ "angry 3 of 30, sad 2 of 31": a loss is seldom alike over the classes."""
    every = np.bincount(dataset.labels, minlength=len(dataset.classes))
    those = np.bincount(dataset.labels[which], minlength=len(dataset.classes))
    counts = zip(dataset.classes, those, every, strict=True)
    return ", ".join(f"{name} {part:,} of {whole:,}" for name, part, whole in counts if part)
