"""The random changes of training images within a compiled JAX step: what augmentation and mixing do on the host.

All draws have the distributions of the host's. All functions may be traced, by jit, vmap over keys and scan alike.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax.scipy.ndimage import map_coordinates

from fer_bench.config.recipe import Augmentation
from fer_bench.training.augmentation import ERASING_AREA, ERASING_ASPECT, affine_matrices


def augment(images: jax.Array, augmentation: Augmentation, key: jax.Array, crop: int | None = None) -> jax.Array:
    """Images (batch, [time,] height, width) uint8, each changed in its own way; all frames of a sequence in one way.

    With `crop`, a square of so many pixels a side, cut at random. Where there is nothing to do, the images themselves.
    ValueError for a policy of imgaug.
    """
    if augmentation.imgaug:
        raise ValueError("a policy of imgaug runs on the host alone, not in a compiled step")
    sequences = images if images.ndim == 4 else images[:, None]
    moving, lighting, erasing = jax.random.split(key, 3)
    out = _affine_transform(sequences, augmentation, moving, crop)
    out = random_erasing(adjust_brightness_contrast(out, augmentation, lighting), augmentation, erasing)
    return out if images.ndim == 4 else out[:, 0]


def mix(
    images: jax.Array, targets: jax.Array, augmentation: Augmentation, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Images (batch, [time,] height, width) uint8 and targets (batch, classes), each mixed with another of the batch.

    One share for the whole batch, as in the authors' programs. Where both ways are asked for, one of them at random.
    """
    if not (augmentation.mixup or augmentation.cutmix):
        return images, targets
    choosing, sharing, pairing, placing = jax.random.split(key, 4)
    partner = jax.random.permutation(pairing, len(images))
    if augmentation.mixup and augmentation.cutmix:
        cut = jax.random.bernoulli(choosing)
        alpha = jnp.where(cut, augmentation.cutmix, augmentation.mixup)
        share = jax.random.beta(sharing, alpha, alpha)
        images, share = jax.lax.cond(cut, _cutmix, _mixup, images, images[partner], share, placing)
    else:
        alpha, way = (augmentation.cutmix, _cutmix) if augmentation.cutmix else (augmentation.mixup, _mixup)
        images, share = way(images, images[partner], jax.random.beta(sharing, alpha, alpha), placing)
    return images, share * targets + (1 - share) * targets[partner]


def warp(images: jax.Array, maps: jax.Array, crop: int | None = None) -> jax.Array:
    """Images (batch, time, height, width) uint8 under maps (batch, 2, 3) of source to target, edges repeated.

    Of the result the upper left `crop`². As OpenCV's warpAffine, which however rounds positions to 1/32 of a pixel.
    """
    rows, columns = jnp.indices((crop, crop) if crop else images.shape[2:], dtype=jnp.float32)

    def one(frames: jax.Array, matrix: jax.Array) -> jax.Array:
        (a, b, right), (c, d, down) = matrix
        x, y = columns - right, rows - down
        places = jnp.stack([a * y - c * x, d * x - b * y]) / (a * d - b * c)
        return jax.vmap(lambda frame: map_coordinates(frame, places, order=1, mode="nearest"))(frames)

    return jax.vmap(one)(images, maps)


def adjust_brightness_contrast(images: jax.Array, augmentation: Augmentation, key: jax.Array) -> jax.Array:
    """Images (batch, time, height, width) uint8 under another brightness and contrast."""
    if not (augmentation.brightness or augmentation.contrast):
        return images
    spread, shade = jax.random.uniform(key, (2, len(images), 1, 1, 1), minval=-1, maxval=1)
    factor = 1 + spread * augmentation.contrast
    added = 255 * shade * augmentation.brightness + (1 - factor) * images.mean(axis=(1, 2, 3), keepdims=True)
    return jnp.clip(jnp.rint(images * factor + added), 0, 255).astype(jnp.uint8)


