"""Freezing of a pretrained backbone by blocks, counted from the last one."""

from __future__ import annotations

import re

import keras

from fer_bench.config.recipe import Blocks

BACKBONE = "backbone"  # name of the nested model of pretrained layers in every architecture that has one

# The first layer of a block, by its name in keras.applications: VGG, EfficientNet and MobileNetV2 (block1_conv1,
# block2a_expand_conv, block_3_expand; Conv1, stem and top), ResNet, DenseNet and MobileNet (conv5_block3_1_conv,
# conv_dw_7), ConvNeXt (…_stem, …_stage_0_block_0_…). A layer with another name belongs to the block before it.
BLOCK = re.compile(r"^(?:block_?\d+|[cC]onv_?\d+|conv_dw_\d+|stem|top)|_(?:stem|stage_\d+)")


def get_backbone(model: keras.Model) -> keras.Model:
    """Return the nested model of pretrained layers; raise ValueError if the architecture has none."""
    for layer in model.layers:
        if layer.name == BACKBONE and isinstance(layer, keras.Model):
            return layer
    raise ValueError(f"'{model.name}' has no pretrained backbone to freeze or to train with a lower learning rate")


def split_into_blocks(network: keras.Model) -> list[list[keras.layers.Layer]]:
    """Return the layers of a backbone in blocks, from input to output; layers before the first block belong to it."""
    blocks: list[list[keras.layers.Layer]] = [[]]
    current = None
    for layer in network.layers:
        match = BLOCK.search(layer.name)
        key = match[0] if match else current
        if key != current and current is not None:
            blocks.append([])
        blocks[-1].append(layer)
        current = key
    return blocks


def set_trainable_blocks(model: keras.Model, count: Blocks) -> None:
    """Train the last `count` blocks of the backbone, or all if there are fewer, and freeze the blocks before them.

    Custom layers, such as attention between pretrained layers, have no pretrained weights and are always trained. A
    frozen BatchNormalization uses its statistics and does not update them. Compile the model afterwards.

    Raises:
        ValueError: The model has no backbone.
    """
    blocks = split_into_blocks(get_backbone(model))
    num_frozen = 0 if count == "all" else max(0, len(blocks) - count)
    for number, block in enumerate(blocks):
        for layer in block:
            layer.trainable = number >= num_frozen or not _is_keras_layer(layer)


def pretrained_variables(model: keras.Model) -> list[keras.Variable]:
    """Return all weights of Keras layers in the backbone, trainable or not; raise ValueError without a backbone."""
    return [variable for layer in get_backbone(model).layers if _is_keras_layer(layer) for variable in layer.variables]


def _is_keras_layer(layer: keras.layers.Layer) -> bool:
    return type(layer).__module__.partition(".")[0] == "keras"


def model_variables(model: keras.Model) -> list[keras.Variable]:
    """Return all variables that training changes, including random states, in an order that freezing keeps."""
    metrics = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in metrics]
