"""The weights of a trained model as initial weights of another model of the same architecture."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers

from fer_bench.core.errors import UserError


def load_pretrained(model: keras.Model, file: Path) -> None:
    """Copy the weights of a trained model, layer by layer in their order, except those of the classifier.

    The classifier is the last layer with weights. It keeps its new weights, also if the number of classes is the same.

    Args:
        model: The model to initialize.
        file: A .keras file of a model of the same architecture.

    Raises:
        UserError: The file cannot be read, or its model has other layers, other shapes or another input scaling.
    """
    try:
        source = keras.models.load_model(file, compile=False)
    except Exception as error:  # Keras raises almost any type for a damaged file
        reason = str(error).strip().partition("\n")[0]
        raise UserError(f"The pretrained model {file} cannot be read: {type(error).__name__}: {reason}") from None
    ours, theirs = _layers(model), _layers(source)
    if [type(layer) for layer in ours] != [type(layer) for layer in theirs]:
        raise UserError(f"The pretrained model {file} has other layers than '{model.name}': train it anew.")
    last = max((number for number, layer in enumerate(ours) if layer.weights), default=0)
    for own, trained in zip(ours[:last], theirs[:last], strict=True):
        _copy(own, trained, model.name)


def _layers(model: keras.Model) -> list[layers.Layer]:
    """Return all layers in their order, and those of nested models instead of these."""
    flat: list[layers.Layer] = []
    for layer in model.layers:
        flat.extend(_layers(layer) if isinstance(layer, keras.Model) else [layer])
    return flat


def _copy(own: layers.Layer, trained: layers.Layer, model: str) -> None:
    shapes = [[tuple(weight.shape) for weight in layer.weights] for layer in (own, trained)]
    if shapes[0] != shapes[1]:
        raise UserError(
            f"The weights of the layer '{own.name}' of '{model}' have the shapes {shapes[0]} here and {shapes[1]} in "
            "pretraining: use one input_size, crop and image size for both."
        )
    if isinstance(own, layers.Rescaling) and not (
        np.allclose(own.scale, trained.scale) and np.allclose(own.offset, trained.offset)
    ):
        raise UserError(
            f"The pretrained model scales pixels differently from '{model}' here: set initial_weights to what it was "
            "trained from, imagenet or random."
        )
    own.set_weights(trained.get_weights())
    if isinstance(own, layers.Normalization):
        own.finalize_state()  # recomputes what it derives from its weights
