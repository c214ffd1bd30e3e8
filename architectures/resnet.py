"""ResNet50 of keras.applications, alone and with an LSTM over its feature map."""

import keras
from keras import layers

from architectures.layers import (
    AttentionPooling,
    SpatialAttention,
    backbone,
    classifier,
    pooled_classifier,
    positions,
)
from fer_bench.architecture import register_architecture


@register_architecture(
    "resnet50",
    family="resnet",
    weights="imagenet",
    paper="He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
    reference_speed=103,
    recipe={"epochs": 15, "optimizer": {"learning_rate": 3e-4}},
)
def resnet50(inputs, recipe):
    """ResNet50, global average pooling, one dense layer. He et al., CVPR 2016."""
    return pooled_classifier(backbone(keras.applications.ResNet50, "caffe", inputs, recipe), recipe)


@register_architecture(
    "resnet50_lstm_attention",
    family="resnet-lstm",
    weights="imagenet",
    backbone="resnet50",
    paper="He et al., CVPR 2016; Hochreiter & Schmidhuber, Long Short-Term Memory, Neural Computation 1997",
    reference_speed=88,
    recipe={"epochs": 15, "optimizer": {"learning_rate": 3e-4}},
)
def resnet50_lstm_attention(inputs, recipe):
    """ResNet50 with spatial attention on its feature map, an LSTM over the positions, attention over its outputs.

    The positions of the feature map are read in reading order: 2×2 at 48 pixels, 7×7 at 224.
    """
    feature_map = backbone(keras.applications.ResNet50, "caffe", inputs, recipe)
    sequence = positions(SpatialAttention()(feature_map))
    sequence = layers.LSTM(256, return_sequences=True)(sequence)
    return classifier(AttentionPooling()(sequence), recipe)
