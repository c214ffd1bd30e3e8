"""What was done to a copy of an image."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

MIN_ANGLE = 2.5  # degrees
MIN_SHIFT = 0.6  # pixels of an image of 48 pixels
MIN_ZOOM = 1.04
MIN_BRIGHTNESS = 8.0  # gray levels
MIN_CONTRAST = 1.12
OTHER = "slightly changed"  # noise, blur or compression


@dataclass(frozen=True)
class Change:
    """The second image of a pair compared with the first.

    Attributes:
        mirrored: Left and right are exchanged.
        angle: Degrees.
        shift: Pixels of an image of 48 pixels.
        zoom: Above 1, the second image shows less of the picture.
        brightness: Difference of the mean gray levels.
        contrast: Ratio of the standard deviations.
    """

    mirrored: bool
    angle: float
    shift: float
    zoom: float
    brightness: float
    contrast: float

    def reversed(self) -> Change:
        """Return the first image compared with the second."""
        return Change(self.mirrored, self.angle, self.shift, 1 / self.zoom, -self.brightness, 1 / self.contrast)

    def kinds(self) -> tuple[str, ...]:
        """Return what changed, without amount and direction."""
        found = {
            "mirrored": self.mirrored,
            "rotated": self.angle >= MIN_ANGLE,
            "zoomed": _ratio(self.zoom) >= MIN_ZOOM,
            "shifted": self.shift >= MIN_SHIFT,
            "brighter or darker": abs(self.brightness) >= MIN_BRIGHTNESS,
            "changed in contrast": _ratio(self.contrast) >= MIN_CONTRAST,
        }
        return tuple(kind for kind, changed in found.items() if changed) or (OTHER,)

    def __str__(self) -> str:
        """Return what changed: `mirrored, rotated by 8°, brighter`."""
        words = {
            "rotated": f"rotated by {self.angle:.0f}°",
            "zoomed": f"zoomed {'in' if self.zoom > 1 else 'out'} by {100 * (_ratio(self.zoom) - 1):.0f} %",
            "shifted": f"shifted by {100 * self.shift / 48:.0f} %",
            "brighter or darker": "brighter" if self.brightness > 0 else "darker",
            "changed in contrast": "more contrast" if self.contrast > 1 else "less contrast",
        }
        return ", ".join(words.get(kind, kind) for kind in self.kinds())


def measure(first: np.ndarray, second: np.ndarray, warp: np.ndarray) -> Change:
    """Return the change between two images.

    Args:
        first: (height, width) uint8.
        second: (height, width) uint8.
        warp: (2, 3), from the second image to the first, in units of half the side from the middle.
    """
    linear = warp[:, :2].astype(float)
    mirrored = np.linalg.det(linear) < 0
    if mirrored:
        linear = np.diag([-1.0, 1.0]) @ linear
    angle = abs(math.degrees(math.atan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1])))
    middle = [slice(length // 6, length - length // 6) for length in first.shape]
    one, other = (image[tuple(middle)].astype(float) for image in (first, second))
    contrast = max(other.std(), 0.1) / max(one.std(), 0.1)
    return Change(
        mirrored=bool(mirrored),
        angle=angle,
        shift=24 * float(np.hypot(*warp[:, 2])),
        zoom=1 / math.sqrt(max(abs(np.linalg.det(linear)), 1e-6)),
        brightness=float(other.mean() - one.mean()),
        contrast=float(contrast),
    )


def _ratio(value: float) -> float:
    return max(value, 1 / value)
