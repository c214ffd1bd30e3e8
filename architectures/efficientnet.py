"""EfficientNet of keras.applications, with its own normalisation inside the network."""

import math

import keras
from keras import layers

from architectures.layers import (
    IMAGENET_DEVIATIONS,
    IMAGENET_MEANS,
    backbone,
    insert_layers,
    pooled_classifier,
)
from fer_bench.registry.architectures import register_architecture


@register_architecture(
    "efficientnet_b0",
    family="efficientnet",
    weights="imagenet",
    paper="Tan & Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, ICML 2019",
    input_sizes=(32, 48, 96, 224),
    num_parameters=4_063_658,
    reference_images_per_second=270,
    recipe={"epochs": 20},
)
def efficientnet_b0(inputs, recipe):
    """EfficientNet-B0, global average pooling, one dense layer. Tan & Le, ICML 2019."""
    return pooled_classifier(backbone(_efficientnet_b0, "own", inputs, recipe), recipe)


def _efficientnet_b0(weights, **options):
    """EfficientNet-B0 with the last part of its normalisation, which Keras adds for weights that it downloads alone.

    Its weights file holds the channels' deviations in place of their variances, so that Keras divides by the root of
    the deviation a second time. Without a file, Keras' normalisation does nothing: all of it is done here.
    """
    if weights:
        scale, offset = [1 / math.sqrt(deviation) for deviation in IMAGENET_DEVIATIONS], 0.0
    else:
        scale = [1 / deviation for deviation in IMAGENET_DEVIATIONS]
        offset = [-mean / deviation for mean, deviation in zip(IMAGENET_MEANS, IMAGENET_DEVIATIONS, strict=True)]

    def deviation(layer):
        if isinstance(layer, layers.Normalization):
            return layers.Rescaling(scale, offset=offset, name="deviation")
        return None

    return insert_layers(keras.applications.EfficientNetB0(weights=weights, **options), deviation)
