"""Reuse of compiled models: consecutive trials of the same shape are traced once.

Tracing takes seconds, a fifth of a fold of a small dataset. The models of one recipe are cached, one per input size, on
TensorFlow only: JAX has its own cache of compiled programs (see `jax_backend.enable_compilation_cache`), and Torch
compiles nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import keras
import numpy as np

from fer_bench.training.optimizer import assign_values


@dataclass
class _CachedModels:
    key: str
    models: dict[int, keras.Model]
    # The variables of a model's optimizer before the first step, by the model's id, once the model is compiled.
    optimizers: dict[int, list[np.ndarray]] = field(default_factory=dict)


_last: list[_CachedModels] = []  # at most one


def get_models(key: str | None, build: Callable[[int], keras.Model], sizes: Sequence[int]) -> dict[int, keras.Model]:
    """Return one model per input size, already traced if the key is cached.

    The first model has the weights and random states of `build(sizes[0])`; those of the others are undefined.

    Args:
        key: Everything that determines the traced graphs: architecture and source, recipe, shapes, classes. None
            caches nothing.
        build: Builds the model of an input size.
        sizes: The input sizes.
    """
    if key is None or keras.backend.backend() != "tensorflow":
        clear()
        return {size: build(size) for size in sizes}
    if not _last or _last[0].key != key:
        clear()
        _last.append(_CachedModels(key, {size: build(size) for size in sizes}))
    else:
        assign_values(_last[0].models[sizes[0]].variables, build(sizes[0]).variables)
    return dict(_last[0].models)


def restore_optimizer(model: keras.Model) -> bool:
    """Reset the optimizer of a cached model to its state before the first step.

    Returns:
        Whether an earlier trial compiled the model; otherwise the caller has to.
    """
    cached = _find(model)
    if cached is None or id(model) not in cached.optimizers:
        return False
    assign_values(model.optimizer.variables, cached.optimizers[id(model)])
    return True


def store_optimizer(model: keras.Model) -> None:
    """Store the initial state of the optimizer of a model that has just been compiled."""
    if cached := _find(model):
        model.optimizer.build(model.trainable_variables)
        cached.optimizers[id(model)] = [variable.numpy() for variable in model.optimizer.variables]


def clear() -> None:
    """Drop the cached models and free their memory."""
    _last.clear()
    gc.collect()


def _find(model: keras.Model) -> _CachedModels | None:
    return next((cached for cached in _last if any(model is known for known in cached.models.values())), None)
