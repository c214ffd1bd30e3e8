"""Convolutions, then a recurrent layer over the feature map."""

from keras import layers

from architectures.layers import classifier, conv_block, rows, scaled
from fer_bench.architecture import register_architecture


@register_architecture(
    "cnn_lstm",
    family="cnn-lstm",
    paper="Hochreiter & Schmidhuber, Long Short-Term Memory, Neural Computation 1997",
    reference_speed=570,
)
def cnn_lstm(inputs, recipe):
    """Three convolution blocks of 32 to 128 filters; the rows of their feature map as a sequence for an LSTM. Ours."""
    x = scaled(inputs, recipe)
    for filters in (32, 64, 128):
        x = conv_block(x, filters)
    x = layers.LSTM(128)(rows(x))
    return classifier(x, recipe)
