"""Mixup and CutMix: two images of a batch combined into one, with matching targets."""

from __future__ import annotations

import numpy as np

from fer_bench.config.recipe import Augmentation


def mix(
    images: np.ndarray, targets: np.ndarray, augmentation: Augmentation, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mix each image and target with another one of the batch.

    All images of a batch share one mixing coefficient, as in the authors' implementations. If both methods are
    enabled, each batch uses one of them at random.

    Args:
        images: (batch, [time,] height, width) uint8.
        targets: (batch, classes) float32.
        augmentation: The augmentation of the recipe.
        rng: The random generator.

    Returns:
        Images and targets of the same shapes; the arguments themselves if neither method is enabled.
    """
    if not (augmentation.mixup or augmentation.cutmix):
        return images, targets
    cutmix = rng.random() < 0.5 if augmentation.mixup and augmentation.cutmix else bool(augmentation.cutmix)
    alpha = augmentation.cutmix if cutmix else augmentation.mixup
    lam, permutation = rng.beta(alpha, alpha), rng.permutation(len(images))
    if cutmix:
        images, lam = _cutmix(images, permutation, lam, rng)
    else:
        lam = max(lam, 1 - lam)  # without a change of the distribution: a pair is equally likely in both orders
        images = _mixup(images, permutation, lam)
    weight = np.float32(lam)
    return images, weight * targets + (1 - weight) * targets[permutation]


def _mixup(images: np.ndarray, permutation: np.ndarray, lam: float) -> np.ndarray:
    """Return `lam` × each image + (1 - `lam`) × its partner, rounded; Zhang et al., ICLR 2018."""
    import cv2

    flat = images.reshape(len(images), -1)
    return cv2.addWeighted(flat, lam, flat[permutation], 1 - lam, 0).reshape(images.shape)


def _cutmix(
    images: np.ndarray, permutation: np.ndarray, lam: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Paste a box of its partner into each image; return the images and the remaining area; Yun et al., ICCV 2019.

    The box has 1 - `lam` of the area and a uniform center; the part outside the image is cut off.
    """
    size = np.array(images.shape[-2:])
    half = np.sqrt(1 - lam) * size / 2
    center = rng.uniform(0, size)
    (top, left), (bottom, right) = np.rint(np.clip([center - half, center + half], 0, size)).astype(int)
    out = images.copy()
    out[..., top:bottom, left:right] = images[permutation, ..., top:bottom, left:right]
    return out, 1 - float((bottom - top) * (right - left) / size.prod())
