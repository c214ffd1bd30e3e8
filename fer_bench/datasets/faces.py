"""Draw one gray face from a few numbers: the images of the `synthetic` dataset."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from fer_bench.datasets.images import import_opencv

IMAGE_SIZE = 48
SCALE = 4  # faces are drawn this many times larger, then reduced, for smooth edges


@dataclass(frozen=True)
class Expression:
    """The positions of the muscles. All zeros is a face at rest; 1 is about the strongest position."""

    brow_height: float = 0.0  # raised is positive
    brow_slant: float = 0.0  # inner ends down (a frown) is positive, up is negative
    eye_opening: float = 0.0  # wide is positive, narrowed negative
    mouth_curve: float = 0.0  # corners up is positive
    mouth_opening: float = 0.0  # jaw dropped
    mouth_width: float = 0.0  # stretched is positive, rounded negative
    teeth: float = 0.0  # shown between open lips
    nose_wrinkle: float = 0.0  # with the upper lip raised
    cheeks: float = 0.0  # folds from the nose to the mouth's corners


@dataclass(frozen=True)
class Appearance:
    """All properties of an image except the expression. Lengths are in units of half the image's size."""

    shift: tuple[float, float]
    roll: float  # radians
    yaw: float  # -1 … 1: features move sideways, the nose farthest
    size: float
    head_width: float
    head_height: float
    jaw: float  # narrowing of the lower face
    skin: float  # gray value: 0 … 255
    background: float
    contrast: float  # of brows, lips and lines: 0 … 1
    light: tuple[float, float]  # change of gray value across the image, right and down
    hair: float | None  # gray value
    hairline: float
    glasses: bool
    noise: float  # standard deviation, in gray values
    blur: float  # standard deviation, in pixels of 48


