"""Cached features of a frozen backbone: each image passes it once, and the head trains on the features."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from fer_bench.config.canonical import num_cached_augmentations
from fer_bench.config.recipe import Recipe
from fer_bench.training.augmentation import augment, select_images
from fer_bench.training.batches import (
    PREDICTION_BATCH_SIZE,
    Batch,
    Images,
    batch_indices,
    padded_batches,
    prefetch,
    tta_views,
)
from fer_bench.training.freezing import get_backbone

MAX_CACHE_BYTES = 2**31  # of features in memory; larger caches get fewer augmentations, or none


@dataclass(frozen=True)
class BackboneHead:
    """A model split in two that share its layers and weights: images to features, and features to logits."""

    backbone: keras.Model
    head: keras.Model


@dataclass(frozen=True)
class FeatureCache:
    """Features of the training and validation images, in the precision in which they are computed.

    Attributes:
        split: The model in two.
        training: (augmentations, samples, …); each augmentation is computed in the epoch that first needs it.
        validation: (samples, …).
        validation_seconds: Duration of each call that computed `validation`.
    """

    split: BackboneHead
    training: np.ndarray
    validation: np.ndarray
    validation_seconds: list[float]

    @property
    def head(self) -> keras.Model:
        return self.split.head


def split_after_backbone(model: keras.Model) -> BackboneHead | None:
    """Split a model behind its frozen backbone, at the last tensor that training does not change.

    Returns:
        The two models. None if there is no such tensor: a layer up to the end of the backbone is trained (attention
        between pretrained layers) or random, or the head has inputs other than the backbone's output.

    Raises:
        ValueError: The model has no backbone.
    """
    node = get_backbone(model)._inbound_nodes[0]
    while True:
        tensor = node.output_tensors[0]
        consumers = [n for n in _nodes(model) if any(consumed is tensor for consumed in n.input_tensors)]
        if len(consumers) != 1 or len(consumers[0].input_tensors) != 1 or not _is_constant(consumers[0].operation):
            break
        node = consumers[0]
    backbone = keras.Model(model.input, tensor, name="features")
    if not all(_is_constant(operation) for operation in backbone.operations):
        return None
    try:
        return BackboneHead(backbone, keras.Model(tensor, model.output, name="head"))
    except ValueError:  # the logits depend on more than this tensor
        return None


def make_feature_cache(
    model: keras.Model, images: Images, validation_images: Images, recipe: Recipe
) -> FeatureCache | None:
    """Create the cache of a model with a frozen backbone and compute the validation features.

    Args:
        model: The model, with a frozen backbone.
        images: Training images (samples, [time,] height, width) uint8.
        validation_images: Validation images of the same shape.
        recipe: The recipe.

    Returns:
        The cache. None if the recipe caches nothing, the model cannot be split, or the features of a single
        augmentation exceed MAX_CACHE_BYTES.
    """
    count = num_cached_augmentations(recipe)
    split = split_after_backbone(model) if count else None
    if split is None:
        return None
    count = min(count, _max_augmentations(split.backbone.output, len(images), len(validation_images)))
    if count < 1:
        return None
    split.backbone.compile(jit_compile=keras.backend.backend() == "jax")
    features: list[np.ndarray] = []
    seconds: list[float] = []
    for x, num_images in padded_batches(validation_images, _batch_size(recipe, len(images))):
        began = time.perf_counter()
        features.append(_extract(split.backbone, tta_views(x, "1", recipe.crop)[0], num_images))
        seconds.append(time.perf_counter() - began)
    validation = np.concatenate(features)
    training = np.empty((count, len(images), *validation.shape[1:]), validation.dtype)
    return FeatureCache(split, training, validation, seconds)


def cached_batches(
    cache: FeatureCache,
    images: Images,
    targets: np.ndarray,
    recipe: Recipe,
    seed: int,
    epoch: int,
    labels: np.ndarray,
) -> Iterator[Batch]:
    """Yield the batches of `training_batches` as features, and compute those that are not in the cache yet.

    Consecutive epochs use the cached augmentations in rotation. Seed and augmentation determine the random changes.
    """
    augmentation = (epoch - 1) % len(cache.training)
    features, steps = cache.training[augmentation], batch_indices(labels, recipe, seed, epoch)
    if epoch > len(cache.training):
        yield from (Batch(features[indices], targets[indices]) for indices in steps)
        return

    # Features are computed for a few steps at a time, so that progress is visible. Samples of no step come last.
    batch_size = _batch_size(recipe, len(images))
    group_size = batch_size // len(steps[0])
    groups = [steps[first : first + group_size] for first in range(0, len(steps), group_size)]
    samples = [np.unique(np.concatenate(group)) for group in groups]
    rest = np.setdiff1d(np.arange(len(images)), np.concatenate(steps))
    samples += [rest[first : first + batch_size] for first in range(0, len(rest), batch_size)]
    groups += [[] for _ in range(math.ceil(len(rest) / batch_size))]

    def make(number: int) -> np.ndarray:
        rng = np.random.default_rng([seed, 0, augmentation, number])
        x = select_images(images, samples[number], recipe.augmentation, seed, epoch)
        x = augment(x, recipe.augmentation, rng, recipe.crop)
        return np.resize(x, (batch_size, *x.shape[1:]))[..., None]

    for indices, group, x in zip(samples, groups, prefetch(make, len(samples)), strict=True):
        features[indices] = _extract(cache.split.backbone, x, len(indices))
        yield from (Batch(features[step], targets[step]) for step in group)


def refill_cache(
    cache: FeatureCache,
    epoch: int,
    images: Images,
    targets: np.ndarray,
    recipe: Recipe,
    seed: int,
    labels: np.ndarray,
) -> None:
    """Compute the features that the epochs before `epoch` had stored, for a trial that resumes at `epoch`."""
    for earlier in range(1, min(epoch, len(cache.training) + 1)):
        for _ in cached_batches(cache, images, targets, recipe, seed, earlier, labels):
            pass


def _extract(backbone: keras.Model, x: np.ndarray, num_images: int) -> np.ndarray:
    return np.asarray(backbone.predict_on_batch(x))[:num_images]


def _batch_size(recipe: Recipe, num_images: int) -> int:
    """Return the images per call of the backbone: as many whole steps as fit a prediction batch, at least one."""
    step = min(recipe.batch_size, num_images)
    return step * max(1, min(PREDICTION_BATCH_SIZE, num_images) // step)


def _max_augmentations(tensor: keras.KerasTensor, num_training: int, num_validation: int) -> int:
    image_bytes = int(np.prod(tensor.shape[1:])) * (4 if tensor.dtype == "float32" else 2)
    return (MAX_CACHE_BYTES - num_validation * image_bytes) // (num_training * image_bytes)


def _nodes(model: keras.Model) -> list:
    return [node for operation in model.operations for node in operation._inbound_nodes]


def _is_constant(operation: keras.Operation) -> bool:
    """Return whether training neither changes the operation nor makes its output random."""
    if isinstance(operation, keras.Model):
        return all(_is_constant(inner) for inner in operation.operations)
    variables = getattr(operation, "variables", [])
    has_seed = len(variables) > len(getattr(operation, "weights", []))  # `weights` excludes the seeds
    return not variables or not (operation.trainable or has_seed)
