"""Networks for image sequences: the same convolutions for every frame, then a recurrent layer over time."""

from keras import layers, ops

from fer_bench import register_architecture
from fer_bench.layers import BATCH_NORM_MOMENTUM, AttentionPooling, classification_head, conv_block, rescale_input


@register_architecture(
    "sequence_lstm",
    family="sequence",
    input_kind="sequences",
    paper="Donahue et al., Long-term Recurrent Convolutional Networks for Visual Recognition, CVPR 2015",
    input_sizes=(32, 48, 64),
    num_parameters=481_319,
    reference_images_per_second={48: 81},
    recipe={"batch_size": 16},
)
def sequence_lstm(inputs, recipe):
    """The convolutions of cnn_small for every frame, an LSTM over time. After Donahue et al., CVPR 2015."""
    return classification_head(layers.LSTM(128)(_frame_features(inputs, recipe)), recipe)


@register_architecture(
    "sequence_gru",
    family="sequence",
    input_kind="sequences",
    paper="Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014",
    input_sizes=(32, 48, 64),
    num_parameters=440_615,
    reference_images_per_second={48: 82},
    recipe={"batch_size": 16},
)
def sequence_gru(inputs, recipe):
    """The convolutions of cnn_small for every frame, a GRU over time. Cho et al., EMNLP 2014."""
    return classification_head(layers.GRU(128)(_frame_features(inputs, recipe)), recipe)


@register_architecture(
    "sequence_lstm_attention",
    family="sequence",
    input_kind="sequences",
    paper="Bahdanau et al., Neural Machine Translation by Jointly Learning to Align and Translate, ICLR 2015",
    input_sizes=(32, 48, 64),
    num_parameters=489_639,
    reference_images_per_second={48: 83},
    recipe={"batch_size": 16},
)
def sequence_lstm_attention(inputs, recipe):
    """sequence_lstm with attention over all outputs of the LSTM instead of the last one. Ours."""
    sequence = layers.LSTM(128, return_sequences=True)(_frame_features(inputs, recipe))
    return classification_head(AttentionPooling()(sequence), recipe)


def _frame_features(inputs, recipe):
    """Return batch-normalized features (batch, time, 192) of raw gray pixels (batch, time, height, width, 1).

    The frames are moved to the batch axis: a layer that loops over time takes several times as long.
    """
    _, time, height, width, channels = inputs.shape
    x = rescale_input(ops.reshape(inputs, (-1, height, width, channels)), recipe)
    for filters in (32, 64, 128, 192):
        x = conv_block(x, filters)
    # The means of feature maps after a ReLU are close to each other. Normalized, they differ enough for an LSTM.
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(layers.GlobalAveragePooling2D()(x))
    return ops.reshape(x, (-1, time, x.shape[-1]))
