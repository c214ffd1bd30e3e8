"""Where a face stands in a picture, and the square that is cut out for it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from fer_bench.datasets.faces import opencv

# Where the eyes come to lie in an aligned crop without a margin, in shares of its side. The means over the frontal
# faces that OpenCV's cascades find, made symmetric: so a face is framed alike whether its eyes were found or not.
EYE_DISTANCE = 0.38
EYE_LEVEL = 0.39

SMALLEST = 8  # pixels a side of a crop

Point = tuple[float, float]


@dataclass(frozen=True)
class Face:
    """A face in a picture, in pixels from its upper left corner.

    box: x, y, width, height; eyes: the one more to the left in the picture, then the other; None where not found.
    """

    box: tuple[float, float, float, float]
    eyes: tuple[Point, Point] | None = None


@dataclass(frozen=True)
class Square:
    """A square in a picture, in pixels: its centre, its side, and how it is turned, in radians from x to y."""

    centre: Point
    side: float
    angle: float = 0.0

    @cached_property
    def axes(self) -> np.ndarray:
        """(2, 2): the directions of its x and y in the picture, as columns."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        return np.array([[cos, -sin], [sin, cos]])

    def corners(self) -> np.ndarray:
        """(4, 2) points of the picture, from the upper left one clockwise."""
        half = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
        return np.array(self.centre) + self.side * half @ self.axes.T

    def place(self, point: Point) -> np.ndarray:
        """(2,): where a point of the picture lies in the square, in shares of its side from its upper left corner."""
        return (np.array(point) - self.centre) @ self.axes / self.side + 0.5


def square(face: Face, align: bool, margin: float) -> Square:
    """The square to cut out for a face; `margin` is added on each side, as a share of the face's width.

    Aligned, it is turned so that the eyes lie level, and sized so that they lie at EYE_DISTANCE and EYE_LEVEL. Without
    eyes, or unaligned, it stands upright around the detector's box.
    """
    grown = 1 + 2 * margin
    if not align or face.eyes is None:
        x, y, width, height = face.box
        return Square((x + width / 2, y + height / 2), max(width, height) * grown)
    left, right = np.array(face.eyes)
    across, down = right - left
    side = np.hypot(across, down) / EYE_DISTANCE
    upright = Square((0.0, 0.0), side, float(np.arctan2(down, across)))
    centre = (left + right) / 2 + upright.axes @ [0.0, (0.5 - EYE_LEVEL) * side]
    return Square((float(centre[0]), float(centre[1])), float(side * grown), upright.angle)


def cut(picture: np.ndarray, where: Square) -> np.ndarray:
    """The pixels (n, n) uint8 of a square in a grey picture (height, width), n its side in the picture's own pixels.

    Beyond the picture's border its outermost pixels go on.
    """
    cv2 = opencv()
    count = max(SMALLEST, round(where.side))
    scale = where.axes * where.side / count
    # A pixel's centre is half a pixel from its corner, here and there.
    origin = np.array(where.centre) + scale @ np.full(2, 0.5 - count / 2) - 0.5
    matrix = np.column_stack([scale, origin])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(picture, matrix, (count, count), flags=flags, borderMode=cv2.BORDER_REPLICATE)
