"""The optimizer of a recipe, a slower learning rate for its backbone, and its moving average of the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from fer_bench.config.recipe import Optimizer


def make_optimizer(
    config: Optimizer, slow_variables: Sequence[keras.Variable] = (), lr_factor: float = 1.0, accumulate: int = 1
) -> keras.optimizers.Optimizer:
    """The optimizer of a recipe at its peak learning rate; variables in `slow` learn and decay at `factor` of it.

    It takes a step each `accumulate` calls, with the mean of their gradients.
    """
    kind = config.name if lr_factor == 1 else f"scaled_{config.name}"
    optimizer = OPTIMIZERS[kind](
        learning_rate=config.learning_rate,
        # AdamW takes no None for no decay; to the others it spares an idle step over every weight.
        weight_decay=config.weight_decay if config.name == "adamw" else config.weight_decay or None,
        global_clipnorm=config.clip_norm,
        clipvalue=config.clip_value,
        use_ema=config.ema is not None,
        ema_momentum=(config.ema or 0.0) ** (1 / accumulate),  # Keras averages in each call
        gradient_accumulation_steps=accumulate if accumulate > 1 else None,
        **_momentum(config),
    )
    if config.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    if isinstance(optimizer, _ScaledLearningRate):
        optimizer.set_lr_factor(slow_variables, lr_factor)
    return optimizer


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """The moving averages in place of the weights, if the optimizer keeps them; afterwards the weights again.

    Frozen weights have no average, and batch normalisation's statistics are what they are: those that the weights
    themselves have met, which the averaged weights, close by, meet as well.
    """
    optimizer = unwrap_loss_scaling(model.optimizer)
    # The averages are zeros until a first step was taken; a scaled loss that overflows takes none.
    if not optimizer.use_ema or int(optimizer.iterations.numpy()) == 0:
        yield
        return
    variables = model.trainable_variables
    weights = [variable.numpy() for variable in variables]
    optimizer.finalize_variable_values(variables)
    # On JAX the weights now are the averages' own arrays, which predicting would give away: make them copies.
    _assign(variables, [variable.numpy() for variable in variables])
    try:
        yield
    finally:
        _assign(variables, weights)


def unwrap_loss_scaling(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """The optimizer itself, where mixed_float16 has put one that scales losses around it."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def _assign(variables: list[keras.Variable], values: list[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _momentum(asked: Optimizer) -> dict[str, float | bool]:
    if asked.name != "sgd":
        return {}
    return {"momentum": asked.momentum, "nesterov": asked.nesterov and asked.momentum > 0}


class _ScaledLearningRate:
    """An optimizer in which some variables have a learning rate of their own.

    A gradient cannot be scaled instead: Adam would undo it. Keras calls these two methods on TensorFlow and JAX; on
    Torch it updates all variables at once, so that a recipe with a factor is refused there.
    """

    _var_key: Callable[[Any], Any]  # Keras' own; on TensorFlow the methods below get tf.Variables, it knows both
    weight_decay: float | None

    def set_lr_factor(self, variables: Sequence[keras.Variable], factor: float) -> None:
        if keras.backend.backend() == "torch":
            raise ValueError("backbone.learning_rate_factor is not possible on the Torch backend")
        self._factor = factor
        self._slow = {self._var_key(variable) for variable in variables}

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate * self._factor_of(variable))

    def _apply_weight_decay(self, variables):
        # Keras multiplies the decay by the learning rate for all variables alike.
        decay = self.weight_decay
        if decay is None:
            return
        for factor in (1.0, self._factor):
            self.weight_decay = decay * factor
            super()._apply_weight_decay([v for v in variables if self._factor_of(v) == factor])
        self.weight_decay = decay

    def _factor_of(self, variable) -> float:
        return self._factor if self._var_key(variable) in self._slow else 1.0


class ScaledSGD(_ScaledLearningRate, keras.optimizers.SGD):
    """SGD with a slower backbone."""


class ScaledAdam(_ScaledLearningRate, keras.optimizers.Adam):
    """Adam with a slower backbone."""


class ScaledAdamW(_ScaledLearningRate, keras.optimizers.AdamW):
    """AdamW with a slower backbone."""


OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "scaled_sgd": ScaledSGD,
    "scaled_adam": ScaledAdam,
    "scaled_adamw": ScaledAdamW,
}
