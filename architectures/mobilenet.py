"""MobileNet V1 and V2 of keras.applications."""

import keras

from fer_bench import register_architecture
from fer_bench.layers import keras_backbone, pooled_head


@register_architecture(
    "mobilenet",
    family="mobilenet",
    weights="imagenet",
    paper="Howard et al., MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications, 2017",
    input_sizes=(32, 48, 96, 224),
    num_parameters=3_240_135,
    reference_images_per_second={32: 420, 48: 390},
    recipe={"epochs": 20},
)
def mobilenet(inputs, recipe):
    """MobileNet V1 of width 1.0, global average pooling, one dense layer. Howard et al., 2017."""
    return pooled_head(keras_backbone(keras.applications.MobileNet, "tf", inputs, recipe), recipe)


@register_architecture(
    "mobilenet_v2",
    family="mobilenet",
    weights="imagenet",
    paper="Sandler et al., MobileNetV2: Inverted Residuals and Linear Bottlenecks, CVPR 2018",
    input_sizes=(32, 48, 96, 224),
    num_parameters=2_272_071,
    reference_images_per_second={32: 490, 48: 340},
    recipe={"epochs": 20},
)
def mobilenet_v2(inputs, recipe):
    """MobileNet V2 of width 1.0, global average pooling, one dense layer. Sandler et al., CVPR 2018."""
    return pooled_head(keras_backbone(keras.applications.MobileNetV2, "tf", inputs, recipe), recipe)
