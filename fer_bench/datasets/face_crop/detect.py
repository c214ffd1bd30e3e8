"""Finding a face and its eyes in a grey picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.face_crop.geometry import Face, Point
from fer_bench.datasets.face_crop.spec import Preparation
from fer_bench.datasets.faces import opencv

# What a pair of eyes of one face may be, in shares of the face's width, and in degrees.
EYES_APART = (0.25, 0.55)
EYES_TILTED = 30.0

FACE_WIDTH = 160  # pixels, in which eyes are looked for: their cascades know eyes from 20 pixels on

SCORE = 0.7  # of YuNet, from which on a face is one


class Detector(Protocol):
    """Finds the face of a picture, and its eyes where they are asked for."""

    def __call__(self, picture: np.ndarray, eyes: bool) -> Face | None:
        """The largest face in a picture (height, width) uint8, None where there is none."""
        ...


def detector_of(preparation: Preparation) -> Detector | None:
    """The detector that a preparation names, None where it names none. UserError for a model file that is none."""
    if preparation.detector == "haar":
        return Haar()
    if preparation.detector == "yunet":
        if preparation.yunet_model is None:
            raise UserError(
                f"YuNet needs its model file, the one of digest {preparation.yunet_digest}: "
                "run prepare with --face yunet --yunet-model FILE once."
            )
        return YuNet(preparation.yunet_model)
    return None


class Haar:
    """OpenCV's own cascades for frontal faces and for eyes. Viola & Jones, CVPR 2001."""

    def __init__(self) -> None:
        self.faces = _cascade("haarcascade_frontalface_default.xml")
        # The second is asked where the first finds nothing: it knows narrow eyes that the first does not.
        self.eyes = [_cascade("haarcascade_eye_tree_eyeglasses.xml"), _cascade("haarcascade_eye.xml")]

    def __call__(self, picture: np.ndarray, eyes: bool) -> Face | None:
        smallest = min(picture.shape) // 5  # what is smaller is no portrait, but a pattern taken for a face
        found = self.faces.detectMultiScale(picture, 1.1, 5, minSize=(smallest, smallest))
        if not len(found):
            return None
        x, y, width, height = _largest(found)
        face = Face((x, y, width, height))
        return Face(face.box, self._eyes(picture, face)) if eyes else face

    def _eyes(self, picture: np.ndarray, face: Face) -> tuple[Point, Point] | None:
        """The eyes, each looked for on its own side of the face, which has the same size for this whatever it has."""
        x, y, width, height = (int(value) for value in face.box)
        top, bottom = y + height * 15 // 100, y + height * 60 // 100
        part = _scaled(picture[top:bottom, x : x + width], FACE_WIDTH / width)
        middle, over = FACE_WIDTH // 2, FACE_WIDTH // 12
        left, right = self._eye(part[:, : middle + over], 0), self._eye(part[:, middle - over :], middle - over)
        eyes = plausible(left, right, FACE_WIDTH)
        back = width / FACE_WIDTH
        return eyes and tuple((x + across * back, top + down * back) for across, down in eyes)

    def _eye(self, part: np.ndarray, start: int) -> Point | None:
        """The middle of the eye in a part of the face that starts that far from its left."""
        sizes = {"minSize": (FACE_WIDTH // 8, FACE_WIDTH // 8), "maxSize": (FACE_WIDTH // 2, FACE_WIDTH // 2)}
        tries = (cascade.detectMultiScale(part, 1.05, 3, **sizes) for cascade in self.eyes)
        found = next((boxes for boxes in tries if len(boxes)), None)
        if found is None:
            return None
        x, y, width, height = _largest(found)
        return start + x + width / 2, y + height / 2


class YuNet:
    """A small convolutional network for faces and five points on them. Wu et al., "YuNet", MIR 2023.

    `model` is its ONNX file, such as face_detection_yunet_2023mar.onnx. UserError for a file that is none.
    """

    def __init__(self, model: Path) -> None:
        cv2 = opencv()
        try:
            self.network = cv2.FaceDetectorYN.create(str(model), "", (320, 320), SCORE)
            self(np.zeros((320, 320), np.uint8), eyes=True)  # some other network would fail here
        except cv2.error:
            raise UserError(
                f"{model} is no YuNet model that OpenCV {cv2.__version__} reads: it takes "
                "face_detection_yunet_2023mar.onnx of OpenCV's model zoo."
            ) from None

    def __call__(self, picture: np.ndarray, eyes: bool) -> Face | None:
        cv2 = opencv()
        height, width = picture.shape
        self.network.setInputSize((width, height))
        _, found = self.network.detect(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR))
        if found is None:
            return None
        row = next(row for row in found if tuple(row[:4]) == _largest(found[:, :4]))
        left, right = sorted((float(x), float(y)) for x, y in (row[4:6], row[6:8]))
        box = tuple(float(value) for value in row[:4])
        return Face(box, plausible(left, right, box[2]) if eyes else None)


def plausible(left: Point | None, right: Point | None, width: float) -> tuple[Point, Point] | None:
    """Two points, if they can be the eyes of a face of that width; else None."""
    if left is None or right is None:
        return None
    across, down = right[0] - left[0], right[1] - left[1]
    apart = np.hypot(across, down) / width
    tilted = abs(np.degrees(np.arctan2(down, across)))
    return (left, right) if EYES_APART[0] <= apart <= EYES_APART[1] and tilted <= EYES_TILTED else None


def _largest(boxes: np.ndarray) -> tuple[float, ...]:
    """Of boxes (n, 4) the largest, of equals the first from above and from the left: in whatever order they came."""
    return min((tuple(float(value) for value in box) for box in boxes), key=lambda b: (-b[2] * b[3], b[1], b[0]))


def _scaled(part: np.ndarray, factor: float) -> np.ndarray:
    cv2 = opencv()
    size = (FACE_WIDTH, max(1, round(part.shape[0] * factor)))
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def _cascade(name: str) -> Any:
    cv2 = opencv()
    file = Path(cv2.data.haarcascades) / name
    cascade = cv2.CascadeClassifier(str(file))
    if cascade.empty():
        raise UserError(f"OpenCV {cv2.__version__} came without {file}: install opencv-python 4.12.")
    return cascade
