"""DenseNet of keras.applications."""

import keras

from fer_bench import register_architecture
from fer_bench.layers import keras_backbone, pooled_head


@register_architecture(
    "densenet121",
    family="densenet",
    weights="imagenet",
    paper="Huang et al., Densely Connected Convolutional Networks, CVPR 2017",
    input_sizes=(32, 48, 96, 224),
    num_parameters=7_048_775,
    reference_images_per_second={32: 180, 48: 110},
    recipe={"epochs": 15, "optimizer": {"learning_rate": 3e-4}},
)
def densenet121(inputs, recipe):
    """DenseNet121, global average pooling, one dense layer. Huang et al., CVPR 2017."""
    return pooled_head(keras_backbone(keras.applications.DenseNet121, "torch", inputs, recipe), recipe)
