"""Drawn portraits in which OpenCV's cascades find the face and the eyes, so that tests need no real face."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.face_crop.geometry import Face
from fer_bench.datasets.portraits import BACKGROUND, FACE_SIDE, SIDE, draw_portrait

NAMES = ("KA.AN1.39", "KA.HA1.29", "KL.AN1.167", "KL.HA1.158", "TM.AN1.190", "TM.HA1.180")  # like those of JAFFE


def portrait(seed: int = 0, rotation: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return an image (256, 256) uint8 of a face, rotated by degrees from x to y, and its eyes (2, 2), left first."""
    image = draw_portrait("neutral", np.random.default_rng(seed))
    center = np.array([SIDE / 2, SIDE / 2])
    eyes = center + FACE_SIDE / 2 * np.array([[-0.36, -0.2], [0.36, -0.2]])  # as in `draw_face`
    matrix = cv2.getRotationMatrix2D(tuple(center), -rotation, 1)
    image = cv2.warpAffine(image, matrix, (SIDE, SIDE), borderValue=BACKGROUND)
    return image, eyes @ matrix[:, :2].T + matrix[:, 2]


def blank() -> np.ndarray:
    return np.full((SIDE, SIDE), BACKGROUND, np.uint8)


def portraits(*seeds: int | None) -> Dataset:
    """Return a dataset of portraits, with a blank image per None, alternating classes and all optional arrays."""
    images = np.stack([blank() if seed is None else portrait(seed)[0] for seed in seeds])
    count = len(images)
    return Dataset(
        name="drawn",
        images=images,
        labels=np.arange(count) % 2,
        ids=np.array([f"drawn-{index}" for index in range(count)]),
        classes=("angry", "happy"),
        fingerprint="made up",
        split=np.arange(count, dtype=np.int8) % 3,
        subjects=np.array([f"subject {index}" for index in range(count)]),
        soft_labels=np.full((count, 2), 0.5, np.float32),
        sequences=np.array([f"film {index}" for index in range(count)]),
        notes=("Drawn.",),
    )


class FakeDetector:
    """A detector that gets the faces of images by the gray value of their first pixel."""

    def __init__(self, faces: dict[int, Face | None]) -> None:
        self.faces = faces

    def __call__(self, image: np.ndarray, eyes: bool) -> Face | None:
        return self.faces[int(image[0, 0])]


def write_jaffe(folder: Path, without_face: tuple[str, ...] = ()) -> Path:
    """Write portraits in JAFFE's layout, 256×256 TIFFs, and return the data folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(NAMES):
        cv2.imwrite(str(folder / f"{name}.tiff"), blank() if name in without_face else portrait(seed)[0])
    return folder.parent
