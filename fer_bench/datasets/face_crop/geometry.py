"""The position of a face in an image, and the square that is cropped for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fer_bench.datasets.images import import_opencv

# The positions of the eyes in an aligned crop without a margin, as fractions of its size. They are the means over the
# frontal faces that OpenCV's cascades find, made symmetric, so a face is framed alike if its eyes are not found.
EYE_DISTANCE = 0.38
EYE_LEVEL = 0.39

MIN_CROP_SIZE = 8  # pixels

Point = tuple[float, float]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Face:
    """A face in an image, in pixels from the upper left corner.

    Attributes:
        box: x, y, width, height.
        eyes: The left one in the image, then the right one; None if they are not found.
    """

    box: Box
    eyes: tuple[Point, Point] | None = None


@dataclass(frozen=True)
class Square:
    """A square in an image: center and size in pixels, and its rotation in radians from x to y."""

    center: Point
    size: float
    angle: float = 0.0

    @cached_property
    def axes(self) -> np.ndarray:
        """(2, 2): the directions of the square's x and y in the image, as columns."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cos, -sin], [sin, cos]])

    def corners(self) -> np.ndarray:
        """Return (4, 2) points of the image, clockwise from the upper left corner."""
        half = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        return np.array(self.center) + self.size * half @ self.axes.T


def crop_square(face: Face, align: bool, margin: float) -> Square:
    """Return the square to crop for a face.

    An aligned square is rotated so that the eyes are level, and sized so that they are at EYE_DISTANCE and EYE_LEVEL.
    Without eyes or alignment, it is upright around the detector's box.

    Args:
        face: The face.
        align: Whether the square is aligned by the eyes.
        margin: Added on each side, as a fraction of the face's width.
    """
    scale = 1 + 2 * margin
    if not align or face.eyes is None:
        x, y, width, height = face.box
        return Square((x + width / 2, y + height / 2), max(width, height) * scale)
    left, right = np.array(face.eyes)
    across, down = right - left
    size = np.hypot(across, down) / EYE_DISTANCE
    rotated = Square((0.0, 0.0), size, float(np.arctan2(down, across)))
    center = (left + right) / 2 + rotated.axes @ [0.0, (0.5 - EYE_LEVEL) * size]
    return Square((float(center[0]), float(center[1])), float(size * scale), rotated.angle)


def extract(image: np.ndarray, square: Square) -> np.ndarray:
    """Return the pixels (n, n) uint8 of a square in a gray image (height, width), in the image's own resolution.

    Outside of the image its border pixels are repeated.
    """
    cv2 = import_opencv()
    count = max(MIN_CROP_SIZE, round(square.size))
    scale = square.axes * square.size / count
    # Coordinates of OpenCV refer to the centers of pixels, half a pixel from their corners.
    origin = np.array(square.center) + scale @ np.full(2, 0.5 - count / 2) - 0.5
    matrix = np.column_stack([scale, origin])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (count, count), flags=flags, borderMode=cv2.BORDER_REPLICATE)
