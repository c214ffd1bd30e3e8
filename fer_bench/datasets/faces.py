"""Drawing one grey face from a few numbers: the pictures behind the `synthetic` dataset."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from fer_bench.core.errors import UserError

SIDE = 48
SCALE = 4  # drawn this many times larger, then reduced: smooth edges at 48×48


@dataclass(frozen=True)
class Expression:
    """What the muscles do. All zeros is a face at rest; 1 is about as far as a face goes."""

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
class Look:
    """All of a picture that says nothing of the expression. Lengths in units of half the picture's side."""

    shift: tuple[float, float]
    roll: float  # radians
    yaw: float  # -1 … 1: features move sideways, the nose farthest
    size: float
    head_width: float
    head_height: float
    jaw: float  # narrowing of the lower face
    skin: float  # shades: 0 … 255
    background: float
    feature: float  # contrast of brows, lips and lines: 0 … 1
    light: tuple[float, float]  # change of shade across the picture, right and down
    hair: float | None  # its shade
    hairline: float
    glasses: bool
    noise: float  # standard deviation, in shades
    blur: float  # standard deviation, in pixels of 48


def opencv() -> ModuleType:
    """The cv2 module; UserError saying what to install where it cannot be imported."""
    try:
        import cv2
    except ImportError as error:
        if "libGL" in str(error):
            message = "OpenCV needs the system library libGL.so.1 (Debian/Ubuntu: apt-get install libgl1)."
        else:
            message = f"OpenCV cannot be imported: {error}."
        raise UserError(message) from None
    return cv2


def draw(expression: Expression, look: Look, rng: np.random.Generator) -> np.ndarray:
    """(48, 48) uint8. `rng` gives the noise alone."""
    cv2 = opencv()
    canvas = _Canvas(cv2, look)
    _head(canvas)
    _nose(canvas, expression)
    for side in (-1, 1):
        _eye(canvas, expression, side)
        _brow(canvas, expression, side)
    _mouth(canvas, expression)
    image = cv2.resize(canvas.pixels, (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    if look.blur > 0.2:
        image = cv2.GaussianBlur(image, (0, 0), look.blur)
    across = np.linspace(-1, 1, SIDE, dtype=np.float32)
    image += look.light[0] * across[None, :] + look.light[1] * across[:, None]
    image += rng.normal(0, look.noise, image.shape).astype(np.float32)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


class _Canvas:
    """The large picture, and the way from the face's coordinates to it.

    In the face's coordinates the centre is (0, 0), the head is about 1 wide to each side, y grows downwards.
    """

    def __init__(self, cv2: ModuleType, look: Look) -> None:
        self.cv2, self.look = cv2, look
        self.pixels = np.full((SIDE * SCALE, SIDE * SCALE), look.background, np.float32)

    def points(self, x: np.ndarray, y: np.ndarray, depth: float) -> np.ndarray:
        """(n, 1, 2) int32 canvas points; `depth` is how far yaw moves them."""
        look = self.look
        x = np.asarray(x) * (1 - 0.08 * abs(look.yaw)) + 0.16 * look.yaw * depth
        y = np.asarray(y)
        cos, sin = np.cos(look.roll) * look.size, np.sin(look.roll) * look.size
        across, down = x * cos - y * sin + look.shift[0], x * sin + y * cos + look.shift[1]
        half = SIDE * SCALE / 2
        return np.rint(np.stack([across, down], -1) * half + half).astype(np.int32)[:, None, :]

    def fill(self, x: np.ndarray, y: np.ndarray, shade: float, depth: float = 1.0) -> None:
        self.cv2.fillPoly(self.pixels, [self.points(x, y, depth)], float(shade))

    def line(self, x: np.ndarray, y: np.ndarray, shade: float, width: float, depth: float = 1.0) -> None:
        thickness = max(1, round(width * self.look.size * SIDE * SCALE / 2))
        self.cv2.polylines(self.pixels, [self.points(x, y, depth)], False, float(shade), thickness)

    def darker(self, amount: float) -> float:
        """A shade below the skin's, by a share of the way to black."""
        return self.look.skin * (1 - amount * self.look.feature)


def _ellipse(x: float, y: float, width: float, height: float, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    return x + width * np.cos(turn), y + height * np.sin(turn)


def _head(canvas: _Canvas) -> None:
    look = canvas.look
    if look.hair is not None:
        canvas.fill(*_ellipse(0, -0.15, look.head_width * 1.14, look.head_height * 1.05), look.hair, depth=0.1)
    x, y = _ellipse(0, 0, look.head_width, look.head_height)
    x = x * (1 - look.jaw * np.clip(y, 0, None))
    canvas.fill(x, y, look.skin, depth=0.2)
    if look.hair is not None:
        hairline = -look.hairline + 0.15 * (x / look.head_width) ** 2
        canvas.fill(x, np.minimum(y, hairline), look.hair, depth=0.2)


def _nose(canvas: _Canvas, expression: Expression) -> None:
    shade = canvas.darker(0.45)
    canvas.line(np.array([-0.04, -0.13, 0.0, 0.13]), np.array([-0.1, 0.2, 0.25, 0.2]), shade, 0.045, depth=1.6)
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
    canvas.fill(
        x0 + width * np.concatenate([x, x[::-1]]), np.concatenate([upper, lower[::-1]]), min(255, canvas.look.skin + 70)
    )
    iris = min(0.085, height)
    canvas.fill(*_ellipse(x0, y0, 0.085, iris, 20), canvas.darker(1.0))
    canvas.line(x0 + width * x, upper, canvas.darker(0.8), 0.035)
    canvas.line(x0 + width * x, lower, canvas.darker(0.4), 0.02)
    if canvas.look.glasses:
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
            shade = min(255, canvas.look.skin + 80)
            canvas.fill(outline_x, np.concatenate([upper, teeth[::-1]]), shade)
    canvas.line(width * across, upper, canvas.darker(0.75), 0.06)
    canvas.line(width * across, lower, canvas.darker(0.7), 0.06)
