"""Random augmentation of training images: an affine transform, brightness, contrast and random erasing."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np

from fer_bench.config.recipe import Augmentation
from fer_bench.datasets.subset import Subset

CROP_ASPECT = 4 / 3  # maximum aspect ratio of a resized crop, and of its inverse
ERASING_AREA = (0.02, 0.2)  # minimum and maximum fraction of the image
ERASING_ASPECT = 0.3  # minimum height / width; the maximum is its inverse


def augment(
    images: np.ndarray, augmentation: Augmentation, rng: np.random.Generator, crop: int | None = None
) -> np.ndarray:
    """Augment each image at random; all frames of a sequence get the same change.

    Alternating flips depend on the epoch: see `select_images`.

    Args:
        images: (batch, [time,] height, width) uint8.
        augmentation: The augmentation of the recipe.
        rng: The random generator, which determines the result.
        crop: Side of a random square crop in pixels; None keeps the whole image.

    Returns:
        The augmented images, or `images` itself if the augmentation changes nothing.
    """
    sequences = images if images.ndim == 4 else images[:, None]
    if augmentation.imgaug:
        from fer_bench.training.imgaug_policies import apply_policy

        out = apply_policy(sequences, augmentation.imgaug, rng)
        out = _crop(out, _crop_corners(sequences, crop, rng), crop)
    else:
        out = _affine_transform(sequences, augmentation, rng, crop)
        out = adjust_brightness_contrast(out, augmentation, rng)
        out = random_erasing(out, augmentation, rng)
    return out if images.ndim == 4 else out[:, 0]


def select_images(
    images: np.ndarray | Subset, indices: np.ndarray, augmentation: Augmentation, seed: int, epoch: int
) -> np.ndarray:
    """Return images, of which alternating flips have flipped some.

    Args:
        images: All images (samples, [time,] height, width) uint8.
        indices: Indices of the images of a batch (batch,).
        augmentation: The augmentation of the recipe.
        seed: The seed of the trial.
        epoch: Number of the epoch, from 1.

    Returns:
        (batch, [time,] height, width) uint8.
    """
    selected = images[indices]
    if augmentation.flip != "alternating":
        return selected
    flipped = alternating_flips(len(images), seed, epoch)[indices]
    return np.where(flipped.reshape(-1, *(1,) * (selected.ndim - 1)), selected[..., ::-1], selected)


def alternating_flips(num_images: int, seed: int, epoch: int) -> np.ndarray:
    """Return which images are flipped in an epoch (samples,) bool: each in every second epoch; Jordan, arXiv 2024.

    The seed determines for which images these are the odd epochs.
    """
    parity = np.random.default_rng([seed, 0]).integers(0, 2, num_images, np.uint8)
    return (parity + epoch) % 2 == 1


def affine_matrices(
    count: int, size: tuple[int, int], augmentation: Augmentation, rng: Any, xp: ModuleType = np
) -> np.ndarray:
    """Return random affine matrices: a resized crop, then flip, rotation, zoom and shift about the image's center.

    Args:
        count: Number of matrices.
        size: Height and width of the images in pixels.
        augmentation: The augmentation of the recipe.
        rng: An object with the methods `random` and `uniform` of a NumPy generator.
        xp: NumPy or jax.numpy.

    Returns:
        (count, 2, 3), in pixels; float64 with NumPy, float32 with jax.numpy.
    """
    height, width = size
    flip = xp.where(rng.random((count,)) < augmentation.flip_probability, -1.0, 1.0)
    angle = xp.deg2rad(rng.uniform(-1, 1, (count,)) * augmentation.rotation)
    scale = 1 + rng.uniform(-1, 1, (count,)) * augmentation.zoom
    shift = rng.uniform(-1, 1, (count, 2)) * augmentation.shift * xp.array([width, height])
    cos, sin = scale * xp.cos(angle), scale * xp.sin(angle)
    linear = xp.stack([xp.stack([cos * flip, -sin], -1), xp.stack([sin * flip, cos], -1)], 1)
    center = xp.array([(width - 1) / 2, (height - 1) / 2])
    if not augmentation.resized_crop:
        return xp.concatenate([linear, (center + shift - linear @ center)[..., None]], axis=2)
    scales, crop_center = _random_resized_crops(count, size, augmentation.resized_crop, rng, xp)
    linear = linear * scales[:, None, :]
    translation = center + shift - (linear @ crop_center[..., None])[..., 0]
    return xp.concatenate([linear, translation[..., None]], axis=2)


def adjust_brightness_contrast(images: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Change the brightness and contrast of images (batch, time, height, width) uint8."""
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
    """Replace a rectangle of some images (batch, time, height, width) uint8 by noise; Zhong et al., AAAI 2020."""
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
        return _crop(_random_flip(images, augmentation.flip_probability, rng), _crop_corners(images, crop, rng), crop)
    matrices = affine_matrices(len(images), (images.shape[2], images.shape[3]), augmentation, rng)
    matrices[:, :, 2] -= _crop_corners(images, crop, rng)[:, ::-1]
    return _warp(images, matrices, crop)


def _random_flip(images: np.ndarray, probability: float, rng: np.random.Generator) -> np.ndarray:
    if not probability:
        return images
    mirrored = rng.random(len(images)) < probability
    return np.where(mirrored[:, None, None, None], images[..., ::-1], images)


def _warp(images: np.ndarray, matrices: np.ndarray, crop: int | None) -> np.ndarray:
    """Warp images (batch, time, height, width) with repeated edges; return the upper left `crop`² pixels."""
    import cv2

    count, time, height, width = images.shape
    size = (crop, crop) if crop else (width, height)
    out = np.empty((count * time, size[1], size[0]), np.uint8)
    frames = images.reshape(-1, height, width)
    for frame, matrix, target in zip(frames, np.repeat(matrices, time, axis=0), out, strict=True):
        cv2.warpAffine(frame, matrix, size, dst=target, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return out.reshape(count, time, *out.shape[1:])


def _random_resized_crops(
    count: int, size: tuple[int, int], max_reduction: float, rng: Any, xp: ModuleType
) -> tuple[np.ndarray, np.ndarray]:
    """Return scale (count, 2) and center in pixels (count, 2) of random crops, x before y; Szegedy et al., CVPR 2015.

    The aspect ratio is relative to that of the image. Its range is narrower for large crops, so that all of them fit.
    """
    area = rng.uniform(1 - max_reduction, 1, (count,))
    aspect = xp.exp(rng.uniform(-1, 1, (count,)) * xp.minimum(xp.log(CROP_ASPECT), -xp.log(area)))
    crop = xp.sqrt(xp.stack([area * aspect, area / aspect], 1))  # width and height as fractions of the image
    corner = rng.random((count, 2)) * (1 - crop)
    return 1 / crop, (corner + crop / 2) * xp.array([size[1], size[0]]) - 0.5


def _crop_corners(images: np.ndarray, crop: int | None, rng: np.random.Generator) -> np.ndarray:
    """Return row and column of the upper left corner of a random crop of each image, (batch, 2)."""
    if crop is None:
        return np.zeros((len(images), 2), int)
    return rng.integers(0, np.array(images.shape[2:]) - crop + 1, (len(images), 2))


def _crop(images: np.ndarray, corners: np.ndarray, crop: int | None) -> np.ndarray:
    if crop is None:
        return images
    pairs = zip(images, corners, strict=True)
    return np.stack([image[:, top : top + crop, left : left + crop] for image, (top, left) in pairs])