def random_erasing(images: jax.Array, augmentation: Augmentation, key: jax.Array) -> jax.Array:
    """Images (batch, time, height, width) uint8, some with a rectangle of noise; Zhong et al., AAAI 2020."""
    if not augmentation.random_erasing:
        return images
    count, _, *size = images.shape
    choosing, sizing, shaping, placing, filling = jax.random.split(key, 5)
    area = jax.random.uniform(sizing, (count,), minval=ERASING_AREA[0], maxval=ERASING_AREA[1]) * size[0] * size[1]
    aspect = jnp.exp(jax.random.uniform(shaping, (count,), minval=-1, maxval=1) * jnp.log(ERASING_ASPECT))
    sides = jnp.sqrt(jnp.stack([area * aspect, area / aspect], 1))
    sides = jnp.clip(jnp.rint(sides), 1, jnp.array(size)).astype(int)
    corners = jax.random.randint(placing, (count, 2), 0, jnp.array(size) - sides + 1)
    chosen = jax.random.bernoulli(choosing, augmentation.random_erasing, (count, 1, 1))
    noise = jax.random.bits(filling, (count, 1, *size), jnp.uint8)
    return jnp.where((chosen & _box_mask(size, corners, corners + sides))[:, None], noise, images)


class _JaxGenerator:
    """What affine maps ask of a NumPy generator, from a JAX key: a part of its own for each draw."""

    def __init__(self, key: jax.Array) -> None:
        self._key = key

    def random(self, shape: tuple[int, ...]) -> jax.Array:
        return self.uniform(0, 1, shape)

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> jax.Array:
        self._key, part = jax.random.split(self._key)
        return jax.random.uniform(part, shape, minval=low, maxval=high)


def _affine_transform(images: jax.Array, augmentation: Augmentation, key: jax.Array, crop: int | None) -> jax.Array:
    moving, cutting = jax.random.split(key)
    corners = _crop_corners(images, crop, cutting)
    if not (augmentation.rotation or augmentation.shift or augmentation.zoom or augmentation.resized_crop):
        return _crop(_random_flip(images, augmentation.flip, moving), corners, crop)
    with jax.default_matmul_precision("highest"):  # a GPU's own precision is off by hundredths of a pixel
        maps = affine_matrices(len(images), images.shape[2:], augmentation, _JaxGenerator(moving), jnp)
    return warp(images, maps.at[:, :, 2].add(-corners[:, ::-1]), crop)


def _random_flip(images: jax.Array, probability: float, key: jax.Array) -> jax.Array:
    if not probability:
        return images
    mirrored = jax.random.bernoulli(key, probability, (len(images), 1, 1, 1))
    return jnp.where(mirrored, images[..., ::-1], images)


def _crop_corners(images: jax.Array, crop: int | None, key: jax.Array) -> jax.Array:
    """Row and column of the upper left corner of a random crop of each, (batch, 2)."""
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


def _mixup(images: jax.Array, others: jax.Array, share: jax.Array, _: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The larger of `share` and its rest of each image, the other of its partner, rounded; Zhang et al., ICLR 2018."""
    share = jnp.maximum(share, 1 - share)  # as on the host: each image may be its own larger part
    return jnp.rint(share * images + (1 - share) * others).astype(jnp.uint8), share


def _cutmix(images: jax.Array, others: jax.Array, share: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Each image with a box of its partner, and the share of the area that is left; Yun et al., ICCV 2019.

    The box has 1 - `share` of the area and any middle: what lies beyond the border is cut off.
    """
    size = jnp.array(images.shape[-2:])
    half = jnp.sqrt(1 - share) * size / 2
    middle = jax.random.uniform(key, (2,)) * size
    first, past = jnp.rint(jnp.clip(jnp.stack([middle - half, middle + half]), 0, size))
    inside = _box_mask(images.shape[-2:], first, past)
    return jnp.where(inside, others, images), 1 - inside.mean()


def _box_mask(size: tuple[int, int], first: jax.Array, past: jax.Array) -> jax.Array:
    """Mask (…, height, width) of the boxes from `first` (…, 2), row and column, to before `past`."""
    row, column = jnp.arange(size[0]), jnp.arange(size[1])
    rows = (first[..., :1] <= row) & (row < past[..., :1])
    columns = (first[..., 1:] <= column) & (column < past[..., 1:])
    return rows[..., :, None] & columns[..., None, :]
