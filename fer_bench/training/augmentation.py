"""Random changes of training images: one affine map, light and erasing for each, drawn for a whole batch at a time."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from fer_bench.config.recipe import Augmentation

CROP_ASPECT = 4 / 3  # a resized crop is at most so much wider than high, or higher than wide
ERASING_AREA = (0.02, 0.2)
ERASING_ASPECT = 0.3  # height over width: from this to its inverse


def augment(
    images: np.ndarray, augmentation: Augmentation, rng: np.random.Generator, crop: int | None = None
) -> np.ndarray:
    """Images (batch, [time,] height, width) uint8, each changed in its own way; all frames of a sequence in one way.

    With `crop`, a square of so many pixels a side, cut at random. Where there is nothing to do, the images themselves.
    """
    sequences = images if images.ndim == 4 else images[:, None]
    if augmentation.imgaug:
        from fer_bench.training.imgaug_policies import apply_policy

        out = _crop(apply_policy(sequences, augmentation.imgaug, rng), _crop_corners(sequences, crop, rng), crop)
    else:
        out = random_erasing(
            adjust_brightness_contrast(_affine_transform(sequences, augmentation, rng, crop), augmentation, rng),
            augmentation,
            rng,
        )
    return out if images.ndim == 4 else out[:, 0]


def affine_matrices(
    count: int, size: tuple[int, int], augmentation: Augmentation, rng: Any, xp: ModuleType = np
) -> np.ndarray:
    """Random 2×3 maps, (count, 2, 3) float64, in pixels: a resized crop, then the others about the image's centre.

    With `xp` jax.numpy, float32 on the device; `rng` is then anything with a generator's `random` and `uniform`.
    """
    height, width = size
    flip = xp.where(rng.random((count,)) < augmentation.flip, -1.0, 1.0)
    angle = xp.deg2rad(rng.uniform(-1, 1, (count,)) * augmentation.rotation)
    scale = 1 + rng.uniform(-1, 1, (count,)) * augmentation.zoom
    shift = rng.uniform(-1, 1, (count, 2)) * augmentation.shift * xp.array([width, height])
    cos, sin = scale * xp.cos(angle), scale * xp.sin(angle)
    linear = xp.stack([xp.stack([cos * flip, -sin], -1), xp.stack([sin * flip, cos], -1)], 1)
    centre = xp.array([(width - 1) / 2, (height - 1) / 2])
    if not augmentation.resized_crop:
        return xp.concatenate([linear, (centre + shift - linear @ centre)[..., None]], axis=2)
    enlarged, middle = _random_resized_crops(count, size, augmentation.resized_crop, rng, xp)
    linear = linear * enlarged[:, None, :]
    moved = centre + shift - (linear @ middle[..., None])[..., 0]
    return xp.concatenate([linear, moved[..., None]], axis=2)


def adjust_brightness_contrast(images: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Images (batch, time, height, width) uint8 under another brightness and contrast."""
    if not (augmentation.brightness or augmentation.contrast):
        return images
    factor = 1 + rng.uniform(-1, 1, len(images)) * augmentation.contrast
    added = 255 * rng.uniform(-1, 1, len(images)) * augmentation.brightness
    added += (1 - factor) * images.mean(axis=(1, 2, 3))
    out = images * factor.astype(np.float32)[:, None, None, None]
    out += added.astype(np.float32)[:, None, None, None]
    np.clip(np.rint(out, out=out), 0, 255, out=out)
    return out.astype(np.uint8)


def random_erasing(images: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Images (batch, time, height, width) uint8, some with a rectangle of noise; Zhong et al., AAAI 2020."""
    if not augmentation.random_erasing:
        return images
    chosen = np.flatnonzero(rng.random(len(images)) < augmentation.random_erasing)
    size = np.array(images.shape[2:])
    area = rng.uniform(*ERASING_AREA, len(chosen)) * size.prod()
    aspect = np.exp(rng.uniform(-1, 1, len(chosen)) * np.log(ERASING_ASPECT))
    sides = np.sqrt(np.stack([area * aspect, area / aspect], 1))
    sides = np.clip(np.rint(sides), 1, size).astype(int)
    corners = rng.integers(0, size - sides + 1)
    out = images.copy()
    for index, (top, left), (height, width) in zip(chosen, corners, sides, strict=True):
        noise = rng.integers(0, 256, (height, width), dtype=np.uint8)
        out[index, :, top : top + height, left : left + width] = noise
    return out


def _affine_transform(
    images: np.ndarray, augmentation: Augmentation, rng: np.random.Generator, crop: int | None
) -> np.ndarray:
    if not (augmentation.rotation or augmentation.shift or augmentation.zoom or augmentation.resized_crop):
        return _crop(_random_flip(images, augmentation.flip, rng), _crop_corners(images, crop, rng), crop)
    maps = affine_matrices(len(images), (images.shape[2], images.shape[3]), augmentation, rng)
    maps[:, :, 2] -= _crop_corners(images, crop, rng)[:, ::-1]
    return _warp(images, maps, crop)


def _random_flip(images: np.ndarray, probability: float, rng: np.random.Generator) -> np.ndarray:
    if not probability:
        return images
    mirrored = rng.random(len(images)) < probability
    return np.where(mirrored[:, None, None, None], images[..., ::-1], images)


def _warp(images: np.ndarray, maps: np.ndarray, crop: int | None) -> np.ndarray:
    """Images (batch, time, height, width) under a map each, edges repeated; of the result the upper left `crop`²."""
    import cv2

    count, time, height, width = images.shape
    size = (crop, crop) if crop else (width, height)
    out = np.empty((count * time, size[1], size[0]), np.uint8)
    frames = images.reshape(-1, height, width)
    for frame, matrix, target in zip(frames, np.repeat(maps, time, axis=0), out, strict=True):
        cv2.warpAffine(frame, matrix, size, dst=target, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return out.reshape(count, time, *out.shape[1:])


def _random_resized_crops(
    count: int, size: tuple[int, int], most: float, rng: Any, xp: ModuleType
) -> tuple[np.ndarray, np.ndarray]:
    """Enlargement (count, 2) and middle in pixels (count, 2) of random parts, x before y; Szegedy et al., CVPR 2015.

    The aspect ratio is relative to the image's own, and narrowed for large parts so that all of them fit.
    """
    area = rng.uniform(1 - most, 1, (count,))
    aspect = xp.exp(rng.uniform(-1, 1, (count,)) * xp.minimum(xp.log(CROP_ASPECT), -xp.log(area)))
    part = xp.sqrt(xp.stack([area * aspect, area / aspect], 1))
    corner = rng.random((count, 2)) * (1 - part)
    return 1 / part, (corner + part / 2) * xp.array([size[1], size[0]]) - 0.5


def _crop_corners(images: np.ndarray, crop: int | None, rng: np.random.Generator) -> np.ndarray:
    """Row and column of the upper left corner of a random crop of each, (batch, 2)."""
    if crop is None:
        return np.zeros((len(images), 2), int)
    return rng.integers(0, np.array(images.shape[2:]) - crop + 1, (len(images), 2))


def _crop(images: np.ndarray, corners: np.ndarray, crop: int | None) -> np.ndarray:
    if crop is None:
        return images
    pairs = zip(images, corners, strict=True)
    return np.stack([image[:, top : top + crop, left : left + crop] for image, (top, left) in pairs])
