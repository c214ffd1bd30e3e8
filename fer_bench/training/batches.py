"""Batches of augmented uint8 images, made while the step before them runs; and the views a test image is cut to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, NamedTuple

import numpy as np

from fer_bench.config.recipe import Recipe
from fer_bench.training.augmentation import augment
from fer_bench.training.mixing import mix

PREDICTION_BATCH_SIZE = 256


class Batch(NamedTuple):
    """Images (batch, [time,] height, width, 1) uint8, or features, and targets (batch, classes) float32."""

    images: np.ndarray
    targets: np.ndarray


def training_batches(
    images: np.ndarray, targets: np.ndarray, recipe: Recipe, seed: int, epoch: int, labels: np.ndarray
) -> Iterator[Batch]:
    """One epoch of images (samples, [time,] height, width) uint8: sampled, augmented, cropped, mixed with targets.

    Every batch is full: the images left over differ from epoch to epoch. Seed and epoch decide all of it,
    whatever the threads do. labels (samples,) say what balanced sampling balances.
    """
    steps = batch_indices(labels, recipe, seed, epoch)

    def make(step: int) -> Batch:
        chosen = steps[step]
        rng = np.random.default_rng([seed, epoch, step])
        x = augment(images[chosen], recipe.augmentation, rng, recipe.crop)
        x, y = mix(x, targets[chosen], recipe.augmentation, rng)
        return Batch(x[..., None], y)

    yield from prefetch(make, len(steps))


def batch_indices(labels: np.ndarray, recipe: Recipe, seed: int, epoch: int) -> list[np.ndarray]:
    """The samples of each of an epoch's steps, all steps with as many.

    Sorted: a memory map is read in one direction. The order within a batch has no effect on its gradient.
    """
    order = epoch_order(labels, recipe.sampling, np.random.default_rng([seed, epoch]))
    batch_size = min(recipe.batch_size, len(order))
    return [np.sort(order[end - batch_size : end]) for end in range(batch_size, len(order) + 1, batch_size)]


def epoch_order(labels: np.ndarray, sampling: Literal["shuffled", "balanced"], rng: np.random.Generator) -> np.ndarray:
    """An epoch's order of samples, as many as there are labels: each once, or of each class the same number, up to one.

    Balanced, a class's samples come again only once all of them have come.
    """
    if sampling == "shuffled":
        return rng.permutation(len(labels))
    classes = rng.permutation(np.unique(labels))  # shuffled: the first of them get what cannot be shared out
    each, left = divmod(len(labels), len(classes))
    drawn = [_drawn(np.flatnonzero(labels == c), each + (i < left), rng) for i, c in enumerate(classes)]
    return rng.permutation(np.concatenate(drawn))


def _drawn(members: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    rounds = math.ceil(count / len(members))
    return np.concatenate([rng.permutation(members) for _ in range(rounds)])[:count]


def padded_batches(images: np.ndarray, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """All images in order as (batch (batch, [time,] height, width, 1) uint8, how many of it are real).

    The last batch is filled up by repeats, so that every batch has one shape and nothing is traced twice.
    """

    def make(step: int) -> tuple[np.ndarray, int]:
        part = images[step * batch_size : (step + 1) * batch_size]
        real = len(part)
        return np.resize(part, (batch_size, *part.shape[1:]))[..., None], real

    yield from prefetch(make, math.ceil(len(images) / batch_size))


def test_time_views(batch: np.ndarray, views: Literal["1", "flip", "ten-crop"], crop: int | None) -> list[np.ndarray]:
    """The views of a batch (batch, [time,] height, width, 1) that are predicted in its place, each contiguous.

    1: the centre. flip: the centre and its mirror. ten-crop: the four corners and the centre, then their mirrors;
    Krizhevsky et al., NIPS 2012. Without a crop the centre is the whole image.
    """
    height, width = batch.shape[-3:-1]
    high, wide = (crop, crop) if crop else (height, width)
    bottom, right = height - high, width - wide
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right)] if views == "ten-crop" else []
    places = [*corners, (bottom // 2, right // 2)]
    cuts = [batch[..., top : top + high, left : left + wide, :] for top, left in places]
    if views != "1":
        cuts += [cut[..., ::-1, :] for cut in cuts]
    return [np.ascontiguousarray(cut) for cut in cuts]


def prefetch(make: Callable[[int], Any], steps: int) -> Iterator[Any]:
    """make(0), make(1), …, each begun while the consumer works on the one before."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(make, 0) if steps else None
        for step in range(steps):
            assert coming is not None
            made = coming.result()
            if step + 1 < steps:
                coming = pool.submit(make, step + 1)
            yield made
