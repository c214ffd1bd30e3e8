"""Augmentation and mixing within a compiled JAX step, with the same distributions as on the host.

All functions can be traced by jit, vmap over keys, and scan.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates

from fer_bench.config.recipe import Augmentation
from fer_bench.training.augmentation import ERASING_AREA, ERASING_ASPECT, affine_matrices


def augment(images: jax.Array, augmentation: Augmentation, key: jax.Array, crop: int | None = None) -> jax.Array:
    """Augment each image at random; all frames of a sequence get the same change.

    Args:
        images: (batch, [time,] height, width) uint8.
        augmentation: The augmentation of the recipe.
        key: The random key, which determines the result.
        crop: Side of a random square crop in pixels; None keeps the whole image.

    Returns:
        The augmented images, or `images` itself if the augmentation changes nothing.

    Raises:
        ValueError: The augmentation is a policy of imgaug, or the crop is larger than the images.
    """
    if augmentation.imgaug:
        raise ValueError("a policy of imgaug runs on the host only, not in a compiled step")
    sequences = images if images.ndim == 4 else images[:, None]
    affine_key, brightness_key, erasing_key = jax.random.split(key, 3)
    out = _affine_transform(sequences, augmentation, affine_key, crop)
    out = adjust_brightness_contrast(out, augmentation, brightness_key)
    out = random_erasing(out, augmentation, erasing_key)
    return out if images.ndim == 4 else out[:, 0]


def mix(
    images: jax.Array, targets: jax.Array, augmentation: Augmentation, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Mix each image and target with another one of the batch, as `mixing.mix` does.

    Args:
        images: (batch, [time,] height, width) uint8.
        targets: (batch, classes) float32.
        augmentation: The augmentation of the recipe.
        key: The random key.
    """
    if not (augmentation.mixup or augmentation.cutmix):
        return images, targets
    method_key, lam_key, permutation_key, box_key = jax.random.split(key, 4)
    permutation = jax.random.permutation(permutation_key, len(images))
    if augmentation.mixup and augmentation.cutmix:
        cutmix = jax.random.bernoulli(method_key)
        alpha = jnp.where(cutmix, augmentation.cutmix, augmentation.mixup)
        lam = jax.random.beta(lam_key, alpha, alpha)
        images, lam = jax.lax.cond(cutmix, _cutmix, _mixup, images, images[permutation], lam, box_key)
    else:
        alpha, method = (augmentation.cutmix, _cutmix) if augmentation.cutmix else (augmentation.mixup, _mixup)
        images, lam = method(images, images[permutation], jax.random.beta(lam_key, alpha, alpha), box_key)
    return images, lam * targets + (1 - lam) * targets[permutation]


def warp(images: jax.Array, matrices: jax.Array, crop: int | None = None) -> jax.Array:
    """Warp images with repeated edges, like OpenCV's warpAffine without its rounding to 1/32 of a pixel.

    Args:
        images: (batch, time, height, width) uint8.
        matrices: (batch, 2, 3), from source to target coordinates.
        crop: Only the upper left `crop`² pixels are returned.
    """
    rows, columns = jnp.indices((crop, crop) if crop else images.shape[2:], dtype=jnp.float32)

    def warp_frames(frames: jax.Array, matrix: jax.Array) -> jax.Array:
        (a, b, right), (c, d, down) = matrix
        x, y = columns - right, rows - down
        coordinates = jnp.stack([a * y - c * x, d * x - b * y]) / (a * d - b * c)
        return jax.vmap(lambda frame: map_coordinates(frame, coordinates, order=1, mode="nearest"))(frames)

    return jax.vmap(warp_frames)(images, matrices)


def adjust_brightness_contrast(images: jax.Array, augmentation: Augmentation, key: jax.Array) -> jax.Array:
    """Change the brightness and contrast of images (batch, time, height, width) uint8."""
    if not (augmentation.brightness or augmentation.contrast):
        return images
    contrast, brightness = jax.random.uniform(key, (2, len(images), 1, 1, 1), minval=-1, maxval=1)
    factor = 1 + contrast * augmentation.contrast
    added = 255 * brightness * augmentation.brightness + (1 - factor) * images.mean(axis=(1, 2, 3), keepdims=True)
    return jnp.clip(jnp.rint(images * factor + added), 0, 255).astype(jnp.uint8)


