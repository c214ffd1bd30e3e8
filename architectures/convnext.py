"""ConvNeXt of keras.applications."""

import keras

from fer_bench import register_architecture
from fer_bench.layers import keras_backbone, pooled_head


@register_architecture(
    "convnext_tiny",
    family="convnext",
    weights="imagenet",
    paper="Liu et al., A ConvNet for the 2020s, CVPR 2022",
    input_sizes=(32, 48, 96, 224),
    num_parameters=27_828_583,
    reference_images_per_second={32: 95, 48: 63},
    recipe={"epochs": 15, "optimizer": {"learning_rate": 1e-4, "weight_decay": 0.05}},
)
def convnext_tiny(inputs, recipe):
    """ConvNeXt-Tiny, global average pooling, one dense layer. Liu et al., CVPR 2022."""
    return pooled_head(keras_backbone(keras.applications.ConvNeXtTiny, "own", inputs, recipe), recipe)
