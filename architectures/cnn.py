"""Our own convolutional networks, and one of student projects; all start from random weights."""

from keras import layers

from fer_bench import register_architecture
from fer_bench.layers import (
    SqueezeExcitation,
    classification_head,
    conv_block,
    conv_bn_relu,
    pooled_head,
    rescale_input,
    residual_block,
    rows_to_sequence,
)


@register_architecture(
    "cnn_small",
    family="cnn",
    input_sizes=(24, 32, 48, 64),
    num_parameters=316_647,
    reference_images_per_second={32: 1200, 48: 550},
    recipe={"dropout": 0.2},
)
def cnn_small(inputs, recipe):
    """Four 3×3 convolutions of 32 to 192 filters with batch normalization, global average pooling. Ours."""
    x = rescale_input(inputs, recipe)
    for filters in (32, 64, 128, 192):
        x = conv_block(x, filters)
    return pooled_head(x, recipe)


@register_architecture(
    "cnn",
    family="cnn",
    input_sizes=(24, 32, 48, 64),
    num_parameters=1_167_015,
    reference_images_per_second={32: 460, 48: 230},
    recipe={"dropout": 0.4, "label_smoothing": 0.05},
)
def cnn(inputs, recipe):
    """Seven 3×3 convolutions of 32 to 256 filters with batch normalization, global average pooling. Ours.

    Only one convolution works at full resolution: another one would take a quarter of the training time.
    """
    x = conv_block(rescale_input(inputs, recipe), 32)
    for filters in (64, 128, 256):
        x = conv_block(x, filters, convolutions=2)
    return pooled_head(x, recipe)


@register_architecture(
    "cnn_fast",
    family="cnn",
    input_sizes=(32, 46, 48, 64),
    num_parameters=397_639,
    reference_images_per_second={32: 2800, 48: 2000},
    recipe={"dropout": 0.2},
)
def cnn_fast(inputs, recipe):
    """Seven convolutions of 24 to 160 filters, the first one 4×4 with a stride of 2, for short runs. Ours.

    After the stride and the first pooling, a sixteenth of the positions is left. In the same training time, 48 pixels
    here give better models than 24 pixels without the stride, narrow layers for more epochs better ones than wide
    layers for fewer, and the mean over the last 3×3 positions a better one than their maximum.
    """
    x = conv_bn_relu(rescale_input(inputs, recipe), 24, kernel_size=4, stride=2)
    for filters in (32, 64, 160):
        x = layers.MaxPooling2D(padding="same")(x)  # rounds up: 46 pixels become 23, 12, 6 and 3
        for _ in range(2):
            x = conv_bn_relu(x, filters)
    return pooled_head(x, recipe)


@register_architecture(
    "cnn_deep",
    family="cnn",
    paper="Hu et al., Squeeze-and-Excitation Networks, CVPR 2018",
    input_sizes=(24, 32, 48, 64),
    num_parameters=4_986_201,
    reference_images_per_second={32: 260, 48: 140},
    recipe={"epochs": 40, "dropout": 0.4, "label_smoothing": 0.05},
)
def cnn_deep(inputs, recipe):
    """Seventeen convolutions: residual blocks of 48 to 320 filters with squeeze-and-excitation. Hu et al., CVPR 2018.

    Ours: one convolution at full resolution, then four stages of two blocks, and global average pooling.
    """
    x = conv_block(rescale_input(inputs, recipe), 32)
    for stage, filters in enumerate((48, 96, 192, 320)):
        x = residual_block(x, filters, stride=1 if stage == 0 else 2, gate=SqueezeExcitation())
        x = residual_block(x, filters, gate=SqueezeExcitation())
    return pooled_head(x, recipe)


@register_architecture(
    "cnn_rnn",
    family="cnn",
    paper="LeCun et al., 1998; Hochreiter & Schmidhuber, Long Short-Term Memory, Neural Computation 1997",
    input_sizes=(32, 48, 64),
    weights_depend_on_size=True,
    num_parameters=610_567,
    reference_images_per_second={32: 1600, 48: 850},
)
def cnn_rnn(inputs, recipe):
    """Two convolutions of 32 and 64 filters with max pooling, two LSTM layers of 128 units, as in student projects.

    Ours: He initialization, and the sequence is the rows of the feature map from top to bottom.
    """
    x = rescale_input(inputs, recipe)
    for filters in (32, 64):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.LSTM(128, return_sequences=True)(rows_to_sequence(x))
    x = layers.LSTM(128)(layers.Dropout(recipe.dropout)(x))
    return classification_head(x, recipe)
