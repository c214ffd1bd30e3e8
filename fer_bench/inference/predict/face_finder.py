"""Find every face in a photograph and crop it as the images of a model's dataset were cropped."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.class_selection import split_classes
from fer_bench.datasets.face_crop.apply import equalize
from fer_bench.datasets.face_crop.detect import SMALLEST_PART, HaarDetector, YuNetDetector, make_detector
from fer_bench.datasets.face_crop.geometry import Box, Face, crop_square, extract
from fer_bench.datasets.face_crop.spec import SEPARATOR, FaceCropSpec, make_spec, parse_spec
from fer_bench.datasets.images import center_square, resize
from fer_bench.inference.loaded_model import LoadedModel

MAX_SIDE, MAX_VIDEO_SIDE = 1280, 480  # pixels of the image in which faces are searched; a larger one is reduced for it
SMALLEST_VIDEO_PART = 10
# Margins around the box of OpenCV's cascade that give the framing of datasets without a face crop. The faces of FER2013
# and the drawn ones fill such a box; JAFFE's whole photographs are 1.6 times as wide.
MARGINS = {"jaffe": 0.3}


@dataclass(frozen=True)
class FoundFace:
    """A face in an image.

    Attributes:
        box: The detector's box, clipped to the image: x, y, width and height in pixels. Without a detector, the whole
            image.
        pixels: The cropped face (height, width) uint8, or (height, width, 3) if the model takes color.
    """

    box: Box
    pixels: np.ndarray


@dataclass(frozen=True)
class FaceFinder:
    """Finds and crops faces. A finder may be used by one thread at a time; `copy` makes another one.

    Attributes:
        spec: The face crop; None if images are cropped to a face already.
        image_size: Height and width of the result in pixels; None keeps the size of the face.
        max_side: Side in pixels to which larger images are reduced to find faces.
        smallest_part: OpenCV's cascade finds faces down to this part of the image's shorter side.
        equalization: How the histogram is flattened: "none", "histogram" or "clahe".
    """

    spec: FaceCropSpec | None
    image_size: tuple[int, int] | None = None
    max_side: int = MAX_SIDE
    smallest_part: int = SMALLEST_PART
    equalization: str = "none"

    @cached_property
    def detector(self) -> HaarDetector | YuNetDetector | None:
        detector = make_detector(self.spec) if self.spec else None
        assert detector is None or isinstance(detector, HaarDetector | YuNetDetector)
        return detector

    def copy(self) -> FaceFinder:
        return replace(self)

    def __call__(self, gray: np.ndarray, color: np.ndarray | None = None) -> list[FoundFace]:
        """Return the faces, the largest first.

        Args:
            gray: The image (height, width) uint8.
            color: The image (height, width, 3) uint8, if the model takes color.
        """
        image = gray if color is None else color
        if self.detector is None or self.spec is None:
            height, width = gray.shape
            return [FoundFace((0.0, 0.0, width, height), self._finish(center_square(image)))]
        found = []
        for face in self._detect(gray, self.spec.align):
            if box := _clip(face.box, gray.shape):
                square = crop_square(face, self.spec.align, self.spec.margin)
                found.append(FoundFace(box, self._finish(extract(image, square))))
        return found

    def _detect(self, gray: np.ndarray, eyes: bool) -> list[Face]:
        assert self.detector is not None
        scale = max(gray.shape) / self.max_side
        if scale <= 1:
            return self.detector.find_all(gray, eyes, self.smallest_part)
        height, width = (max(1, round(size / scale)) for size in gray.shape)
        faces = self.detector.find_all(resize(gray, height, width), eyes, self.smallest_part)
        return [_scaled(face, scale) for face in faces]

    def _finish(self, pixels: np.ndarray) -> np.ndarray:
        pixels = np.ascontiguousarray(pixels)
        if pixels.ndim == 2:
            pixels = equalize(pixels, self.equalization)
        return resize(pixels, *self.image_size) if self.image_size else pixels


def make_face_finder(
    model: LoadedModel,
    detector: str | None = None,
    align: bool | None = None,
    margin: float | None = None,
    yunet_model: Path | None = None,
    for_video: bool = False,
) -> FaceFinder:
    """Return the face finder that crops faces as the images of a model's dataset were cropped.

    Args:
        model: The model.
        detector: "haar", "yunet" or "none". Default: that of the dataset, else "haar", or "yunet" with `yunet_model`.
        align: Whether faces are aligned by the eyes. Default: as in the dataset.
        margin: Added on each side, as a fraction of the face's width. Default: as in the dataset.
        yunet_model: YuNet's model file.
        for_video: Whether faces are found fast enough for videos, without very small ones.

    Raises:
        UserError: YuNet's model file is missing or damaged, or the options contradict each other.
    """
    base = parse_spec(model.face_crop) if model.face_crop else None
    equalization = base.equalize if base else "none"
    chosen = detector or ("yunet" if yunet_model else base.detector if base and base.detector != "none" else "haar")
    if chosen == "none":
        if align or margin or yunet_model:
            raise UserError("--detector none takes the images as faces: omit --align, --margin and --yunet-model.")
        return FaceFinder(None, model.image_size, equalization=equalization)
    if chosen == "yunet" and yunet_model is None:
        raise UserError(
            "YuNet needs its model file: name face_detection_yunet_2023mar.onnx with --yunet-model, or choose "
            "--detector haar."
        )
    if chosen != "yunet" and yunet_model is not None:
        raise UserError(f"--yunet-model is only used by --detector yunet, not by {chosen}.")
    usual = base.margin if base else MARGINS.get(split_classes(model.dataset)[0].partition(SEPARATOR)[0], 0.0)
    spec = make_spec(
        detector=chosen,
        align=(base.align if base else False) if align is None else align,
        margin=usual if margin is None else margin,
        yunet_model=yunet_model,
    )
    limits = {"max_side": MAX_VIDEO_SIDE, "smallest_part": SMALLEST_VIDEO_PART} if for_video else {}
    finder = FaceFinder(spec, model.image_size, equalization=equalization, **limits)
    if chosen == "yunet":
        assert finder.detector  # read now, before anything is written, since the file may be damaged
    return finder


def describe_crop(finder: FaceFinder) -> str:
    """Return how faces are found and cropped, as in the name of a dataset."""
    extra = [finder.equalization] if finder.equalization != "none" else []
    return "+".join([str(finder.spec) if finder.spec else "whole images", *extra])


def _clip(box: Box, shape: tuple[int, ...]) -> Box | None:
    """Return the part of a box in an image of a shape (height, width), or None: YuNet's boxes may be beyond it."""
    x, y, width, height = box
    left, top, right, bottom = max(0.0, x), max(0.0, y), min(shape[1], x + width), min(shape[0], y + height)
    return (left, top, right - left, bottom - top) if right > left and bottom > top else None


def _scaled(face: Face, factor: float) -> Face:
    x, y, width, height = (value * factor for value in face.box)
    eyes = face.eyes and tuple((x * factor, y * factor) for x, y in face.eyes)
    return Face((x, y, width, height), eyes)  # type: ignore[arg-type]  # a pair of points
