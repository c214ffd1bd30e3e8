"""Drawn portraits, in which detectors find the face."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fer_bench.datasets.faces import draw_face
from fer_bench.datasets.images import import_opencv
from fer_bench.datasets.synthetic import random_appearance, random_expression

SIDE, FACE_SIDE = 256, 160  # pixels
BACKGROUND = 120


def draw_portrait(expression: str, rng: np.random.Generator) -> np.ndarray:
    """Return an image (256, 256) uint8 with a face in the middle that looks straight ahead.

    Args:
        expression: A class of the synthetic dataset.
        rng: What differs between portraits: the person, and how strong the expression is.
    """
    straight = replace(random_appearance(rng), shift=(0.0, 0.0), roll=0.0, yaw=0.0, size=1.0, glasses=False)
    shades = replace(straight, hair=30.0, skin=200.0, background=BACKGROUND, contrast=1.0)
    appearance = replace(shades, light=(0.0, 0.0), noise=2.0)
    face = draw_face(random_expression(expression, rng), appearance, rng)
    image = np.full((SIDE, SIDE), BACKGROUND, np.uint8)
    start = (SIDE - FACE_SIDE) // 2
    cv2 = import_opencv()
    large = cv2.resize(face, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_CUBIC)
    image[start : start + FACE_SIDE, start : start + FACE_SIDE] = large
    return image
