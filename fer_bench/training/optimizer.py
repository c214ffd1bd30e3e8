"""The optimizer of a recipe, with learning rates per group of variables and a moving average of the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from fer_bench.config.recipe import Optimizer, Recipe
from fer_bench.training.freezing import pretrained_variables
from fer_bench.training.muon import Muon
from fer_bench.training.schedule_free import ScheduleFreeAdamW

if TYPE_CHECKING:
    from keras.optimizers import Optimizer as _Base
else:
    _Base = object


def make_optimizer(
    config: Optimizer,
    lr_factors: Sequence[tuple[keras.Variable, float]] = (),
    accumulate: int = 1,
    fast_operations: bool = True,
) -> keras.optimizers.Optimizer:
    """Return the optimizer of a recipe at its peak learning rate.

    Args:
        config: The optimizer of the recipe.
        lr_factors: Variables whose learning rate and weight decay are multiplied by a factor, with the factor.
        accumulate: Number of calls whose mean gradient makes one step.
        fast_operations: Whether Adam and SGD update a variable with one operation, on TensorFlow.
    """
    optimizer = (SCALED_OPTIMIZERS if lr_factors else OPTIMIZERS)[config.name](
        learning_rate=config.learning_rate,
        # AdamW does not accept None. For the others None avoids a pass over all weights without effect.
        weight_decay=config.weight_decay if config.name == "adamw" else config.weight_decay or None,
        global_clipnorm=config.clip_norm,
        clipvalue=config.clip_value,
        use_ema=config.ema is not None,
        ema_momentum=(config.ema or 0.0) ** (1 / accumulate),  # Keras updates the average in each call
        gradient_accumulation_steps=accumulate if accumulate > 1 else None,
        **_own_arguments(config),
    )
    if config.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    if isinstance(optimizer, _ScaledLearningRate):
        optimizer.set_lr_factors(lr_factors)
    if fast_operations and keras.backend.backend() == "tensorflow":
        from fer_bench.training import tensorflow_backend

        tensorflow_backend.use_update_kernel(optimizer, getattr(optimizer, "factor_of", lambda variable: 1.0))
    return optimizer


def learning_rate_factors(model: keras.Model, recipe: Recipe) -> list[tuple[keras.Variable, float]]:
    """Return the trainable variables whose learning rate is not that of the schedule, with their factors."""
    of_backbone = recipe.backbone.learning_rate_factor
    slow = {id(variable) for variable in pretrained_variables(model)} if of_backbone != 1 else set()
    factors = []
    for variable in model.trainable_variables:
        factor = of_backbone if id(variable) in slow else 1.0
        if variable.name == "beta":  # of the normalization layers of Keras
            factor *= recipe.optimizer.norm_bias_lr_factor
        if factor != 1:
            factors.append((variable, factor))
    return factors


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Replace the weights by their averages within the block, if the optimizer computes averages.

    Frozen weights have no average. The statistics of batch normalization stay those of the weights themselves, which
    are close to those of the averaged weights.
    """
    optimizer = unwrap_loss_scaling(model.optimizer)
    # The averages are zeros before the first step, and a scaled loss that overflows makes no step.
    if not computes_averages(optimizer) or int(optimizer.iterations.numpy()) == 0:
        yield
        return
    variables = model.trainable_variables
    weights = [variable.numpy() for variable in variables]
    optimizer.finalize_variable_values(variables)
    # On JAX the weights now share the arrays of the averages, which predicting would donate: copy them.
    assign_values(variables, [variable.numpy() for variable in variables])
    try:
        yield
    finally:
        assign_values(variables, weights)


def computes_averages(optimizer: keras.optimizers.Optimizer) -> bool:
    """Return whether `finalize_variable_values` of an optimizer replaces the weights by averages."""
    return optimizer.use_ema or isinstance(optimizer, ScheduleFreeAdamW)


def unwrap_loss_scaling(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Return the optimizer inside the loss-scaling optimizer that mixed_float16 adds, or the optimizer itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def assign_values(variables: Sequence[keras.Variable], values: Sequence[np.ndarray | keras.Variable]) -> None:
    """Assign one value to each variable, in order."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _own_arguments(config: Optimizer) -> dict[str, Any]:
    if config.name == "sgd":
        return {"momentum": config.momentum, "nesterov": config.nesterov and config.momentum > 0}
    if config.name == "muon":
        return {"momentum": config.momentum, "nesterov": config.nesterov, "ns_steps": 3, "exclude_layers": ["logits"]}
    return {}


class _ScaledLearningRate(_Base):
    """An optimizer in which some variables have another learning rate.

    Scaling their gradients instead would have no effect, because Adam normalizes gradients. Keras calls the two
    overridden methods on TensorFlow and JAX. On Torch it updates all variables at once, so a factor is not supported.
    """

    _var_key: Callable[[Any], Any]  # of Keras; accepts Keras variables, and the tf.Variables passed to these methods
    weight_decay: float | None

    def set_lr_factors(self, factors: Sequence[tuple[keras.Variable, float]]) -> None:
        if keras.backend.backend() == "torch":
            raise ValueError("factors of the learning rate are not supported on the Torch backend")
        self._factors = {self._var_key(variable): factor for variable, factor in factors}

    def update_step(self, gradient, variable, learning_rate):
        super().update_step(gradient, variable, learning_rate * self.factor_of(variable))

    def _apply_weight_decay(self, variables):
        # Keras multiplies the decay by the same learning rate for all variables.
        decay = self.weight_decay
        if decay is None:
            return
        for factor in sorted({self.factor_of(variable) for variable in variables}):
            self.weight_decay = decay * factor
            super()._apply_weight_decay([v for v in variables if self.factor_of(v) == factor])
        self.weight_decay = decay

    def factor_of(self, variable) -> float:
        """Return the factor of the learning rate of a variable."""
        return self._factors.get(self._var_key(variable), 1.0)


OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "schedule_free_adamw": ScheduleFreeAdamW,
    "muon": Muon,
}
SCALED_OPTIMIZERS = {
    name: type(f"Scaled{base.__name__}", (_ScaledLearningRate, base), {}) for name, base in OPTIMIZERS.items()
}
