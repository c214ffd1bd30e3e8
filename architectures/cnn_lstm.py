"""Convolutions, then a recurrent layer over the rows of the feature map."""

from keras import layers

from fer_bench import register_architecture
from fer_bench.layers import (
    AttentionPooling,
    SpatialAttention,
    classification_head,
    conv_block,
    rescale_input,
    rows_to_sequence,
)


@register_architecture(
    "cnn_lstm",
    family="cnn-lstm",
    paper="Hochreiter & Schmidhuber, Long Short-Term Memory, Neural Computation 1997",
    input_sizes=(32, 48, 64),
    weights_depend_on_size=True,
    num_parameters=553_511,
    reference_images_per_second={32: 1400, 48: 680},
)
def cnn_lstm(inputs, recipe):
    """Three convolution blocks of 32 to 128 filters; the rows of their feature map as a sequence for an LSTM. Ours."""
    feature_map = _feature_map(inputs, recipe)
    x = layers.LSTM(128)(rows_to_sequence(feature_map))
    return classification_head(x, recipe)


@register_architecture(
    "cnn_gru",
    family="cnn-lstm",
    paper="Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014",
    input_sizes=(32, 48, 64),
    weights_depend_on_size=True,
    num_parameters=439_079,
    reference_images_per_second={32: 1400, 48: 690},
)
def cnn_gru(inputs, recipe):
    """The convolutions of cnn_lstm; the rows of their feature map as a sequence for a GRU. Cho et al., EMNLP 2014."""
    x = layers.GRU(128)(rows_to_sequence(_feature_map(inputs, recipe)))
    return classification_head(x, recipe)


@register_architecture(
    "cnn_bilstm",
    family="cnn-lstm",
    paper="Schuster & Paliwal, Bidirectional Recurrent Neural Networks, IEEE Transactions on Signal Processing 1997",
    input_sizes=(32, 48, 64),
    weights_depend_on_size=True,
    num_parameters=1_013_671,
    reference_images_per_second={32: 1300, 48: 590},
)
def cnn_bilstm(inputs, recipe):
    """The convolutions of cnn_lstm; LSTMs down and up the rows. Schuster & Paliwal, IEEE TSP 1997."""
    x = layers.Bidirectional(layers.LSTM(128))(rows_to_sequence(_feature_map(inputs, recipe)))
    return classification_head(x, recipe)


@register_architecture(
    "cnn_lstm_attention",
    family="cnn-lstm",
    paper="Bahdanau et al., Neural Machine Translation by Jointly Learning to Align and Translate, ICLR 2015",
    input_sizes=(32, 48, 64),
    weights_depend_on_size=True,
    num_parameters=561_930,
    reference_images_per_second={32: 1400, 48: 670},
)
def cnn_lstm_attention(inputs, recipe):
    """cnn_lstm with spatial attention on its feature map and attention over the LSTM's outputs. Ours."""
    sequence = rows_to_sequence(SpatialAttention()(_feature_map(inputs, recipe)))
    sequence = layers.LSTM(128, return_sequences=True)(sequence)
    return classification_head(AttentionPooling()(sequence), recipe)


def _feature_map(inputs, recipe):
    x = rescale_input(inputs, recipe)
    for filters in (32, 64, 128):
        x = conv_block(x, filters)
    return x
