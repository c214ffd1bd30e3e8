"""A frozen backbone is computed once: the model is cut behind it, and its head trains on the features of all images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np

from fer_bench.config.canonical import num_cached_augmentations
from fer_bench.config.recipe import Recipe
from fer_bench.training.augmentation import augment
from fer_bench.training.batches import (
    PREDICTION_BATCH_SIZE,
    Batch,
    batch_indices,
    padded_batches,
    prefetch,
    test_time_views,
)
from fer_bench.training.freezing import get_backbone

MAX_CACHE_BYTES = 2**31  # bytes of features held in memory; beyond, fewer views are, and then none


@dataclass(frozen=True)
class BackboneHead:
    """A model in two, which share its layers and weights: from images to features, and from these to logits."""

    backbone: keras.Model
    head: keras.Model


@dataclass(frozen=True)
class FeatureCache:
    """Features of all training images and of their validation images, in the precision in which they are computed.

    training: (views, samples, …), each view filled in the epoch that needs it first. validation: (samples, …).
    call_seconds: of each call that computed the validation's.
    """

    split: BackboneHead
    training: np.ndarray
    validation: np.ndarray
    call_seconds: list[float]

    @property
    def head(self) -> keras.Model:
        return self.split.head


def split_after_backbone(model: keras.Model) -> BackboneHead | None:
    """Cut a model behind its frozen backbone, at the last tensor that training leaves alone.

    None where there is no such tensor: something up to the backbone's end is trained (attention between pretrained
    layers) or random, or what follows takes more than the backbone's output. ValueError without a backbone.
    """
    node = get_backbone(model)._inbound_nodes[0]
    while True:
        tensor = node.output_tensors[0]
        following = [n for n in _nodes(model) if any(taken is tensor for taken in n.input_tensors)]
        if len(following) != 1 or len(following[0].input_tensors) != 1 or not _is_constant(following[0].operation):
            break
        node = following[0]
    features = keras.Model(model.input, tensor, name="features")
    if not all(_is_constant(operation) for operation in features.operations):
        return None
    try:
        return BackboneHead(features, keras.Model(tensor, model.output, name="head"))
    except ValueError:  # the logits cannot be had from this tensor alone
        return None


def make_feature_cache(
    model: keras.Model, images: np.ndarray, validation_images: np.ndarray, recipe: Recipe
) -> FeatureCache | None:
    """The cache of a model whose backbone is frozen, of images (samples, [time,] height, width) uint8.

    None where the recipe asks for none, the model cannot be cut, or not even one view fits into MOST_CACHED.
    """
    views = num_cached_augmentations(recipe)
    parts = split_after_backbone(model) if views else None
    if parts is None:
        return None
    views = min(views, _max_views(parts.backbone.output, len(images), len(validation_images)))
    if views < 1:
        return None
    parts.backbone.compile(jit_compile=keras.backend.backend() == "jax")
    batch, computed, seconds = _batch_size(recipe, len(images)), [], []
    for x, real in padded_batches(validation_images, batch):
        began = time.perf_counter()
        computed.append(_extract(parts.backbone, test_time_views(x, "1", recipe.crop)[0], real))
        seconds.append(time.perf_counter() - began)
    validation = np.concatenate(computed)
    training = np.empty((views, len(images), *validation.shape[1:]), validation.dtype)
    return FeatureCache(parts, training, validation, seconds)


def cached_batches(
    cache: FeatureCache,
    images: np.ndarray,
    targets: np.ndarray,
    recipe: Recipe,
    seed: int,
    epoch: int,
    labels: np.ndarray,
) -> Iterator[Batch]:
    """The batches of `input.batches`, of features: of the epoch's view, which is computed on the way if it is new.

    The views take turns. Seed and view decide how the images of a view are changed.
    """
    view = (epoch - 1) % len(cache.training)
    features, steps = cache.training[view], batch_indices(labels, recipe, seed, epoch)
    if epoch > len(cache.training):
        yield from (Batch(features[chosen], targets[chosen]) for chosen in steps)
        return

    # Some steps at a time, so that the trial is seen to go on; what no step takes comes last.
    batch = _batch_size(recipe, len(images))
    at_once = batch // len(steps[0])
    groups = [steps[first : first + at_once] for first in range(0, len(steps), at_once)]
    rest = np.setdiff1d(np.arange(len(images)), np.concatenate(steps))
    groups += [[]] * -(-len(rest) // batch)
    samples = [np.unique(np.concatenate(group)) for group in groups if group]
    samples += [rest[first : first + batch] for first in range(0, len(rest), batch)]

    def make(part: int) -> np.ndarray:
        rng = np.random.default_rng([seed, 0, view, part])
        x = augment(images[samples[part]], recipe.augmentation, rng, recipe.crop)
        return np.resize(x, (batch, *x.shape[1:]))[..., None]

    for chosen, group, x in zip(samples, groups, prefetch(make, len(samples)), strict=True):
        features[chosen] = _extract(cache.split.backbone, x, len(chosen))
        yield from (Batch(features[step], targets[step]) for step in group)


def refill_cache(
    cache: FeatureCache,
    epoch: int,
    images: np.ndarray,
    targets: np.ndarray,
    recipe: Recipe,
    seed: int,
    labels: np.ndarray,
) -> None:
    """Compute anew what the epochs before one had left in the cache."""
    for before in range(1, min(epoch, len(cache.training) + 1)):
        for _ in cached_batches(cache, images, targets, recipe, seed, before, labels):
            pass


def _extract(network: keras.Model, x: np.ndarray, real: int) -> np.ndarray:
    return np.asarray(network.predict_on_batch(x))[:real]


def _batch_size(recipe: Recipe, count: int) -> int:
    """Images to a call: of as many whole steps as make a prediction batch, one at least."""
    step = min(recipe.batch_size, count)
    return step * max(1, min(PREDICTION_BATCH_SIZE, count) // step)


def _max_views(tensor: keras.KerasTensor, training: int, validation: int) -> int:
    image = int(np.prod(tensor.shape[1:])) * (4 if tensor.dtype == "float32" else 2)
    return (MAX_CACHE_BYTES - validation * image) // (training * image)


def _nodes(model: keras.Model) -> list:
    return [node for operation in model.operations for node in operation._inbound_nodes]


def _is_constant(operation: keras.Operation) -> bool:
    """Whether training changes nothing in it and nothing in it is random."""
    if isinstance(operation, keras.Model):
        return all(_is_constant(inner) for inner in operation.operations)
    variables = getattr(operation, "variables", [])
    random = len(variables) > len(getattr(operation, "weights", []))  # `weights` are without the seeds
    return not variables or not (operation.trainable or random)
