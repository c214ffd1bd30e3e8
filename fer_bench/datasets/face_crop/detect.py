"""Find a face and its eyes in a gray image."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.face_crop.geometry import Box, Face, Point
from fer_bench.datasets.face_crop.spec import FaceCropSpec
from fer_bench.datasets.images import import_opencv, silent

EYE_DISTANCE_RANGE = (0.25, 0.55)  # as fractions of the face's width
MAX_EYE_TILT = 30.0  # degrees

FACE_WIDTH = 160  # pixels to which faces are scaled to find eyes: the cascades find eyes from 20 pixels on

SMALLEST_FACE = 24  # pixels: the size of the cascade
SMALLEST_PART = 15  # of the shorter side of a photograph: smaller faces are not searched
SMALL_FACE_NEIGHBORS = 8  # detections that a small face needs around it, against 5 of a large one
SMALL_FACE_STEP = 1.2  # between the sizes that are searched, against 1.1 of large ones: twice as fast

MIN_SCORE = 0.7  # of a face that YuNet finds


class Detector(Protocol):
    """Finds the face in an image, and optionally its eyes."""

    def __call__(self, image: np.ndarray, eyes: bool) -> Face | None:
        """Return the largest face in an image (height, width) uint8; None if there is none."""
        ...


def make_detector(spec: FaceCropSpec) -> Detector | None:
    """Return the detector that a face crop names; None if it names none. Raise UserError for an invalid model file."""
    if spec.detector == "haar":
        return HaarDetector()
    if spec.detector == "yunet":
        if spec.yunet_model is None:
            raise UserError(
                f"YuNet needs its model file, with the digest {spec.yunet_digest}: "
                "run prepare with --detector yunet --yunet-model FILE once."
            )
        return YuNetDetector(spec.yunet_model)
    return None


class HaarDetector:
    """OpenCV's own cascades for frontal faces and for eyes. Viola & Jones, CVPR 2001."""

    def __init__(self) -> None:
        self.faces = _load_cascade("haarcascade_frontalface_default.xml")

    @cached_property
    def eyes(self) -> list[Any]:
        """The second is used if the first finds nothing: it finds narrow eyes that the first does not."""
        return [_load_cascade("haarcascade_eye_tree_eyeglasses.xml"), _load_cascade("haarcascade_eye.xml")]

    def __call__(self, image: np.ndarray, eyes: bool) -> Face | None:
        min_size = min(image.shape) // 5  # smaller detections are patterns, not portraits
        boxes = self.faces.detectMultiScale(image, 1.1, 5, minSize=(min_size, min_size))
        if not len(boxes):
            return None
        box = _largest(boxes)
        return Face(box, self._find_eyes(image, box) if eyes else None)

    def find_all(self, image: np.ndarray, eyes: bool, smallest_part: int = SMALLEST_PART) -> list[Face]:
        """Return all faces in an image (height, width) uint8, the largest first. The first is that of a call.

        Faces of less than a fifth of the image are searched separately and more strictly, down to one `smallest_part`th
        of its shorter side.
        """
        size = min(image.shape) // 5
        smallest = max(SMALLEST_FACE, min(image.shape) // smallest_part)
        boxes = [*self.faces.detectMultiScale(image, 1.1, 5, minSize=(size, size))]
        if smallest < size:
            limits = {"minSize": (smallest, smallest), "maxSize": (size * 6 // 5, size * 6 // 5)}
            boxes += [*self.faces.detectMultiScale(image, SMALL_FACE_STEP, SMALL_FACE_NEIGHBORS, **limits)]
        return [Face(box, self._find_eyes(image, box) if eyes else None) for box in _distinct(boxes)]

    def _find_eyes(self, image: np.ndarray, box: Box) -> tuple[Point, Point] | None:
        """Find each eye on its own side of the face, which is scaled to FACE_WIDTH."""
        x, y, width, height = (int(value) for value in box)
        top, bottom = y + height * 15 // 100, y + height * 60 // 100
        upper_face = _scale_to_face_width(image[top:bottom, x : x + width], FACE_WIDTH / width)
        middle, overlap = FACE_WIDTH // 2, FACE_WIDTH // 12
        left = self._find_eye(upper_face[:, : middle + overlap], 0)
        right = self._find_eye(upper_face[:, middle - overlap :], middle - overlap)
        eyes = plausible_eyes(left, right, FACE_WIDTH)
        if eyes is None:
            return None
        scale = width / FACE_WIDTH
        (left_x, left_y), (right_x, right_y) = eyes
        return (x + left_x * scale, top + left_y * scale), (x + right_x * scale, top + right_y * scale)

    def _find_eye(self, half: np.ndarray, offset: int) -> Point | None:
        """Return the center of the eye in a half of the face, which starts `offset` pixels from its left."""
        sizes = {"minSize": (FACE_WIDTH // 8, FACE_WIDTH // 8), "maxSize": (FACE_WIDTH // 2, FACE_WIDTH // 2)}
        detections = (cascade.detectMultiScale(half, 1.05, 3, **sizes) for cascade in self.eyes)
        boxes = next((boxes for boxes in detections if len(boxes)), None)
        if boxes is None:
            return None
        x, y, width, height = _largest(boxes)
        return offset + x + width / 2, y + height / 2


class YuNetDetector:
    """A small convolutional network for faces and five points on them. Wu et al., "YuNet", MIR 2023.

    Args:
        model: Its ONNX file, such as face_detection_yunet_2023mar.onnx.

    Raises:
        UserError: OpenCV cannot read the file.
    """

    def __init__(self, model: Path) -> None:
        cv2 = import_opencv()
        try:
            with silent():
                self.network = cv2.FaceDetectorYN.create(str(model), "", (320, 320), MIN_SCORE)
                self(np.zeros((320, 320), np.uint8), eyes=True)  # other networks fail here
        except cv2.error:
            raise UserError(
                f"{model} is no YuNet model that OpenCV {cv2.__version__} reads. Use "
                "face_detection_yunet_2023mar.onnx from OpenCV's model zoo."
            ) from None

    def __call__(self, image: np.ndarray, eyes: bool) -> Face | None:
        cv2 = import_opencv()
        height, width = image.shape
        self.network.setInputSize((width, height))
        _, rows = self.network.detect(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
        if rows is None:
            return None
        box = _largest(rows[:, :4])
        row = next(row for row in rows if tuple(row[:4]) == box)
        return _face_from_row(row, eyes)

    def find_all(self, image: np.ndarray, eyes: bool, smallest_part: int = SMALLEST_PART) -> list[Face]:
        """Return all faces in an image (height, width) uint8, the largest first, of any size."""
        cv2 = import_opencv()
        height, width = image.shape
        self.network.setInputSize((width, height))
        _, rows = self.network.detect(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
        found = [] if rows is None else [_face_from_row(row, eyes) for row in rows]
        return sorted(found, key=lambda face: _order(face.box))


def plausible_eyes(left: Point | None, right: Point | None, width: float) -> tuple[Point, Point] | None:
    """Return two points if they can be the eyes of a face of that width; else None."""
    if left is None or right is None:
        return None
    across, down = right[0] - left[0], right[1] - left[1]
    distance = np.hypot(across, down) / width
    tilt = abs(np.degrees(np.arctan2(down, across)))
    is_plausible = EYE_DISTANCE_RANGE[0] <= distance <= EYE_DISTANCE_RANGE[1] and tilt <= MAX_EYE_TILT
    return (left, right) if is_plausible else None


def _face_from_row(row: np.ndarray, eyes: bool) -> Face:
    """Return a face from YuNet's numbers: a box, then five points, the eyes first."""
    x, y, width, height = (float(value) for value in row[:4])
    left, right = sorted((float(x), float(y)) for x, y in (row[4:6], row[6:8]))
    return Face((x, y, width, height), plausible_eyes(left, right, width) if eyes else None)


def _largest(boxes: np.ndarray) -> Box:
    """Return the largest of (n, 4) boxes; of equal boxes the upper left one, whatever their order."""
    return min(_to_boxes(boxes), key=_order)


def _distinct(boxes: Iterable[np.ndarray]) -> list[Box]:
    """Return boxes, the largest first, without those whose center is in a larger one: patterns within a face."""
    kept: list[Box] = []
    for box in sorted(_to_boxes(boxes), key=_order):
        x, y = box[0] + box[2] / 2, box[1] + box[3] / 2
        if not any(a <= x <= a + width and b <= y <= b + height for a, b, width, height in kept):
            kept.append(box)
    return kept


def _to_boxes(boxes: Iterable[np.ndarray]) -> list[Box]:
    return [(float(x), float(y), float(width), float(height)) for x, y, width, height in boxes]


def _order(box: Box) -> tuple[float, float, float]:
    return -box[2] * box[3], box[1], box[0]


def _scale_to_face_width(image: np.ndarray, factor: float) -> np.ndarray:
    cv2 = import_opencv()
    size = (FACE_WIDTH, max(1, round(image.shape[0] * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def _load_cascade(name: str) -> Any:
    cv2 = import_opencv()
    file = Path(cv2.data.haarcascades) / name
    cascade = cv2.CascadeClassifier(str(file))
    if cascade.empty():
        raise UserError(f"OpenCV {cv2.__version__} does not include {file}. Install opencv-python 4.12.")
    return cascade
