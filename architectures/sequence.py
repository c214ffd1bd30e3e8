"""Image sequences: one small convolutional network for every frame, then a recurrent layer over time."""

from keras import layers, ops

from architectures.layers import MOMENTUM, AttentionPooling, classifier, conv_block, scaled
from fer_bench.registry.architectures import register_architecture


@register_architecture(
    "sequence_lstm",
    family="sequence",
    input_kind="sequences",
    paper="Donahue et al., Long-term Recurrent Convolutional Networks for Visual Recognition, CVPR 2015",
    input_sizes=(32, 48, 64),
    num_parameters=481_319,
    reference_images_per_second=79,
    recipe={"batch_size": 16},
)
def sequence_lstm(inputs, recipe):
    """The convolutions of cnn_small for every frame, an LSTM over time. After Donahue et al., CVPR 2015."""
    return classifier(layers.LSTM(128)(_frame_features(inputs, recipe)), recipe)


@register_architecture(
    "sequence_gru",
    family="sequence",
    input_kind="sequences",
    paper="Cho et al., Learning Phrase Representations using RNN Encoder-Decoder, EMNLP 2014",
    input_sizes=(32, 48, 64),
    num_parameters=440_615,
    reference_images_per_second=79,
    recipe={"batch_size": 16},
)
def sequence_gru(inputs, recipe):
    """The convolutions of cnn_small for every frame, a GRU over time. Cho et al., EMNLP 2014."""
    return classifier(layers.GRU(128)(_frame_features(inputs, recipe)), recipe)


@register_architecture(
    "sequence_lstm_attention",
    family="sequence",
    input_kind="sequences",
    paper="Bahdanau et al., Neural Machine Translation by Jointly Learning to Align and Translate, ICLR 2015",
    input_sizes=(32, 48, 64),
    num_parameters=489_639,
    reference_images_per_second=79,
    recipe={"batch_size": 16},
)
def sequence_lstm_attention(inputs, recipe):
    """sequence_lstm with attention over the LSTM's outputs, in place of its last one. Ours."""
    sequence = layers.LSTM(128, return_sequences=True)(_frame_features(inputs, recipe))
    return classifier(AttentionPooling()(sequence), recipe)


def _frame_features(inputs, recipe):
    """Raw grey pixels (batch, time, height, width, 1) to features (batch, time, 192), batch-normalised.

    Frames stand side by side in the batch: a layer that loops over time takes several times as long.
    """
    _, time, height, width, channels = inputs.shape
    x = scaled(ops.reshape(inputs, (-1, height, width, channels)), recipe)
    for filters in (32, 64, 128, 192):
        x = conv_block(x, filters)
    # Means of rectified maps lie close together: normalised, they differ enough for the recurrent layer.
    x = layers.BatchNormalization(momentum=MOMENTUM)(layers.GlobalAveragePooling2D()(x))
    return ops.reshape(x, (-1, time, x.shape[-1]))
