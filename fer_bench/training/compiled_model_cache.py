"""Trials of one shape are traced once: the next one takes the compiled model of the last, with weights of its own.

Tracing takes seconds, of a fold of a small dataset a fifth of all. One model is kept. On JAX and Torch none is: one
finds its programs again by itself (see `jax.keep_programs`), the other compiles nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np


@dataclass
class _CachedModel:
    key: str
    model: keras.Model
    optimizer: list[np.ndarray] | None = None  # its variables before the first step, once it is compiled


_last: list[_CachedModel] = []  # one at most


def get_model(key: str | None, build: Callable[[], keras.Model]) -> keras.Model:
    """A model as `build` makes it, with its initial weights and random states; traced already where the key is known.

    key: all that decides what is traced: architecture and its source, recipe, shapes, classes. None: nothing is kept.
    """
    if key is None or keras.backend.backend() != "tensorflow":
        clear()
        return build()
    if not _last or _last[0].key != key:
        clear()
        _last.append(_CachedModel(key, build()))
        return _last[0].model
    model = _last[0].model
    for ours, new in zip(model.variables, build().variables, strict=True):
        ours.assign(new)
    return model


def restore_optimizer(model: keras.Model) -> bool:
    """Whether the model was compiled by an earlier trial; its optimizer is then as it was before the first step."""
    kept = _find(model)
    if kept is None or kept.optimizer is None:
        return False
    for variable, value in zip(model.optimizer.variables, kept.optimizer, strict=True):
        variable.assign(value)
    return True


def store_optimizer(model: keras.Model) -> None:
    """Remember how the optimizer of a model that has just been compiled begins."""
    if kept := _find(model):
        model.optimizer.build(model.trainable_variables)
        kept.optimizer = [variable.numpy() for variable in model.optimizer.variables]


def clear() -> None:
    """Keep no model: the next trial's memory is its own."""
    _last.clear()
    gc.collect()


def _find(model: keras.Model) -> _CachedModel | None:
    return _last[0] if _last and _last[0].model is model else None
