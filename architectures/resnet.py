"""ResNet18 for small images, and ResNet50 of keras.applications: alone, with attention, and with an LSTM."""

import keras
from keras import layers

from fer_bench import register_architecture
from fer_bench.layers import (
    BATCH_NORM_MOMENTUM,
    CBAM,
    AttentionPooling,
    SpatialAttention,
    classification_head,
    insert_layers,
    keras_backbone,
    pooled_head,
    positions_to_sequence,
    rescale_input,
    residual_block,
)


@register_architecture(
    "resnet18",
    family="resnet",
    paper="He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
    input_sizes=(24, 32, 40, 44, 48),
    num_parameters=11_180_871,
    reference_images_per_second={32: 42, 48: 19},
    recipe={"dropout": 0.5},
)
def resnet18(inputs, recipe):
    """ResNet18 with a first convolution of 3×3, stride 1 and no pooling, for small images. He et al., CVPR 2016."""
    x = layers.Conv2D(64, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(
        rescale_input(inputs, recipe)
    )
    x = layers.ReLU()(layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x))
    for stage, filters in enumerate((64, 128, 256, 512)):
        x = residual_block(x, filters, stride=1 if stage == 0 else 2)
        x = residual_block(x, filters)
    return pooled_head(x, recipe)


@register_architecture(
    "resnet50",
    family="resnet",
    weights="imagenet",
    paper="He et al., Deep Residual Learning for Image Recognition, CVPR 2016",
    input_sizes=(32, 48, 96, 224),
    num_parameters=23_610_247,
    reference_images_per_second={48: 72},
    recipe={"epochs": 15, "optimizer": {"learning_rate": 3e-4}},
)
def resnet50(inputs, recipe):
    """ResNet50, global average pooling, one dense layer. He et al., CVPR 2016."""
    return pooled_head(keras_backbone(keras.applications.ResNet50, "caffe", inputs, recipe), recipe)


@register_architecture(
    "resnet50_cbam",
    family="resnet",
    weights="imagenet",
    backbone="resnet50",
    paper="Woo et al., CBAM: Convolutional Block Attention Module, ECCV 2018",
    input_sizes=(32, 48, 96, 224),
    num_parameters=26_142_823,
    reference_images_per_second={48: 65},
    recipe={"epochs": 15, "optimizer": {"learning_rate": 3e-4}},
)
def resnet50_cbam(inputs, recipe):
    """ResNet50 with channel and spatial attention at the end of each residual branch. Woo et al., ECCV 2018.

    Ours: each CBAM starts as the identity, so that pretrained features pass unchanged at first.
    """
    return pooled_head(keras_backbone(_resnet50_with_cbam, "caffe", inputs, recipe), recipe)


@register_architecture(
    "resnet50_lstm",
    family="resnet-lstm",
    weights="imagenet",
    backbone="resnet50",
    paper="He et al., CVPR 2016; Hochreiter & Schmidhuber, Long Short-Term Memory, Neural Computation 1997",
    input_sizes=(40, 48, 96, 224),
    num_parameters=25_958_023,
    reference_images_per_second={48: 71},
    recipe={"epochs": 15, "optimizer": {"learning_rate": 3e-4}},
)
def resnet50_lstm(inputs, recipe):
    """ResNet50, then an LSTM over the positions of its feature map in reading order. He et al., CVPR 2016.

    The feature map has 2×2 positions at 48 pixels and 7×7 at 224. At 32 pixels a single position makes no sequence.
    """
    feature_map = keras_backbone(keras.applications.ResNet50, "caffe", inputs, recipe)
    return classification_head(layers.LSTM(256)(positions_to_sequence(feature_map)), recipe)


@register_architecture(
    "resnet50_lstm_attention",
    family="resnet-lstm",
    weights="imagenet",
    backbone="resnet50",
    paper="He et al., CVPR 2016; Hochreiter & Schmidhuber, Long Short-Term Memory, Neural Computation 1997",
    input_sizes=(40, 48, 96, 224),
    num_parameters=25_974_634,
    reference_images_per_second={48: 67},
    recipe={"epochs": 15, "optimizer": {"learning_rate": 3e-4}},
)
def resnet50_lstm_attention(inputs, recipe):
    """ResNet50, spatial attention on its feature map, an LSTM over the positions, and attention over its outputs.

    The LSTM reads the positions in reading order: 2×2 at 48 pixels, 7×7 at 224.
    """
    feature_map = keras_backbone(keras.applications.ResNet50, "caffe", inputs, recipe)
    sequence = positions_to_sequence(SpatialAttention()(feature_map))
    sequence = layers.LSTM(256, return_sequences=True)(sequence)
    return classification_head(AttentionPooling()(sequence), recipe)


def _resnet50_with_cbam(**options):
    """Return ResNet50 with a CBAM in each of its 16 blocks, between the last batch normalization and the addition."""

    def cbam(layer):
        block, found, _ = layer.name.partition("_3_bn")
        return CBAM(name=f"{block}_cbam") if found else None

    return insert_layers(keras.applications.ResNet50(**options), cbam)
