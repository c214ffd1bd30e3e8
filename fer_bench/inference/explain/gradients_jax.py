"""Gradients on the JAX backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def value_and_gradient(function: Callable[[Any], tuple[Any, Any]], at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what a function returns beside its value, and the gradient of its value.

    Args:
        function: Maps an array to a scalar and another array.
        at: The argument.
    """
    (_, other), gradient = jax.value_and_grad(function, has_aux=True)(at)
    return np.asarray(other), np.asarray(gradient)
