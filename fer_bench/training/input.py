"""Batches of augmented uint8 images, made while the step before them runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from fer_bench.training.recipe import Augmentation


def batches(
    images: np.ndarray, labels: np.ndarray, batch_size: int, augmentation: Augmentation, seed: int, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """One epoch of (images (batch, height, width, 1) uint8, labels (batch,)), shuffled and augmented.

    Every batch is full: the images left over differ from epoch to epoch. Seed and epoch decide all of it,
    whatever the threads do.
    """
    order = np.random.default_rng([seed, epoch]).permutation(len(labels))
    batch_size = min(batch_size, len(labels))
    steps = len(labels) // batch_size

    def make(step: int) -> tuple[np.ndarray, np.ndarray]:
        # Sorted: a memory map is read in one direction. The order within a batch has no effect on its gradient.
        chosen = np.sort(order[step * batch_size : (step + 1) * batch_size])
        rng = np.random.default_rng([seed, epoch, step])
        return augmented(images[chosen], augmentation, rng)[..., None], labels[chosen]

    yield from _ahead(make, steps)


def augmented(images: np.ndarray, augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Images (batch, height, width) uint8, each under a random flip, rotation, shift and zoom of its own."""
    import cv2

    matrices = affine_maps(len(images), images.shape[1:3], augmentation, rng)
    height, width = images.shape[1:3]
    out = np.empty_like(images)
    for image, matrix, target in zip(images, matrices, out, strict=True):
        cv2.warpAffine(
            image, matrix, (width, height), dst=target, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
    return out


def affine_maps(count: int, size: tuple[int, int], augmentation: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """Random 2×3 maps about the image's centre, (count, 2, 3) float64, in pixels."""
    height, width = size
    flip = np.where(rng.random(count) < augmentation.flip, -1.0, 1.0)
    angle = np.deg2rad(rng.uniform(-1, 1, count) * augmentation.rotation)
    scale = 1 + rng.uniform(-1, 1, count) * augmentation.zoom
    shift = rng.uniform(-1, 1, (count, 2)) * augmentation.shift * [width, height]
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.stack([np.stack([cos * flip, -sin], -1), np.stack([sin * flip, cos], -1)], 1)
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    return np.concatenate([linear, (centre + shift - linear @ centre)[..., None]], axis=2)


def padded_batches(images: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """All images in order as (batch (batch, height, width, 1) uint8, how many of it are real).

    The last batch is filled up by repeats, so that every batch has one shape and nothing is traced twice.
    """

    def make(step: int) -> tuple[np.ndarray, int]:
        part = images[step * batch_size : (step + 1) * batch_size]
        real = len(part)
        return np.resize(part, (batch_size, *part.shape[1:]))[..., None], real

    yield from _ahead(make, math.ceil(len(images) / batch_size))


def _ahead(make: Callable[[int], Any], steps: int) -> Iterator[Any]:
    """make(0), make(1), …, each begun while the consumer works on the one before."""
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(make, 0) if steps else None
        for step in range(steps):
            assert ahead is not None
            made = ahead.result()
            if step + 1 < steps:
                ahead = pool.submit(make, step + 1)
            yield made
