"""VGG16 and VGG19 of keras.applications, with their own normalisation inside the model."""

import keras

from architectures.layers import backbone, pooled_classifier
from fer_bench.architecture import register_architecture


@register_architecture(
    "vgg16",
    family="vgg",
    weights="imagenet",
    paper="Simonyan & Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015",
    reference_speed=52,
    recipe={"epochs": 15, "optimizer": {"learning_rate": 1e-4}},
)
def vgg16(inputs, recipe):
    """VGG16 without its dense layers, global average pooling, one dense layer. Simonyan & Zisserman, ICLR 2015."""
    return pooled_classifier(backbone(keras.applications.VGG16, "caffe", inputs, recipe), recipe)


@register_architecture(
    "vgg19",
    family="vgg",
    weights="imagenet",
    paper="Simonyan & Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015",
    reference_speed=41,
    recipe={"epochs": 15, "optimizer": {"learning_rate": 1e-4}},
)
def vgg19(inputs, recipe):
    """VGG19 without its dense layers, global average pooling, one dense layer. Simonyan & Zisserman, ICLR 2015."""
    return pooled_classifier(backbone(keras.applications.VGG19, "caffe", inputs, recipe), recipe)
