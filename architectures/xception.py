"""The two small Xception networks of the face_classification repository, as published."""

from keras import layers

from fer_bench import register_architecture
from fer_bench.layers import BATCH_NORM_MOMENTUM, rescale_input


@register_architecture(
    "mini_xception",
    family="xception",
    paper="Arriaga, Valdenegro-Toro & Plöger, Real-time Convolutional Neural Networks for Emotion and Gender "
    "Classification, 2017",
    input_sizes=(24, 32, 48, 64),
    num_parameters=58_423,
    reference_images_per_second={32: 1100, 48: 640},
    recipe={"input_size": 64, "dropout": 0.0, "optimizer": {"learning_rate": 0.005}},
)
def mini_xception(inputs, recipe):
    """Two convolutions, four blocks of separable convolutions with a shortcut. Arriaga et al., 2017.

    Ours: logits instead of the softmax, a smaller batch normalization momentum, and dropout if the recipe sets it. The
    published network is trained with an L2 penalty of 0.01 on all kernels except the shortcuts' and the last.
    """
    x = layers.ReLU()(_conv_bn(rescale_input(inputs, recipe), 8))
    x = layers.ReLU()(_conv_bn(x, 8))
    for filters in (16, 32, 64, 128):
        x = _xception_block(x, filters)
    return _convolutional_head(x, recipe)


@register_architecture(
    "big_xception",
    family="xception",
    paper="Arriaga, Valdenegro-Toro & Plöger, Real-time Convolutional Neural Networks for Emotion and Gender "
    "Classification, 2017",
    input_sizes=(24, 32, 48, 64),
    num_parameters=208_871,
    reference_images_per_second={32: 450, 48: 190},
    recipe={"input_size": 64, "dropout": 0.0, "optimizer": {"learning_rate": 0.005}},
)
def big_xception(inputs, recipe):
    """Two convolutions, two blocks of separable convolutions, wider than in mini_xception. Arriaga et al., 2017."""
    x = layers.ReLU()(_conv_bn(rescale_input(inputs, recipe), 32, stride=2))
    x = layers.ReLU()(_conv_bn(x, 64))
    x = _xception_block(x, 128)
    return _convolutional_head(_xception_block(x, 256, leading_relu=True), recipe)


def _xception_block(x, filters, leading_relu=False):
    """Apply two separable convolutions and max pooling, with a shortcut; in one published block a ReLU comes first."""
    # The published shortcut is one convolution of stride 2, which computes the same. Its gradient crashes oneDNN
    # (TensorFlow 2.21 on CPU, 8 channels, batches of 64).
    shortcut = layers.AveragePooling2D(1, strides=2)(x)
    shortcut = layers.Conv2D(filters, 1, use_bias=False)(shortcut)
    shortcut = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(shortcut)
    if leading_relu:
        x = layers.ReLU()(x)
    x = layers.ReLU()(_separable_conv_bn(x, filters))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(_separable_conv_bn(x, filters))
    return layers.Add()([x, shortcut])


def _conv_bn(x, filters, stride=1):
    x = layers.Conv2D(filters, 3, strides=stride, use_bias=False)(x)
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)


def _separable_conv_bn(x, filters):
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x)


def _convolutional_head(x, recipe):
    """Apply a convolution to one map per class and global average pooling, without a dense layer."""
    if recipe.dropout:
        x = layers.Dropout(recipe.dropout)(x)
    x = layers.Conv2D(recipe.classes, 3, padding="same", dtype="float32")(x)
    return layers.GlobalAveragePooling2D(dtype="float32", name="logits")(x)
