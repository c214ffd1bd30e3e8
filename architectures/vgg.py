"""VGG16 and VGG19 of keras.applications, and two smaller VGGs for faces of 48 pixels."""

import keras
from keras import layers

from fer_bench import register_architecture
from fer_bench.layers import (
    BATCH_NORM_MOMENTUM,
    HistogramEqualization,
    classification_head,
    conv_block,
    keras_backbone,
    pooled_head,
    rescale_input,
)


@register_architecture(
    "vgg16",
    family="vgg",
    weights="imagenet",
    paper="Simonyan & Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015",
    input_sizes=(32, 48, 96, 224),
    num_parameters=14_720_327,
    reference_images_per_second={48: 36},
    recipe={"epochs": 15, "optimizer": {"learning_rate": 1e-4}},
)
def vgg16(inputs, recipe):
    """VGG16 without its dense layers, global average pooling, one dense layer. Simonyan & Zisserman, ICLR 2015."""
    return pooled_head(keras_backbone(keras.applications.VGG16, "caffe", inputs, recipe), recipe)


@register_architecture(
    "vgg19",
    family="vgg",
    weights="imagenet",
    paper="Simonyan & Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015",
    input_sizes=(32, 48, 96, 224),
    num_parameters=20_030_023,
    reference_images_per_second={48: 28},
    recipe={"epochs": 15, "optimizer": {"learning_rate": 1e-4}},
)
def vgg19(inputs, recipe):
    """VGG19 without its dense layers, global average pooling, one dense layer. Simonyan & Zisserman, ICLR 2015."""
    return pooled_head(keras_backbone(keras.applications.VGG19, "caffe", inputs, recipe), recipe)


@register_architecture(
    "vgg_fer",
    family="vgg",
    paper="Khaireddin & Chen, Facial Emotion Recognition: State of the Art Performance on FER2013, 2021",
    input_sizes=(32, 40, 44, 48),
    weights_depend_on_size=True,
    num_parameters=40_378_439,
    reference_images_per_second={48: 45},
    recipe={"dropout": 0.2, "optimizer": {"name": "sgd", "learning_rate": 0.01}},
)
def vgg_fer(inputs, recipe):
    """Four blocks of two convolutions, 64 to 512 filters, and two dense layers of 4096. Khaireddin & Chen, 2021.

    Ours: He initialization, and convolutions without biases, which batch normalization would remove.
    """
    x = rescale_input(inputs, recipe)
    for filters in (64, 128, 256, 512):
        x = conv_block(x, filters, convolutions=2)
    x = layers.Flatten()(x)
    x = layers.Dense(4096, activation="relu", kernel_initializer="he_normal")(x)
    x = layers.Dense(4096, activation="relu", kernel_initializer="he_normal")(layers.Dropout(recipe.dropout)(x))
    return classification_head(x, recipe)


@register_architecture(
    "vgg10",
    family="vgg",
    paper="Pramerdorfer & Kampel, Facial Expression Recognition using Convolutional Neural Networks, 2016",
    input_sizes=(24, 32, 40, 44, 48),
    weights_depend_on_size=True,
    num_parameters=1_767_207,
    reference_images_per_second={48: 180},
    recipe={"dropout": 0.5},
)
def vgg10(inputs, recipe):
    """Equalized histograms, four blocks of two convolutions, two dense layers. Pramerdorfer & Kampel, 2016.

    The paper gives the depth, 10, and 1.8 million parameters. Ours: 32 to 256 filters and a dense layer of 256, which
    give both; the place of batch normalization and dropout; He initialization.
    """
    x = rescale_input(HistogramEqualization(name="equalize")(inputs), recipe)
    for filters in (32, 64, 128, 256):
        x = conv_block(x, filters, convolutions=2)
    x = layers.Dropout(recipe.dropout)(layers.Flatten()(x))
    x = layers.Dense(256, use_bias=False, kernel_initializer="he_normal")(x)
    x = layers.ReLU()(layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM)(x))
    return classification_head(x, recipe)
