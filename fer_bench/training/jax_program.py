"""An epoch as one compiled JAX program: gather, augment, learn, step after step, with the data on the device."""

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
from fer_bench.training.optimizer import unwrap_loss_scaling


class State(NamedTuple):
    """What training changes: arrays (seeds, …) in the order of `weights_of` and of the optimizer's variables."""

    weights: list[jax.Array]
    optimizer: list[jax.Array]


class Data(NamedTuple):
    """On the device: images (samples, [time,] height, width) uint8 and targets (samples, classes) float32 to train on,
    validation images in full batches (batches, batch, [time,] height, width) uint8."""

    images: jax.Array
    targets: jax.Array
    validation: jax.Array


@dataclass(frozen=True)
class Program:
    """Compiled functions of one stage of unfreezing, for a number of seeds at once.

    train(state, order (seeds, steps, batch) int32, rates (seeds, steps) float32, keys (seeds,), images, targets) gives
    the state an epoch later, losses and accuracies (seeds, steps); the state that goes in is given away.
    averaged(state) are the weights to validate with. logits(weights, validation) are (seeds, batches, batch, classes)
    float32.
    """

    train: Callable[..., tuple[State, tuple[jax.Array, jax.Array]]]
    averaged: Callable[[State], list[jax.Array]]
    logits: Callable[[list[jax.Array], jax.Array], jax.Array]


def initial_state(models: Sequence[keras.Model]) -> list[jax.Array]:
    """The weights of models built alike, each array (models, …)."""
    return [jnp.stack([v.value for v in same]) for same in zip(*map(model_variables, models), strict=True)]


def compile_program(
    model: keras.Model,
    recipe: Recipe,
    state: State,
    data: Data,
    steps: int,
    class_weights: np.ndarray | None,
) -> Program:
    """Trace and compile for a compiled model, whose own weights are left alone."""
    seeds = state.weights[0].shape[0]
    batch = min(recipe.batch_size, len(data.images))
    order = jax.ShapeDtypeStruct((seeds, steps, batch), jnp.int32)
    rates = jax.ShapeDtypeStruct((seeds, steps), jnp.float32)
    keys = jax.eval_shape(lambda: jax.vmap(jax.random.key)(jnp.arange(seeds)))
    train = _over_seeds(partial(_epoch, model, recipe, class_weights), seeds, 4)
    averaged = _over_seeds(partial(_averaged, model), seeds, 1)
    logits = _over_seeds(partial(_logits, model, recipe.crop), seeds, 1)
    return Program(
        jax.jit(train, donate_argnums=0).lower(state, order, rates, keys, data.images, data.targets).compile(),
        jax.jit(averaged).lower(state).compile(),
        jax.jit(logits).lower(state.weights, data.validation).compile(),
    )


def _over_seeds(function: Callable, seeds: int, own: int) -> Callable:
    """A function over a first axis of seeds of its first `own` arguments; the others are shared.

    A single seed is no vmap: a batch of one kernel would still become a grouped convolution.
    """

    def alone(*arguments: Any) -> Any:
        first = jax.tree.map(lambda array: array[0], arguments[:own])
        return jax.tree.map(lambda array: array[None], function(*first, *arguments[own:]))

    def together(*arguments: Any) -> Any:
        shared = len(arguments) - own
        return jax.vmap(function, in_axes=(0,) * own + (None,) * shared)(*arguments)

    return alone if seeds == 1 else together


def _epoch(
    model: keras.Model,
    recipe: Recipe,
    class_weights: np.ndarray | None,
    state: State,
    order: jax.Array,
    rates: jax.Array,
    key: jax.Array,
    images: jax.Array,
    targets: jax.Array,
) -> tuple[State, tuple[jax.Array, jax.Array]]:
    optimizer = model.optimizer
    parts = _Parts(model)
    rate_at = _index(optimizer.variables, unwrap_loss_scaling(optimizer).learning_rate)
    metrics = [variable.value for variable in model.metrics_variables]  # unused: the loss is read from each step
    gradient = jax.value_and_grad(model.compute_loss_and_updates, has_aux=True)

    def step(state: State, given: tuple[jax.Array, jax.Array, jax.Array]):
        chosen, rate, key = given
        changed, paired = jax.random.split(key)
        x = augment(images[chosen], recipe.augmentation, changed, recipe.crop)
        x, y = mix(x, targets[chosen], recipe.augmentation, paired)
        weighed = None if class_weights is None else y @ class_weights
        trainable, non_trainable = parts.split(state.weights)
        variables = [*state.optimizer]
        variables[rate_at] = rate
        (_, (loss, logits, non_trainable, _)), gradients = gradient(
            trainable, non_trainable, metrics, x[..., None], y, weighed, training=True, optimizer_variables=variables
        )
        trainable, variables = optimizer.stateless_apply(variables, gradients, trainable)
        right = jnp.mean(logits.argmax(-1) == y.argmax(-1), dtype=jnp.float32)
        return State(parts.join(trainable, non_trainable), variables), (loss, right)

    return jax.lax.scan(step, state, (order, rates, jax.random.split(key, len(rates))))


def _averaged(model: keras.Model, state: State) -> list[jax.Array]:
    """The weights, or their moving averages once there are any: see `optimizer.averaged_weights`."""
    optimizer = unwrap_loss_scaling(model.optimizer)
    if not optimizer.use_ema:
        return state.weights
    parts = _Parts(model)
    trainable, non_trainable = parts.split(state.weights)
    variables = [*model.optimizer.variables, *model.trainable_variables]
    mapping = list(zip(variables, [*state.optimizer, *trainable], strict=True))
    with keras.StatelessScope(state_mapping=mapping) as scope:
        begun = optimizer.iterations > 0
        optimizer.finalize_variable_values(model.trainable_variables)
        averages = [scope.get_current_value(variable) for variable in model.trainable_variables]
    chosen = [jnp.where(begun, average, weight) for average, weight in zip(averages, trainable, strict=True)]
    return parts.join(chosen, non_trainable)


def _logits(model: keras.Model, crop: int | None, weights: list[jax.Array], batches: jax.Array) -> jax.Array:
    trainable, non_trainable = _Parts(model).split(weights)

    def predict(images: jax.Array) -> jax.Array:
        return model.stateless_call(trainable, non_trainable, _middle(images, crop)[..., None], training=False)[0]

    return jax.lax.map(predict, batches)


def _middle(images: jax.Array, crop: int | None) -> jax.Array:
    if crop is None:
        return images
    top, left = (images.shape[-2] - crop) // 2, (images.shape[-1] - crop) // 2
    return images[..., top : top + crop, left : left + crop]


class _Parts:
    """Weights in the model's order ↔ those that are trained now and those that are not."""

    def __init__(self, model: keras.Model) -> None:
        places = {id(variable): place for place, variable in enumerate(model_variables(model))}
        self._trainable = [places[id(variable)] for variable in model.trainable_variables]
        self._others = [places[id(variable)] for variable in model.non_trainable_variables]

    def split(self, weights: Sequence[jax.Array]) -> tuple[list[jax.Array], list[jax.Array]]:
        return [weights[place] for place in self._trainable], [weights[place] for place in self._others]

    def join(self, trainable: Sequence[jax.Array], others: Sequence[jax.Array]) -> list[jax.Array]:
        placed = dict(zip([*self._trainable, *self._others], [*trainable, *others], strict=True))
        return [placed[place] for place in sorted(placed)]


def _index(variables: Sequence[keras.Variable], wanted: keras.Variable) -> int:
    return next(index for index, variable in enumerate(variables) if variable is wanted)