def draw_face(expression: Expression, appearance: Appearance, rng: np.random.Generator) -> np.ndarray:
    """Return an image (48, 48) uint8. `rng` is only used for the noise."""
    cv2 = import_opencv()
    canvas = _Canvas(cv2, appearance)
    _head(canvas)
    _nose(canvas, expression)
    for side in (-1, 1):
        _eye(canvas, expression, side)
        _brow(canvas, expression, side)
    _mouth(canvas, expression)
    image = cv2.resize(canvas.pixels, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_AREA).astype(np.float32)
    if appearance.blur > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), appearance.blur)
    across = np.linspace(-1, 1, IMAGE_SIZE, dtype=np.float32)
    image += appearance.light[0] * across[None, :] + appearance.light[1] * across[:, None]
    image += rng.normal(0, appearance.noise, image.shape).astype(np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


class _Canvas:
    """The enlarged image, and the transformation from the face's coordinates to it.

    In the face's coordinates the center is (0, 0), the head extends about 1 to each side, and y increases downwards.
    """

    def __init__(self, cv2: ModuleType, appearance: Appearance) -> None:
        self.cv2, self.appearance = cv2, appearance
        self.pixels = np.full((IMAGE_SIZE * SCALE, IMAGE_SIZE * SCALE), appearance.background, np.float32)

    def points(self, x: np.ndarray, y: np.ndarray, depth: float) -> np.ndarray:
        """Return (n, 1, 2) int32 canvas points; `depth` is how far yaw moves them."""
        appearance = self.appearance
        x = np.asarray(x) * (1 - 0.08 * abs(appearance.yaw)) + 0.16 * appearance.yaw * depth
        y = np.asarray(y)
        cos, sin = np.cos(appearance.roll) * appearance.size, np.sin(appearance.roll) * appearance.size
        across, down = x * cos - y * sin + appearance.shift[0], x * sin + y * cos + appearance.shift[1]
        half = IMAGE_SIZE * SCALE / 2
        return np.rint(np.stack([across, down], -1) * half + half).astype(np.int32)[:, None, :]

    def fill(self, x: np.ndarray, y: np.ndarray, gray: float, depth: float = 1.0) -> None:
        self.cv2.fillPoly(self.pixels, [self.points(x, y, depth)], float(gray))

    def line(self, x: np.ndarray, y: np.ndarray, gray: float, width: float, depth: float = 1.0) -> None:
        thickness = max(1, round(width * self.appearance.size * IMAGE_SIZE * SCALE / 2))
        self.cv2.polylines(self.pixels, [self.points(x, y, depth)], False, float(gray), thickness)

    def darker(self, fraction: float) -> float:
        """Return the gray value that is a fraction of the way from the skin's to black."""
        return self.appearance.skin * (1 - fraction * self.appearance.contrast)


def _ellipse(x: float, y: float, width: float, height: float, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return x + width * np.cos(angle), y + height * np.sin(angle)


def _head(canvas: _Canvas) -> None:
    appearance = canvas.appearance
    if appearance.hair is not None:
        outline = _ellipse(0, -0.15, appearance.head_width * 1.14, appearance.head_height * 1.05)
        canvas.fill(*outline, appearance.hair, depth=0.1)
    x, y = _ellipse(0, 0, appearance.head_width, appearance.head_height)
    x = x * (1 - appearance.jaw * np.clip(y, 0, None))
    canvas.fill(x, y, appearance.skin, depth=0.2)
    if appearance.hair is not None:
        hairline = -appearance.hairline + 0.15 * (x / appearance.head_width) ** 2
        canvas.fill(x, np.minimum(y, hairline), appearance.hair, depth=0.2)


def _nose(canvas: _Canvas, expression: Expression) -> None:
    gray = canvas.darker(0.45)
    canvas.line(np.array([-0.04, -0.13, 0.0, 0.13]), np.array([-0.1, 0.2, 0.25, 0.2]), gray, 0.045, depth=1.6)
    wrinkle = expression.nose_wrinkle
    if wrinkle > 0.1:
        for level in (-0.2, -0.1, 0.0):
            x = np.linspace(-0.13, 0.13, 7)
            canvas.line(x, level + 4 * x**2, canvas.darker(0.75 * min(1.0, wrinkle)), 0.035, depth=1.4)
    fold = max(expression.cheeks, 0.8 * wrinkle)
    if fold > 0.1:
        for side in (-1, 1):
            x, y = side * np.array([0.2, 0.34, 0.46]), np.array([0.16, 0.28, 0.46])
            canvas.line(x, y, canvas.darker(0.55 * min(1.0, fold)), 0.04)


def _eye(canvas: _Canvas, expression: Expression, side: int) -> None:
    x0, y0, width = side * 0.36, -0.2, 0.19
    height = float(np.clip(0.095 * (1 + 0.85 * expression.eye_opening), 0.012, 0.19))
    x = np.linspace(-1, 1, 15)
    lid = np.sqrt(1 - x**2)
    upper = y0 - height * lid
    lower = y0 + height * 0.8 * lid
    white = min(255, canvas.appearance.skin + 70)
    canvas.fill(x0 + width * np.concatenate([x, x[::-1]]), np.concatenate([upper, lower[::-1]]), white)
    iris = min(0.085, height)
    canvas.fill(*_ellipse(x0, y0, 0.085, iris, 20), canvas.darker(1.0))
    canvas.line(x0 + width * x, upper, canvas.darker(0.8), 0.035)
    canvas.line(x0 + width * x, lower, canvas.darker(0.4), 0.02)
    if canvas.appearance.glasses:
        frame_x, frame_y = _ellipse(x0, y0 + 0.02, 0.3, 0.24, 24)
        canvas.line(np.append(frame_x, frame_x[0]), np.append(frame_y, frame_y[0]), 30, 0.03)
        canvas.line(np.array([0.06 * side, 0.0]), np.array([y0, y0]), 30, 0.03)


def _brow(canvas: _Canvas, expression: Expression, side: int) -> None:
    along = np.linspace(0, 1, 9)  # from the inner end
    x = side * (0.13 - 0.03 * expression.brow_slant + 0.46 * along)
    level = -0.44 - 0.16 * expression.brow_height
    arch = -0.07 * np.sin(np.pi * along) * (1 + 0.6 * max(0.0, expression.brow_height))
    slant = expression.brow_slant * 0.17 * (1 - 1.6 * along)
    canvas.line(x, level + arch + slant, canvas.darker(0.9), 0.085)


def _mouth(canvas: _Canvas, expression: Expression) -> None:
    width = 0.31 * (1 + 0.45 * expression.mouth_width)
    across = np.linspace(-1, 1, 17)
    arc = expression.mouth_curve * 0.17 * (1 - 2 * across**2)  # corners up: the middle hangs down
    lip = 0.1 * max(0.0, expression.nose_wrinkle) * (1 - across**2)
    middle = 0.5 + 0.06 * max(0.0, expression.mouth_opening)
    gap = max(0.0, expression.mouth_opening) * np.sqrt(1 - across**2)
    upper, lower = middle + arc - 0.11 * gap - lip, middle + arc + 0.25 * gap
    outline_x = width * np.concatenate([across, across[::-1]])
    if expression.mouth_opening > 0.08 or expression.nose_wrinkle > 0.3:
        canvas.fill(outline_x, np.concatenate([upper, lower[::-1]]), canvas.darker(1.0))
        if expression.teeth > 0.15:
            teeth = upper + (lower - upper) * min(1.0, 0.75 * expression.teeth)
            gray = min(255, canvas.appearance.skin + 80)
            canvas.fill(outline_x, np.concatenate([upper, teeth[::-1]]), gray)
    canvas.line(width * across, upper, canvas.darker(0.75), 0.06)
    canvas.line(width * across, lower, canvas.darker(0.7), 0.06)
