"""Batches of augmented uint8 images, prefetched during the step before them, and the test-time views of an image."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Literal, NamedTuple, TypeVar

import numpy as np

from fer_bench.config.recipe import Recipe
from fer_bench.datasets.subset import Subset
from fer_bench.training.augmentation import augment, select_images
from fer_bench.training.mixing import mix

PREDICTION_BATCH_SIZE = 256

Images = np.ndarray | Subset

T = TypeVar("T")


class Batch(NamedTuple):
    """Images (batch, [time,] height, width, 1) uint8, or features, and targets (batch, classes) float32."""

    images: np.ndarray
    targets: np.ndarray


def training_batches(
    images: Images, targets: np.ndarray, recipe: Recipe, seed: int, epoch: int, labels: np.ndarray
) -> Iterator[Batch]:
    """Yield the batches of one epoch: sampled, augmented, cropped and mixed.

    Every batch is full; the images that fill no batch differ from epoch to epoch. Seed and epoch determine the
    result, independently of threads.

    Args:
        images: (samples, [time,] height, width) uint8.
        targets: (samples, classes) float32.
        recipe: The recipe.
        seed: The seed of the trial.
        epoch: Number of the epoch, from 1.
        labels: (samples,), the classes that balanced sampling balances.
    """
    steps = batch_indices(labels, recipe, seed, epoch)

    def make(step: int) -> Batch:
        indices = steps[step]
        rng = np.random.default_rng([seed, epoch, step])
        x = select_images(images, indices, recipe.augmentation, seed, epoch)
        x = augment(x, recipe.augmentation, rng, recipe.crop)
        x, y = mix(x, targets[indices], recipe.augmentation, rng)
        return Batch(x[..., None], y)

    yield from prefetch(make, len(steps))


def batch_indices(labels: np.ndarray, recipe: Recipe, seed: int, epoch: int) -> list[np.ndarray]:
    """Return the sample indices of each step of an epoch; all steps have the same number of samples.

    The indices of a batch are sorted, so that a memory map is read in one direction. The order within a batch does
    not change its gradient.
    """
    order = epoch_order(labels, recipe.sampling, np.random.default_rng([seed, epoch]))
    batch_size = min(recipe.batch_size, len(order))
    return [np.sort(order[end - batch_size : end]) for end in range(batch_size, len(order) + 1, batch_size)]


def epoch_order(labels: np.ndarray, sampling: Literal["shuffled", "balanced"], rng: np.random.Generator) -> np.ndarray:
    """Return the order of samples in an epoch, as many as there are labels.

    "shuffled" contains each sample once. "balanced" contains the same number of samples of each class (±1), and
    repeats a sample only after all samples of its class have been drawn.
    """
    if sampling == "shuffled":
        return rng.permutation(len(labels))
    classes = rng.permutation(np.unique(labels))  # shuffled, because the first classes get the remainder
    count, remainder = divmod(len(labels), len(classes))
    drawn = [_draw(np.flatnonzero(labels == c), count + (i < remainder), rng) for i, c in enumerate(classes)]
    return rng.permutation(np.concatenate(drawn))


def _draw(members: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    rounds = math.ceil(count / len(members))
    return np.concatenate([rng.permutation(members) for _ in range(rounds)])[:count]


def padded_batches(images: Images, batch_size: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield all images in order as (batch (batch, [time,] height, width, 1) uint8, number of images without padding).

    The last batch is padded with repeated images, so that all batches have one shape and the model is traced once.
    """

    def make(step: int) -> tuple[np.ndarray, int]:
        batch = images[step * batch_size : (step + 1) * batch_size]
        return np.resize(batch, (batch_size, *batch.shape[1:]))[..., None], len(batch)

    yield from prefetch(make, math.ceil(len(images) / batch_size))


def tta_views(batch: np.ndarray, tta: Literal["1", "flip", "ten-crop"], crop: int | None) -> list[np.ndarray]:
    """Return the views of a batch that are predicted and averaged, each as a contiguous array.

    Args:
        batch: (batch, [time,] height, width, 1).
        tta: "1" for the center, "flip" for the center and its mirror image, "ten-crop" for the four corners and the
            center, then their mirror images (Krizhevsky et al., NIPS 2012).
        crop: Side of the crops in pixels. Without a crop the center is the whole image.
    """
    height, width = batch.shape[-3:-1]
    crop_height, crop_width = (crop, crop) if crop else (height, width)
    bottom, right = height - crop_height, width - crop_width
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right)] if tta == "ten-crop" else []
    positions = [*corners, (bottom // 2, right // 2)]
    views = [batch[..., top : top + crop_height, left : left + crop_width, :] for top, left in positions]
    if tta != "1":
        views += [view[..., ::-1, :] for view in views]
    return [np.ascontiguousarray(view) for view in views]


def prefetch(make: Callable[[int], T], steps: int) -> Iterator[T]:
    """Yield make(0), make(1), …; each call starts in a thread while the consumer uses the result before it."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(make, 0) if steps else None
        for step in range(steps):
            assert future is not None
            result = future.result()
            if step + 1 < steps:
                future = pool.submit(make, step + 1)
            yield result
