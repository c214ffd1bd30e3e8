"""Augmentation policies of the imgaug library (package imaug)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def apply_policy(images: np.ndarray, policy: str, rng: np.random.Generator) -> np.ndarray:
    """Augment images (batch, time, height, width) uint8; all frames of a sequence get the same change.

    Args:
        images: The images.
        policy: A key of PIPELINES.
        rng: The random generator.
    """
    import imgaug.augmenters as library  # takes more than a second

    seed = int(rng.integers(2**31))
    channels = 3 if policy == "randaugment" else 1  # some of its augmenters reject images with one channel
    out = np.empty_like(images)
    for time in range(images.shape[1]):
        # Built and seeded for every frame, because an augmenter keeps its random state between calls.
        pipeline = PIPELINES[policy](library)
        pipeline.seed_(seed)
        frames = np.repeat(images[:, time, ..., None], channels, axis=-1)
        out[:, time] = pipeline(images=frames)[..., 0]
    return out


def _light(library: Any) -> Any:
    """Flip 0.5, shift ±0.05."""
    return library.Sequential([library.Fliplr(0.5), _affine(library, shift=0.05)])


def _standard(library: Any) -> Any:
    """Flip 0.5, rotation ±10, shift ±0.08, zoom ±0.1."""
    return library.Sequential([library.Fliplr(0.5), _affine(library, shift=0.08, rotate=(-10, 10), scale=(0.9, 1.1))])


def _strong(library: Any) -> Any:
    """Flip 0.5, rotation ±15, shift ±0.05, zoom 0.9 to 1.2, shear ±8, contrast, brightness, blur, noise, cutout."""
    return library.Sequential(
        [
            library.Fliplr(0.5),
            _affine(library, shift=0.05, rotate=(-15, 15), scale=(0.9, 1.2), shear=(-8, 8)),
            library.Sometimes(0.2, library.GaussianBlur((0.3, 0.8))),
            library.LinearContrast((0.7, 1.3)),
            library.Add((-38, 38)),
            library.Sometimes(0.2, library.AdditiveGaussianNoise(scale=(2, 10))),
            library.Sometimes(0.3, library.Cutout(nb_iterations=1, size=(0.15, 0.4), fill_mode="gaussian")),
        ]
    )


def _randaugment(library: Any) -> Any:
    """RandAugment of imgaug (Cubuk et al., NeurIPS 2020): two of 18 operations at magnitude 6 to 12, flip and crop."""
    return library.RandAugment(n=2, m=(6, 12))


def _affine(library: Any, shift: float, **options: Any) -> Any:
    bounds = (-shift, shift)
    return library.Affine(translate_percent={"x": bounds, "y": bounds}, mode="edge", **options)


PIPELINES: dict[str, Callable[[Any], Any]] = {
    "light": _light,
    "standard": _standard,
    "strong": _strong,
    "randaugment": _randaugment,
}
