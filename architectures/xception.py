"""The two small Xceptions of face_classification, as published."""

from keras import layers

from architectures.layers import MOMENTUM, scaled
from fer_bench.registry.architectures import register_architecture


@register_architecture(
    "mini_xception",
    family="xception",
    paper="Arriaga, Valdenegro-Toro & Plöger, Real-time Convolutional Neural Networks for Emotion and Gender "
    "Classification, 2017",
    input_sizes=(32, 48, 64),
    num_parameters=58_423,
    reference_images_per_second=950,
    recipe={"input_size": 64, "dropout": 0.0, "optimizer": {"learning_rate": 0.005}},
)
def mini_xception(inputs, recipe):
    """Two convolutions, four modules of separable convolutions beside a shortcut. Arriaga et al., 2017.

    Ours: logits before the softmax, batch normalisation that follows the weights faster, and dropout where a recipe
    asks for it. The published one is trained with an L2 penalty of 0.01 on all kernels but the shortcuts' and the last.
    """
    x = layers.ReLU()(_convolution(scaled(inputs, recipe), 8))
    x = layers.ReLU()(_convolution(x, 8))
    for filters in (16, 32, 64, 128):
        x = _module(x, filters)
    return _pooled_logits(x, recipe)


@register_architecture(
    "big_xception",
    family="xception",
    paper="Arriaga, Valdenegro-Toro & Plöger, Real-time Convolutional Neural Networks for Emotion and Gender "
    "Classification, 2017",
    input_sizes=(32, 48, 64),
    num_parameters=208_871,
    reference_images_per_second=460,
    recipe={"input_size": 64, "dropout": 0.0, "optimizer": {"learning_rate": 0.005}},
)
def big_xception(inputs, recipe):
    """Two convolutions, two modules of separable convolutions, wider than mini_xception's. Arriaga et al., 2017."""
    x = layers.ReLU()(_convolution(scaled(inputs, recipe), 32, stride=2))
    x = layers.ReLU()(_convolution(x, 64))
    x = _module(x, 128)
    # Its second module begins with an activation, its shortcut with none.
    return _pooled_logits(_module(x, 256, activated=True), recipe)


def _module(x, filters, activated=False):
    # Published as a convolution of stride 2: the same function, but its gradient in oneDNN for 8 channels in batches of
    # 64 writes beyond its memory (TensorFlow 2.21 on CPUs) and ends the process.
    shortcut = layers.AveragePooling2D(1, strides=2)(x)
    shortcut = layers.Conv2D(filters, 1, use_bias=False)(shortcut)
    shortcut = layers.BatchNormalization(momentum=MOMENTUM)(shortcut)
    if activated:
        x = layers.ReLU()(x)
    x = layers.ReLU()(_separable(x, filters))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(_separable(x, filters))
    return layers.Add()([x, shortcut])


def _convolution(x, filters, stride=1):
    x = layers.Conv2D(filters, 3, strides=stride, use_bias=False)(x)
    return layers.BatchNormalization(momentum=MOMENTUM)(x)


def _separable(x, filters):
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(momentum=MOMENTUM)(x)


def _pooled_logits(x, recipe):
    """A convolution to one map a class, and their means: no dense layer."""
    if recipe.dropout:
        x = layers.Dropout(recipe.dropout)(x)
    x = layers.Conv2D(recipe.classes, 3, padding="same", dtype="float32")(x)
    return layers.GlobalAveragePooling2D(dtype="float32", name="logits")(x)
