"""Crop the faces of a dataset: the same samples, aligned, cropped, equalized and resized."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import list_first
from fer_bench.datasets.cache import ARRAYS, fingerprint
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.face_crop.detect import Detector, make_detector
from fer_bench.datasets.face_crop.geometry import Face, Square, crop_square, extract
from fer_bench.datasets.face_crop.spec import SEPARATOR, FaceCropSpec
from fer_bench.datasets.images import MAX_LISTED, center_square, import_opencv, resize
from fer_bench.datasets.registry import Progress

MIN_UNCROPPED_SIZE = 64  # pixels; smaller images have been cropped to a face by their authors
MAX_SIZES = 16  # images whose size is checked
CLAHE_CLIP_LIMIT, CLAHE_TILES = 2.0, (8, 8)

Images = Sequence[np.ndarray] | np.ndarray


@dataclass(frozen=True)
class CroppedImage:
    """The result for one image."""

    pixels: np.ndarray  # (image_size, image_size) uint8
    face: Face | None  # the face that was found
    square: Square | None  # of the original image, that was cropped for it


def apply(
    dataset: Dataset,
    spec: FaceCropSpec,
    progress: Progress | None = None,
    originals: Images | None = None,
    detector: Detector | None = None,
) -> Dataset:
    """Return the dataset with cropped faces, named for the face crop; its notes count the faces that are missing.

    Args:
        dataset: The dataset.
        spec: The face crop.
        progress: Called with the number of images that are done.
        originals: One gray image (height, width) uint8 per sample, of any size, if the dataset's own images are
            smaller.
        detector: Replaces the detector that `spec` names.

    Raises:
        UserError: The dataset has sequences or images that are cropped already, or faces are missing and `spec` fails
            then.
    """
    images: Images = dataset.images if originals is None else originals
    _check_applicable(dataset, spec, images)
    detector = detector or make_detector(spec)
    pixels = np.empty((len(dataset), spec.image_size, spec.image_size), np.uint8)
    faces: list[Face | None] = []
    for index in range(len(dataset)):
        cropped = crop_image(images[index], spec, detector)
        pixels[index] = cropped.pixels
        faces.append(cropped.face)
        if progress:
            progress(f"preparing {dataset.name}", index + 1, len(dataset))
    result = replace(dataset, name=f"{dataset.name}{SEPARATOR}{spec}", images=pixels)
    if detector is not None:
        result = _handle_missing_faces(result, spec, faces)
    return replace(result, fingerprint=fingerprint(result))


def crop_image(image: np.ndarray, spec: FaceCropSpec, detector: Detector | None) -> CroppedImage:
    """Crop the face in one gray image (height, width) uint8, or its middle square if no face is found."""
    face = detector(image, spec.align) if detector else None
    square = crop_square(face, spec.align, spec.margin) if face else None
    pixels = extract(image, square) if square else np.ascontiguousarray(center_square(image))
    return CroppedImage(resize(equalize(pixels, spec.equalize), spec.image_size, spec.image_size), face, square)


def equalize(pixels: np.ndarray, method: str) -> np.ndarray:
    """Flatten the histogram of gray pixels (height, width) uint8 by "none", "histogram" or "clahe".

    CLAHE: Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994.
    """
    cv2 = import_opencv()
    if method == "histogram":
        return cv2.equalizeHist(pixels)
    if method == "clahe":
        return cv2.createCLAHE(CLAHE_CLIP_LIMIT, CLAHE_TILES).apply(pixels)
    return pixels


def _check_applicable(dataset: Dataset, spec: FaceCropSpec, images: Images) -> None:
    if dataset.images.ndim != 3:
        raise UserError(f"'{dataset.name}' contains sequences: faces can only be cropped in images.")
    if not len(dataset) or spec.detector == "none" or spec.allow_cropped:
        return
    step = -(-len(images) // MAX_SIZES)
    sizes = sorted((images[index].shape for index in range(0, len(images), step)), key=min)
    height, width = sizes[len(sizes) // 2]
    if min(height, width) < MIN_UNCROPPED_SIZE:
        raise UserError(
            f"The images of {dataset.name}, {width}×{height}, are cropped to the face already. A face detector needs "
            "the surroundings of the face and misses many faces without them (OpenCV's cascade three of four in "
            "FER2013). Use only --equalize, or --allow-cropped to search faces anyway."
        )


def _handle_missing_faces(dataset: Dataset, spec: FaceCropSpec, faces: list[Face | None]) -> Dataset:
    """Keep or drop the images without a face, or fail, and add notes on their number."""
    missing = np.array([face is None for face in faces], bool)
    count, total = int(missing.sum()), len(dataset)
    if count and spec.on_missing_face == "fail":
        listed = list_first(dataset.ids[missing].tolist(), MAX_LISTED)
        raise UserError(
            f"{spec.detector} finds no face in {count:,} of {total:,} images: {listed}. "
            "Choose what to do with them: --on-missing-face keep or drop."
        )
    if count == total:
        raise UserError(f"{spec.detector} finds no face in any of the {total:,} images of {dataset.name}.")
    note = f"{spec.detector} found a face in {total - count:,} of {total:,} images"
    if count:
        action = "dropped" if spec.on_missing_face == "drop" else "kept as a whole"
        note = f"{note}; the others are {action}: {_count_by_class(dataset, missing)}"
    notes = [f"{note}."]
    no_eyes = sum(face is not None and face.eyes is None for face in faces)
    if spec.align and no_eyes:
        notes.append(f"{no_eyes:,} of the faces are not aligned: their eyes were not found.")
    if spec.on_missing_face == "drop":
        arrays = {name: getattr(dataset, name) for name in ARRAYS}
        dataset = replace(dataset, **{name: array[~missing] for name, array in arrays.items() if array is not None})
    return replace(dataset, notes=(*dataset.notes, *notes))


def _count_by_class(dataset: Dataset, mask: np.ndarray) -> str:
    """Return "angry 3 of 30, sad 2 of 31": faces are rarely missing equally often in all classes."""
    totals = np.bincount(dataset.labels, minlength=len(dataset.classes))
    counts = np.bincount(dataset.labels[mask], minlength=len(dataset.classes))
    rows = zip(dataset.classes, counts, totals, strict=True)
    return ", ".join(f"{name} {count:,} of {total:,}" for name, count, total in rows if count)