def random_erasing(images: jax.Array, augmentation: Augmentation, key: jax.Array) -> jax.Array:
    """Replace a rectangle of some images (batch, time, height, width) uint8 by noise; Zhong et al., AAAI 2020."""
    if not augmentation.random_erasing:
        return images
    count, _, *size = images.shape
    chosen_key, area_key, aspect_key, corner_key, noise_key = jax.random.split(key, 5)
    area = jax.random.uniform(area_key, (count,), minval=ERASING_AREA[0], maxval=ERASING_AREA[1]) * size[0] * size[1]
    aspect = jnp.exp(jax.random.uniform(aspect_key, (count,), minval=-1, maxval=1) * jnp.log(ERASING_ASPECT))
    sides = jnp.sqrt(jnp.stack([area * aspect, area / aspect], 1))
    sides = jnp.clip(jnp.rint(sides), 1, jnp.array(size)).astype(int)
    corners = jax.random.randint(corner_key, (count, 2), 0, jnp.array(size) - sides + 1)
    chosen = jax.random.bernoulli(chosen_key, augmentation.random_erasing, (count, 1, 1))
    noise = jax.random.bits(noise_key, (count, 1, *size), jnp.uint8)
    return jnp.where((chosen & _box_mask(images.shape[2:], corners, corners + sides))[:, None], noise, images)


class _JaxGenerator:
    """The methods of a NumPy generator that `affine_matrices` calls; each call uses a new key."""

    def __init__(self, key: jax.Array) -> None:
        self._key = key

    def random(self, shape: tuple[int, ...]) -> jax.Array:
        return self.uniform(0, 1, shape)

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> jax.Array:
        self._key, key = jax.random.split(self._key)
        return jax.random.uniform(key, shape, minval=low, maxval=high)


def _affine_transform(images: jax.Array, augmentation: Augmentation, key: jax.Array, crop: int | None) -> jax.Array:
    matrix_key, crop_key = jax.random.split(key)
    corners = _crop_corners(images, crop, crop_key)
    if not (augmentation.rotation or augmentation.shift or augmentation.zoom or augmentation.resized_crop):
        return _crop(_random_flip(images, augmentation.flip_probability, matrix_key), corners, crop)
    with jax.default_matmul_precision("highest"):  # the default precision of a GPU is off by hundredths of a pixel
        size = (images.shape[2], images.shape[3])
        matrices = jnp.asarray(affine_matrices(len(images), size, augmentation, _JaxGenerator(matrix_key), jnp))
    return warp(images, matrices.at[:, :, 2].add(-corners[:, ::-1]), crop)


def _random_flip(images: jax.Array, probability: float, key: jax.Array) -> jax.Array:
    if not probability:
        return images
    mirrored = jax.random.bernoulli(key, probability, (len(images), 1, 1, 1))
    return jnp.where(mirrored, images[..., ::-1], images)


def _crop_corners(images: jax.Array, crop: int | None, key: jax.Array) -> jax.Array:
    """Return row and column of the upper left corner of a random crop of each image, (batch, 2)."""
    if crop is None:
        return jnp.zeros((len(images), 2), int)
    size = images.shape[2:]
    if crop > min(size):
        raise ValueError(f"a crop of {crop} pixels does not fit into images of {size[0]}×{size[1]}")
    return jax.random.randint(key, (len(images), 2), 0, jnp.array(size) - crop + 1)


def _crop(images: jax.Array, corners: jax.Array, crop: int | None) -> jax.Array:
    if crop is None:
        return images
    size = (images.shape[1], crop, crop)
    return jax.vmap(lambda frames, corner: jax.lax.dynamic_slice(frames, (0, *corner), size))(images, corners)


def _mixup(images: jax.Array, partners: jax.Array, lam: jax.Array, _: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return `lam` × each image + (1 - `lam`) × its partner, rounded, and `lam`; Zhang et al., ICLR 2018."""
    lam = jnp.maximum(lam, 1 - lam)  # as on the host: a pair is equally likely in both orders
    return jnp.rint(lam * images + (1 - lam) * partners).astype(jnp.uint8), lam


def _cutmix(images: jax.Array, partners: jax.Array, lam: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Paste a box of its partner into each image; return the images and the remaining area; Yun et al., ICCV 2019.

    The box has 1 - `lam` of the area and a uniform center; the part outside the image is cut off.
    """
    size = jnp.array(images.shape[-2:])
    half = jnp.sqrt(1 - lam) * size / 2
    center = jax.random.uniform(key, (2,)) * size
    start, end = jnp.rint(jnp.clip(jnp.stack([center - half, center + half]), 0, size))
    inside = _box_mask(images.shape[-2:], start, end)
    return jnp.where(inside, partners, images), 1 - inside.mean()


def _box_mask(size: tuple[int, ...], start: jax.Array, end: jax.Array) -> jax.Array:
    """Return the mask (…, height, width) of the boxes from `start` (…, 2), row and column, to before `end`."""
    row, column = jnp.arange(size[0]), jnp.arange(size[1])
    rows = (start[..., :1] <= row) & (row < end[..., :1])
    columns = (start[..., 1:] <= column) & (column < end[..., 1:])
    return rows[..., :, None] & columns[..., None, :]
