"""Mixup and cutmix: pairs of a batch's images in one, with targets to match."""

from __future__ import annotations

import numpy as np

from fer_bench.config.recipe import Augmentation


def mix(
    images: np.ndarray, targets: np.ndarray, augmentation: Augmentation, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Images (batch, [time,] height, width) uint8 and targets (batch, classes), each mixed with another of the batch.

    One share for the whole batch, as in the authors' programs. Where both ways are asked for, one of them at random.
    """
    if not (augmentation.mixup or augmentation.cutmix):
        return images, targets
    cut = rng.random() < 0.5 if augmentation.mixup and augmentation.cutmix else bool(augmentation.cutmix)
    alpha = augmentation.cutmix if cut else augmentation.mixup
    share, partner = rng.beta(alpha, alpha), rng.permutation(len(images))
    if cut:
        images, share = _cutmix(images, partner, share, rng)
    else:
        share = max(share, 1 - share)  # every pair is as likely either way round: each image may be its own larger part
        images = _mixup(images, partner, share)
    weight = np.float32(share)
    return images, weight * targets + (1 - weight) * targets[partner]


def _mixup(images: np.ndarray, partner: np.ndarray, share: float) -> np.ndarray:
    """`share` of each image and the rest of its partner, rounded; Zhang et al., ICLR 2018."""
    import cv2

    flat = images.reshape(len(images), -1)
    return cv2.addWeighted(flat, share, flat[partner], 1 - share, 0).reshape(images.shape)


def _cutmix(
    images: np.ndarray, partner: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """Each image with a box of its partner, and the share of the area that is left; Yun et al., ICCV 2019.

    The box has 1 - `share` of the area and any middle: what lies beyond the border is cut off.
    """
    size = np.array(images.shape[-2:])
    half = np.sqrt(1 - share) * size / 2
    middle = rng.uniform(0, size)
    (top, left), (bottom, right) = np.rint(np.clip([middle - half, middle + half], 0, size)).astype(int)
    out = images.copy()
    out[..., top:bottom, left:right] = images[partner, ..., top:bottom, left:right]
    return out, 1 - float((bottom - top) * (right - left) / size.prod())
