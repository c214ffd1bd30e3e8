"""Two steps of gradient descent on one batch: whether the loss falls, and which weights the gradient reaches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
import numpy as np

# Lengths of a step, over all weights together. Deep networks with random weights have a valley too narrow for the
# first, small ones too flat for the last.
LENGTHS = (0.03, 0.003, 0.0003)
CLIP = 1e-6  # a gradient is hardly ever shorter than this, so that clipping it gives it this norm


@dataclass(frozen=True)
class Steps:
    """The losses before and after the first step, of the length that served best; weights without any gradient."""

    before: float
    after: float
    unreached: list[str]  # paths of trainable weights


def two_steps(model: keras.Model, pixels: np.ndarray, labels: np.ndarray) -> Steps:
    """Descend the loss of one batch. Normalisation is in training mode both times, and dropout draws the same.

    Two steps, because a gate that starts at zero lets no gradient past it in the first. The momentum of each weight
    is then a sum of its gradients, on every backend.
    """
    optimizer = keras.optimizers.SGD(LENGTHS[0] / CLIP, momentum=0.9, global_clipnorm=CLIP)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # Two steps are too few to pay for TensorFlow's graph, which takes ResNet50 twenty seconds.
        run_eagerly=keras.backend.backend() == "tensorflow",
        jit_compile=keras.backend.backend() == "jax",
    )
    optimizer.build(model.trainable_variables)
    variables = [*model.variables, *optimizer.variables]
    start = [keras.ops.convert_to_numpy(variable) for variable in variables]
    reached: set[str] = set()
    for length in LENGTHS:
        _restore(variables, start)
        optimizer.learning_rate = length / CLIP
        before = _step(model, pixels, labels)
        _restore(*_dice(variables, start))
        after = _step(model, pixels, labels)
        momentums = zip(model.trainable_variables, optimizer.momentums, strict=True)
        reached |= {v.path for v, momentum in momentums if np.any(keras.ops.convert_to_numpy(momentum))}
        if after < before or not math.isfinite(before):
            break
    return Steps(before, after, [v.path for v in model.trainable_variables if v.path not in reached])


def _step(model: keras.Model, pixels: np.ndarray, labels: np.ndarray) -> float:
    return float(model.train_on_batch(pixels, labels, return_dict=True)["loss"])


def _restore(variables: list[keras.Variable], values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _dice(variables: list[keras.Variable], values: list[np.ndarray]) -> tuple[list, list]:
    """The states of random number generators, such as dropout's."""
    states = [(v, value) for v, value in zip(variables, values, strict=True) if "seed_generator_state" in v.path]
    return [v for v, _ in states], [value for _, value in states]
