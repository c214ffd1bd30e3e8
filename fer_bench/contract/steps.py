"""Two steps of gradient descent on one batch: does the loss decrease, and which weights receive a gradient?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
import numpy as np

# Norms of the weight update, tried in this order. Deep networks with random weights need the short steps, small
# networks the long ones.
STEP_LENGTHS = (0.03, 0.003, 0.0003)
CLIP_NORM = 1e-6  # almost every gradient is longer than this, so clipping gives it this norm


@dataclass(frozen=True)
class StepResult:
    """The loss before and after the first step, and the weights that no gradient reaches."""

    loss_before: float
    loss_after: float
    weights_without_gradient: list[str]  # paths of trainable weights


def train_two_steps(model: keras.Model, pixels: np.ndarray, labels: np.ndarray) -> StepResult:
    """Train two steps on one batch, with shorter steps until the loss decreases.

    The second step is necessary because a gate that starts at zero lets no gradient pass in the first. The momentum of
    a weight is the sum of its gradients on every backend, so a momentum of zero means that no gradient arrived.

    The result is that of the last step length. Both losses are computed in training mode with the same dropout masks.

    Args:
        model: The model, which is compiled and changed.
        pixels: Input batch, uint8.
        labels: Class indices, (batch,).
    """
    optimizer = keras.optimizers.SGD(STEP_LENGTHS[0] / CLIP_NORM, momentum=0.9, global_clipnorm=CLIP_NORM)
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # Tracing a TensorFlow graph takes longer than two eager steps: 20 seconds for ResNet50.
        run_eagerly=keras.backend.backend() == "tensorflow",
        jit_compile=keras.backend.backend() == "jax",
    )
    optimizer.build(model.trainable_variables)
    variables = [*model.variables, *optimizer.variables]
    initial_values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    with_gradient: set[str] = set()
    for length in STEP_LENGTHS:
        _restore(variables, initial_values)
        optimizer.learning_rate = length / CLIP_NORM
        loss_before = _step(model, pixels, labels)
        _restore(variables, initial_values, only="seed_generator_state")  # the same dropout masks again
        loss_after = _step(model, pixels, labels)
        momentums = zip(model.trainable_variables, optimizer.momentums, strict=True)
        with_gradient |= {v.path for v, momentum in momentums if np.any(keras.ops.convert_to_numpy(momentum))}
        if loss_after < loss_before or not math.isfinite(loss_before):
            break
    return StepResult(
        loss_before, loss_after, [v.path for v in model.trainable_variables if v.path not in with_gradient]
    )


def _step(model: keras.Model, pixels: np.ndarray, labels: np.ndarray) -> float:
    return float(model.train_on_batch(pixels, labels, return_dict=True)["loss"])


def _restore(variables: list[keras.Variable], values: list[np.ndarray], only: str = "") -> None:
    """Assign values to the variables whose path contains `only`."""
    for variable, value in zip(variables, values, strict=True):
        if only in variable.path:
            variable.assign(value)
