"""Drawn portraits, in which OpenCV's cascades find the face and the eyes: no real face is needed to test them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.face_crop.geometry import Face
from fer_bench.datasets.faces import draw_face
from fer_bench.datasets.synthetic import random_expression, random_appearance

WIDTH, HEIGHT, BACKGROUND = 256, 256, 120
FACE_SIDE = 160
NAMES = ("KA.AN1.39", "KA.HA1.29", "KL.AN1.167", "KL.HA1.158", "TM.AN1.190", "TM.HA1.180")  # as JAFFE's


def portrait(seed: int = 0, turned: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """A picture (256, 256) uint8 of a face turned by degrees, from x to y, and its eyes (2, 2), left one first."""
    rng = np.random.default_rng(seed)
    still = {"shift": (0.0, 0.0), "roll": 0.0, "yaw": 0.0, "glasses": False, "noise": 2.0, "light": (0.0, 0.0)}
    look = replace(random_appearance(rng), **still, hair=30.0, skin=200.0, background=BACKGROUND, contrast=1.0, size=1.0)
    face = draw_face(random_expression("neutral", rng), look, rng)
    picture = np.full((HEIGHT, WIDTH), BACKGROUND, np.uint8)
    top, left = (HEIGHT - FACE_SIDE) // 2, (WIDTH - FACE_SIDE) // 2
    large = cv2.resize(face, (FACE_SIDE, FACE_SIDE), interpolation=cv2.INTER_CUBIC)
    picture[top : top + FACE_SIDE, left : left + FACE_SIDE] = large
    centre = np.array([WIDTH / 2, HEIGHT / 2])
    eyes = centre + FACE_SIDE / 2 * np.array([[-0.36, -0.2], [0.36, -0.2]])  # where `faces` draws them
    matrix = cv2.getRotationMatrix2D(tuple(centre), -turned, 1)
    picture = cv2.warpAffine(picture, matrix, (WIDTH, HEIGHT), borderValue=BACKGROUND)
    return picture, eyes @ matrix[:, :2].T + matrix[:, 2]


def blank() -> np.ndarray:
    return np.full((HEIGHT, WIDTH), BACKGROUND, np.uint8)


def portraits(*seeds: int | None) -> Dataset:
    """A dataset of portraits, at a None of a blank picture; classes take turns, everything is known of it."""
    images = np.stack([blank() if seed is None else portrait(seed)[0] for seed in seeds])
    count = len(images)
    return Dataset(
        name="drawn",
        images=images,
        labels=np.arange(count) % 2,
        ids=np.array([f"drawn-{index}" for index in range(count)]),
        classes=("angry", "happy"),
        fingerprint="of the drawn ones",
        split=np.arange(count, dtype=np.int8) % 3,
        subjects=np.array([f"person {index}" for index in range(count)]),
        soft_labels=np.full((count, 2), 0.5, np.float32),
        sequences=np.array([f"film {index}" for index in range(count)]),
        notes=("Drawn.",),
    )


class Knows:
    """A detector that knows which pictures have which face, by the shade of their first pixel."""

    def __init__(self, faces: dict[int, Face | None]) -> None:
        self.faces = faces

    def __call__(self, picture: np.ndarray, eyes: bool) -> Face | None:
        return self.faces[int(picture[0, 0])]


def write_jaffe(folder: Path, without_face: tuple[str, ...] = ()) -> Path:
    """Drawn portraits in JAFFE's layout, 256×256 TIFFs; the data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(NAMES):
        cv2.imwrite(str(folder / f"{name}.tiff"), blank() if name in without_face else portrait(seed)[0])
    return folder.parent
