"""Grad-CAM: which places of its last feature map make a network say a class; Selvaraju et al., ICCV 2017."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import MethodType
from typing import Any

import keras
import numpy as np
from keras import layers, ops

BACKENDS = ("tensorflow", "jax")
MIN_SIDE = 5  # of the feature map in places: smaller maps of networks for large images say little about a small face
BATCH_SIZE = 32
CONVOLUTIONS = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D)


def find_feature_map(model: keras.Model) -> layers.Layer | None:
    """Return the layer with the last feature map of a network with convolutions.

    It is the last one of at least MIN_SIDE×MIN_SIDE places, or else the largest. Return None for a network without
    convolutions, and on a backend without gradients here.
    """
    if keras.backend.backend() not in BACKENDS:
        return None
    found: list[tuple[int, layers.Layer]] = []
    convolved = False
    for layer in _layers_in_order(model):
        convolved = convolved or isinstance(layer, CONVOLUTIONS)
        if convolved and (side := _side(layer)) > 1:
            found.append((side, layer))
    large = [layer for side, layer in found if side >= MIN_SIDE]
    if large:
        return large[-1]
    return max(reversed(found), key=lambda pair: pair[0])[1] if found else None


def to_logits_model(model: keras.Model) -> keras.Model:
    """Return a model from one tensor to one tensor without a last softmax: its gradients vanish where it is certain.

    The activation of the given model's last layer may change.
    """
    last, output = model.layers[-1], model.outputs[0]
    if getattr(last, "activation", None) is keras.activations.softmax:
        last.activation = keras.activations.linear
    elif isinstance(last, layers.Softmax):
        output = last.input
    return keras.Model(model.inputs[0], output)


def grad_cam(model: keras.Model, batch: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Return heat maps (images, rows, columns) float32, not negative, of the size of the feature map.

    Args:
        model: A network with convolutions.
        batch: The images as the model takes them, (images, height, width, channels) float32.
        outputs: The output to explain for each image, (images,) int.
    """
    layer = find_feature_map(model)
    assert layer is not None
    starts = range(0, len(batch), BATCH_SIZE)
    return np.concatenate([_cam(model, layer, batch[i : i + BATCH_SIZE], outputs[i : i + BATCH_SIZE]) for i in starts])


def _cam(model: keras.Model, layer: layers.Layer, batch: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    shape = (len(batch), *_output_shape(layer)[1:])
    original = layer.call
    state: dict[str, Any] = {}

    def call(self: layers.Layer, *args: Any, **kwargs: Any) -> Any:
        feature_map = original(*args, **kwargs)
        state["map"] = feature_map + ops.cast(state["shift"], feature_map.dtype)
        return state["map"]

    def score(shift: Any) -> tuple[Any, Any]:
        state["shift"] = shift
        logits = ops.cast(model(batch, training=False), "float32")
        chosen = ops.one_hot(outputs, logits.shape[-1], dtype="float32")
        return ops.sum(logits * chosen), ops.cast(state["map"], "float32")

    layer.call = MethodType(call, layer)
    try:
        feature_map, gradient = _value_and_gradient()(score, np.zeros(shape, np.float32))
    finally:
        del layer.call
    weights = gradient.mean(axis=(1, 2), keepdims=True)
    return np.maximum((weights * feature_map).sum(axis=-1), 0).astype(np.float32)


def _value_and_gradient() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    if keras.backend.backend() == "jax":
        from fer_bench.inference.explain import gradients_jax

        return gradients_jax.value_and_gradient
    from fer_bench.inference.explain import gradients_tensorflow

    return gradients_tensorflow.value_and_gradient


def _layers_in_order(model: keras.Model) -> Iterator[layers.Layer]:
    """Yield the layers of a model and of the models in it, in the order of the computation."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _layers_in_order(layer)
        else:
            yield layer


def _side(layer: layers.Layer) -> int:
    """Return the smaller side of a layer's feature map; 0 if its output is something else."""
    shape = _output_shape(layer)
    return min(shape[1:3]) if len(shape) == 4 and None not in shape[1:] else 0


def _output_shape(layer: layers.Layer) -> tuple[Any, ...]:
    try:
        return tuple(layer.output.shape)
    except (AttributeError, ValueError):  # several outputs, or called more than once
        return ()
