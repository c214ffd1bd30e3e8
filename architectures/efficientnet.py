"""EfficientNet of keras.applications."""

import math

import keras
from keras import layers

from fer_bench import register_architecture
from fer_bench.layers import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    insert_layers,
    keras_backbone,
    pooled_head,
)


@register_architecture(
    "efficientnet_b0",
    family="efficientnet",
    weights="imagenet",
    paper="Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019",
    input_sizes=(32, 48, 96, 224),
    num_parameters=4_063_658,
    reference_images_per_second={32: 230, 48: 170},
    recipe={"epochs": 20},
)
def efficientnet_b0(inputs, recipe):
    """EfficientNet-B0, global average pooling, one dense layer. Tan & Le, ICML 2019."""
    return pooled_head(keras_backbone(_efficientnet_b0, "own", inputs, recipe), recipe)


def _efficientnet_b0(weights, **options):
    """Return EfficientNet-B0 with a complete input normalization.

    The weights file stores the standard deviations of the channels where Keras expects variances, so the network
    divides by the square root of the deviation. For weights that Keras downloads itself, Keras adds a second division,
    but not for weights from a file: it is added here. Without weights the network does not normalize at all, and this
    function adds the whole normalization.
    """
    if weights:
        scale = [1 / math.sqrt(std) for std in IMAGENET_STD]
        offset = [0.0] * len(scale)
    else:
        scale = [1 / std for std in IMAGENET_STD]
        offset = [-mean / std for mean, std in zip(IMAGENET_MEAN, IMAGENET_STD, strict=True)]

    def complete_normalization(layer):
        if isinstance(layer, layers.Normalization):
            return layers.Rescaling(scale, offset=offset, name="deviation")
        return None

    return insert_layers(keras.applications.EfficientNetB0(weights=weights, **options), complete_normalization)
