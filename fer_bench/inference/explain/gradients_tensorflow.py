"""Gradients on the TensorFlow backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf


def value_and_gradient(function: Callable[[Any], tuple[Any, Any]], at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what a function returns beside its value, and the gradient of its value.

    Args:
        function: Maps an array to a scalar and another array.
        at: The argument.
    """
    point = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(point)
        value, other = function(point)
    return np.asarray(other), np.asarray(tape.gradient(value, point))
