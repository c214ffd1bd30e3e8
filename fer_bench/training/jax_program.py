"""An epoch as one compiled JAX program: gather, augment and train, with the data on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import keras
import numpy as np

from fer_bench.config.recipe import Recipe
from fer_bench.training.freezing import model_variables
from fer_bench.training.jax_augmentation import augment, mix
from fer_bench.training.optimizer import computes_averages, unwrap_loss_scaling


class State(NamedTuple):
    """The state of training: arrays (seeds, …) in the order of `model_variables` and `optimizer.variables`."""

    weights: list[jax.Array]
    optimizer: list[jax.Array]


class Data(NamedTuple):
    """The data on the device.

    Attributes:
        images: Training images (samples, [time,] height, width) uint8.
        targets: (samples, classes) float32.
        validation: Validation images in full batches (batches, batch, [time,] height, width) uint8.
    """

    images: jax.Array
    targets: jax.Array
    validation: jax.Array


@dataclass(frozen=True)
class Program:
    """The compiled functions of one stage of training, for several seeds at once.

    Attributes:
        train: train(state, order (seeds, steps, batch) int32, flipped (seeds, samples) bool, rates (seeds, steps)
            float32, keys (seeds,), images, targets) trains for an epoch. It returns the new state, and losses and
            accuracies (seeds, steps). The arrays of the old state are donated.
        averaged: averaged(state) returns the weights for validation.
        logits: logits(weights, validation) returns (seeds, batches, batch, classes) float32.
    """

    train: Callable[..., tuple[State, tuple[jax.Array, jax.Array]]]
    averaged: Callable[[State], list[jax.Array]]
    logits: Callable[[list[jax.Array], jax.Array], jax.Array]


def initial_state(models: Sequence[keras.Model]) -> list[jax.Array]:
    """Return the weights of models of one architecture, stacked to arrays (models, …)."""
    return [jnp.stack([v.value for v in same]) for same in zip(*map(model_variables, models), strict=True)]


def compile_program(
    model: keras.Model,
    recipe: Recipe,
    state: State,
    data: Data,
    steps: int,
    class_weights: np.ndarray | None,
) -> Program:
    """Trace and compile the functions of a compiled Keras model, whose weights do not change."""
    seeds = state.weights[0].shape[0]
    batch = min(recipe.batch_size, len(data.images))
    order = jax.ShapeDtypeStruct((seeds, steps, batch), jnp.int32)
    flipped = jax.ShapeDtypeStruct((seeds, len(data.images)), jnp.bool_)
    rates = jax.ShapeDtypeStruct((seeds, steps), jnp.float32)
    keys = jax.eval_shape(lambda: jax.vmap(jax.random.key)(jnp.arange(seeds)))
    train = _over_seeds(partial(_epoch, model, recipe, class_weights), seeds, 5)
    averaged = _over_seeds(partial(_averaged, model), seeds, 1)
    logits = _over_seeds(partial(_logits, model, recipe.crop), seeds, 1)
    arguments = (state, order, flipped, rates, keys, data.images, data.targets)
    return Program(
        jax.jit(train, donate_argnums=0).lower(*arguments).compile(),
        jax.jit(averaged).lower(state).compile(),
        jax.jit(logits).lower(state.weights, data.validation).compile(),
    )


def _over_seeds(function: Callable, seeds: int, num_mapped: int) -> Callable:
    """Map a function over a first axis of seeds in its first `num_mapped` arguments; the others are shared.

    A single seed does not use vmap, which would turn each convolution into a grouped convolution.
    """

    def call_single(*arguments: Any) -> Any:
        first = jax.tree.map(lambda array: array[0], arguments[:num_mapped])
        return jax.tree.map(lambda array: array[None], function(*first, *arguments[num_mapped:]))

    def call_mapped(*arguments: Any) -> Any:
        num_shared = len(arguments) - num_mapped
        return jax.vmap(function, in_axes=(0,) * num_mapped + (None,) * num_shared)(*arguments)

    return call_single if seeds == 1 else call_mapped


def _epoch(
    model: keras.Model,
    recipe: Recipe,
    class_weights: np.ndarray | None,
    state: State,
    order: jax.Array,
    flipped: jax.Array,
    rates: jax.Array,
    key: jax.Array,
    images: jax.Array,
    targets: jax.Array,
) -> tuple[State, tuple[jax.Array, jax.Array]]:
    optimizer = model.optimizer
    partition = _Partition(model)
    rate_index = _index(optimizer.variables, unwrap_loss_scaling(optimizer).learning_rate)
    metrics = [variable.value for variable in model.metrics_variables]  # unused, because each step returns its loss
    gradient = jax.value_and_grad(model.compute_loss_and_updates, has_aux=True)

    def step(state: State, inputs: tuple[jax.Array, jax.Array, jax.Array]):
        indices, rate, key = inputs
        augment_key, mix_key = jax.random.split(key)
        x = images[indices]
        if recipe.augmentation.flip == "alternating":
            x = jnp.where(flipped[indices].reshape(-1, *(1,) * (x.ndim - 1)), x[..., ::-1], x)
        x = augment(x, recipe.augmentation, augment_key, recipe.crop)
        x, y = mix(x, targets[indices], recipe.augmentation, mix_key)
        weight = None if class_weights is None else y @ class_weights
        trainable, non_trainable = partition.split(state.weights)
        variables = [*state.optimizer]
        variables[rate_index] = rate
        (_, (loss, logits, non_trainable, _)), gradients = gradient(
            trainable, non_trainable, metrics, x[..., None], y, weight, training=True, optimizer_variables=variables
        )
        trainable, variables = optimizer.stateless_apply(variables, gradients, trainable)
        accuracy = jnp.mean(logits.argmax(-1) == y.argmax(-1), dtype=jnp.float32)
        return State(partition.join(trainable, non_trainable), variables), (loss, accuracy)

    return jax.lax.scan(step, state, (order, rates, jax.random.split(key, len(rates))))


def _averaged(model: keras.Model, state: State) -> list[jax.Array]:
    """Return the weights, or their averages after the first step, as `optimizer.averaged_weights` does."""
    optimizer = unwrap_loss_scaling(model.optimizer)
    if not computes_averages(optimizer):
        return state.weights
    partition = _Partition(model)
    trainable, non_trainable = partition.split(state.weights)
    variables = [*model.optimizer.variables, *model.trainable_variables]
    mapping = list(zip(variables, [*state.optimizer, *trainable], strict=True))
    with keras.StatelessScope(state_mapping=mapping) as scope:
        has_stepped = optimizer.iterations > 0
        optimizer.finalize_variable_values(model.trainable_variables)
        averages = [scope.get_current_value(variable) for variable in model.trainable_variables]
    weights = [jnp.where(has_stepped, average, weight) for average, weight in zip(averages, trainable, strict=True)]
    return partition.join(weights, non_trainable)


def _logits(model: keras.Model, crop: int | None, weights: list[jax.Array], batches: jax.Array) -> jax.Array:
    trainable, non_trainable = _Partition(model).split(weights)

    def predict(images: jax.Array) -> jax.Array:
        return model.stateless_call(trainable, non_trainable, _center_crop(images, crop)[..., None], training=False)[0]

    return jax.lax.map(predict, batches)


def _center_crop(images: jax.Array, crop: int | None) -> jax.Array:
    if crop is None:
        return images
    top, left = (images.shape[-2] - crop) // 2, (images.shape[-1] - crop) // 2
    return images[..., top : top + crop, left : left + crop]


class _Partition:
    """Splits weights in the order of `model_variables` into trainable and non-trainable ones, and joins them again."""

    def __init__(self, model: keras.Model) -> None:
        positions = {id(variable): position for position, variable in enumerate(model_variables(model))}
        self._trainable = [positions[id(variable)] for variable in model.trainable_variables]
        self._non_trainable = [positions[id(variable)] for variable in model.non_trainable_variables]

    def split(self, weights: Sequence[jax.Array]) -> tuple[list[jax.Array], list[jax.Array]]:
        return [weights[i] for i in self._trainable], [weights[i] for i in self._non_trainable]

    def join(self, trainable: Sequence[jax.Array], non_trainable: Sequence[jax.Array]) -> list[jax.Array]:
        by_position = dict(zip([*self._trainable, *self._non_trainable], [*trainable, *non_trainable], strict=True))
        return [by_position[i] for i in sorted(by_position)]


def _index(variables: Sequence[keras.Variable], variable: keras.Variable) -> int:
    return next(index for index, candidate in enumerate(variables) if candidate is variable)
