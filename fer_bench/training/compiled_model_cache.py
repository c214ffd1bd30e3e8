"""Reuse of a compiled model: consecutive trials of the same shape are traced once.

Tracing takes seconds, a fifth of a fold of a small dataset. One model is cached, on TensorFlow only: JAX has its own
cache of compiled programs (see `jax_backend.enable_compilation_cache`), and Torch compiles nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from fer_bench.training.optimizer import assign_values


@dataclass
class _CachedModel:
    key: str
    model: keras.Model
    optimizer: list[np.ndarray] | None = None  # its variables before the first step, once the model is compiled


_last: list[_CachedModel] = []  # at most one


def get_model(key: str | None, build: Callable[[], keras.Model]) -> keras.Model:
    """Return a model with the weights and random states of `build()`, already traced if the key is cached.

    Args:
        key: Everything that determines the traced graph: architecture and source, recipe, shapes, classes. None
            caches nothing.
        build: Builds the model.
    """
    if key is None or keras.backend.backend() != "tensorflow":
        clear()
        return build()
    if not _last or _last[0].key != key:
        clear()
        _last.append(_CachedModel(key, build()))
        return _last[0].model
    model = _last[0].model
    assign_values(model.variables, build().variables)
    return model


def restore_optimizer(model: keras.Model) -> bool:
    """Reset the optimizer of a cached model to its state before the first step.

    Returns:
        Whether an earlier trial compiled the model; otherwise the caller has to.
    """
    cached = _find(model)
    if cached is None or cached.optimizer is None:
        return False
    assign_values(model.optimizer.variables, cached.optimizer)
    return True


def store_optimizer(model: keras.Model) -> None:
    """Store the initial state of the optimizer of a model that has just been compiled."""
    if cached := _find(model):
        model.optimizer.build(model.trainable_variables)
        cached.optimizer = [variable.numpy() for variable in model.optimizer.variables]


def clear() -> None:
    """Drop the cached model and free its memory."""
    _last.clear()
    gc.collect()


def _find(model: keras.Model) -> _CachedModel | None:
    return _last[0] if _last and _last[0].model is model else None
