"""Which layers of a pretrained backbone are trained: blocks, counted from the last."""

from __future__ import annotations

import re

import keras

from fer_bench.config.recipe import Blocks

BACKBONE = "backbone"  # the name of the nested model of pretrained layers, in every architecture that has one

# Where a block begins, by the names that keras.applications gives: VGG, EfficientNet and MobileNetV2 (block1_conv1,
# block2a_expand_conv, block_3_expand; Conv1, stem and top), ResNet, DenseNet and MobileNet (conv5_block3_1_conv,
# conv_dw_7), ConvNeXt (…_stem, …_stage_0_block_0_…). A layer that is not named so belongs to the block before it.
BLOCK = re.compile(r"^(?:block_?\d+|[cC]onv_?\d+|conv_dw_\d+|stem|top)|_(?:stem|stage_\d+)")


def get_backbone(model: keras.Model) -> keras.Model:
    """The nested model of pretrained layers. ValueError where the architecture has none."""
    for layer in model.layers:
        if layer.name == BACKBONE and isinstance(layer, keras.Model):
            return layer
    raise ValueError(f"'{model.name}' has no pretrained backbone: it has no blocks to freeze and no rate of their own")


def split_into_blocks(network: keras.Model) -> list[list[keras.layers.Layer]]:
    """The layers of a backbone in blocks, from input to output; what stands before the first belongs to it."""
    found: list[list[keras.layers.Layer]] = [[]]
    current = None
    for layer in network.layers:
        match = BLOCK.search(layer.name)
        key = match[0] if match else current
        if key != current and current is not None:
            found.append([])
        found[-1].append(layer)
        current = key
    return found


def set_trainable_blocks(model: keras.Model, count: Blocks) -> None:
    """Train the last `count` blocks of the backbone and freeze those before; more than there are is all.

    What is not Keras' own, such as attention put between pretrained layers, has nothing pretrained to keep, and is
    always trained. A frozen BatchNormalization uses and keeps its statistics. The model must be compiled afterwards.
    ValueError for a model without a backbone.
    """
    found = split_into_blocks(get_backbone(model))
    frozen = 0 if count == "all" else max(0, len(found) - count)
    for number, block in enumerate(found):
        for layer in block:
            layer.trainable = number >= frozen or not _is_keras_layer(layer)


def pretrained_variables(model: keras.Model) -> list[keras.Variable]:
    """All weights of the backbone that are Keras' own, trained or not. ValueError for a model without a backbone."""
    return [variable for layer in get_backbone(model).layers if _is_keras_layer(layer) for variable in layer.variables]


def _is_keras_layer(layer: keras.layers.Layer) -> bool:
    return type(layer).__module__.partition(".")[0] == "keras"


def model_variables(model: keras.Model) -> list[keras.Variable]:
    """All that training changes in a model, with the states of its random generators; freezing keeps the order."""
    metrics = {id(variable) for variable in model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in metrics]
