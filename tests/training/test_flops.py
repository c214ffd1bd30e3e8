"""FLOPs agree with published figures, with the profiler of TensorFlow and with arithmetic, or are an error."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from fer_bench.config.recipe import resolve
from fer_bench.registry.architectures import describe
from fer_bench.training.flops import UnsupportedOperation, count_flops
from fer_bench.training.train import build_model

# Millions of multiply-adds at 224×224 with the classifier, and where they are published. torchvision's are the "_ops"
# in thousands of millions of its weights' entries (torchvision/models/*.py). He et al.'s ResNet50 has its strides in
# the 1×1 convolutions, as Keras' has; torchvision's, with 4,089, has them in the 3×3.
PUBLISHED = [
    ("VGG16", 15_470, "torchvision VGG16_Weights.IMAGENET1K_V1"),
    pytest.param("ResNet50", 3_800, "He et al., CVPR 2016, Table 1", marks=pytest.mark.slow),
    ("MobileNet", 569, "Howard et al., MobileNets, 2017, Table 4"),
    pytest.param("MobileNetV2", 300, "Sandler et al., CVPR 2018, Table 4", marks=pytest.mark.slow),
    pytest.param("DenseNet121", 2_834, "torchvision DenseNet121_Weights.IMAGENET1K_V1", marks=pytest.mark.slow),
    pytest.param("EfficientNetB0", 390, "Tan & Le, ICML 2019, Table 2", marks=pytest.mark.slow),
    pytest.param("ConvNeXtTiny", 4_456, "torchvision ConvNeXt_Tiny_Weights.IMAGENET1K_V1", marks=pytest.mark.slow),
]


@pytest.fixture
def quick_weights(monkeypatch):
    """Initialize with zeros instead of random numbers: VGG16 has 138 million of them, which do not affect the count."""

    def zeros(self, shape, dtype=None, **_):
        return ops.zeros(shape, dtype)

    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", zeros)


@pytest.mark.parametrize(("name", "millions", "source"), PUBLISHED)
def test_published_flops(name, millions, source, quick_weights):
    model = getattr(keras.applications, name)(weights=None)
    assert count_flops(model) / 2 == pytest.approx(1e6 * millions, rel=0.016), source


COUNTED = ["Conv2D", "DepthwiseConv2dNative", "MatMul"]


def profiler_flops(model) -> int:
    """Return the count of the profiler of TensorFlow for the same operations, with unrolled loops over time."""
    for layer in model.layers:
        if isinstance(layer, layers.RNN):
            layer.unroll = True  # because the profiler counts the body of a loop once
    inputs = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32)
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(inputs).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder(tf.compat.v1.profiler.ProfileOptionBuilder.float_operation())
    options = options.with_accounted_types(COUNTED).with_empty_output().build()
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


@pytest.mark.parametrize(
    "name",
    ["cnn", "cnn_lstm", "mini_xception", "sequence_lstm", pytest.param("resnet50_cbam", marks=pytest.mark.slow)],
)
def test_flops_agree_with_the_tensorflow_profiler(name, quick_weights):
    architecture = describe(name)
    shape = (4, 48, 48) if architecture.input_kind == "sequences" else (48, 48)
    model = build_model(name, resolve(architecture.recipe), shape, 7)
    assert count_flops(model) == profiler_flops(model) > 1e7


def _attention(x):
    return layers.MultiHeadAttention(num_heads=2, key_dim=3, value_dim=5)(x, x)


def _attention_by_name(x):
    return layers.MultiHeadAttention(num_heads=2, key_dim=3)(value=layers.Cropping1D((0, 2))(x), query=x)


# Input shape, layer or function, multiply-adds computed by hand.
SMALL = {
    "strided, grouped convolution": ((8, 8, 4), layers.Conv2D(6, 3, strides=2, groups=2), 3 * 3 * 9 * 2 * 6),
    "channels first": ((4, 8, 6), layers.Conv2D(2, 1, data_format="channels_first"), 8 * 6 * 4 * 2),
    "over padding too": ((8, 8, 4), layers.Conv2D(5, 3, padding="same"), 64 * 9 * 4 * 5),
    "one dimension": ((10, 3), layers.Conv1D(4, 3), 8 * 3 * 3 * 4),
    "three dimensions": ((4, 5, 6, 2), layers.Conv3D(3, 2), 3 * 4 * 5 * 8 * 2 * 3),
    "depthwise": ((8, 8, 4), layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2), 64 * 9 * 4 * 2),
    "separable": ((8, 8, 4), layers.SeparableConv2D(6, 3, padding="same"), 64 * (9 * 4 + 4 * 6)),
    "transposed": ((4, 4, 3), layers.Conv2DTranspose(5, 2, strides=2), 16 * 4 * 3 * 5),
    "dense at every step": ((5, 4), layers.Dense(3), 5 * 4 * 3),
    "einsum of weights": ((5, 4), layers.EinsumDense("abc,cde->abde", (None, 2, 3)), 5 * 4 * 2 * 3),
    "recurrent, both ways": ((5, 4), layers.Bidirectional(layers.GRU(3)), 2 * 5 * (4 + 3) * 3 * 3),
    "cells": ((5, 4), layers.RNN([layers.LSTMCell(3), layers.SimpleRNNCell(2)]), 5 * ((4 + 3) * 12 + (3 + 2) * 2)),
    "frame by frame": ((5, 6, 6, 2), layers.TimeDistributed(layers.Conv2D(3, 3)), 5 * 16 * 9 * 2 * 3),
    "attention": ((5, 4), _attention, 5 * 4 * 2 * (3 + 3 + 5) + 2 * 25 * (3 + 5) + 5 * 2 * 5 * 4),
    "attention to others": ((5, 4), _attention_by_name, (5 + 3 + 3 + 5) * 4 * 6 + 2 * 15 * (3 + 3)),
    "product in the graph": ((5, 4), lambda x: ops.matmul(x, ops.transpose(x, (0, 2, 1))), 5 * 4 * 5),
    "einsum in the graph": ((5, 4), lambda x: ops.einsum("bic,bjc->bij", x, x), 5 * 5 * 4),
    "twice the same layer": ((4, 4), lambda x, layer=layers.Dense(4): layer(layer(x)), 2 * 4 * 4 * 4),  # noqa: B008
    "nothing to multiply": ((8, 8, 4), lambda x: layers.ReLU()(layers.BatchNormalization()(x)), 0),
}


@pytest.mark.parametrize("case", SMALL)
def test_flops_are_twice_the_multiply_adds(case):
    shape, layer, multiply_adds = SMALL[case]
    inputs = keras.Input(shape)
    assert count_flops(keras.Model(inputs, layer(inputs))) == 2 * multiply_adds


def test_nested_models_are_counted():
    inputs = keras.Input((4,))
    inner = keras.Sequential([layers.Dense(3), layers.Dense(2)])
    assert count_flops(keras.Model(inputs, layers.Dense(1)(inner(inputs)))) == 2 * (4 * 3 + 3 * 2 + 2)


class CustomMatmul(layers.Layer):
    """Multiplies with a custom weight."""

    def build(self, shape):
        self.own = self.add_weight(shape=(shape[-1], 3), name="own")

    def call(self, inputs):
        return ops.matmul(inputs, self.own)

    def compute_output_shape(self, shape):
        return (*shape[:-1], 3)


@pytest.mark.parametrize(
    ("layer", "word"),
    [
        (CustomMatmul(), "own"),
        (lambda x: layers.Attention()([x, x]), "Attention"),
        (lambda x: ops.tensordot(x, x, axes=[[1], [1]]), "Tensordot"),
        (lambda x: ops.einsum("abc,abc,abc->abc", x, x, x), "einsum"),
    ],
)
def test_unsupported_operations_are_an_error(layer, word):
    inputs = keras.Input((5, 4))
    model = keras.Model(inputs, layer(inputs))
    with pytest.raises(UnsupportedOperation, match=word):
        count_flops(model)


def test_counting_changes_nothing():
    inputs = keras.Input((6, 6, 1))
    x = layers.Dropout(0.5)(layers.BatchNormalization()(layers.Conv2D(2, 3)(inputs)))
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))
    pixels, call = np.random.default_rng(0).random((3, 6, 6, 1)), keras.Operation.__call__
    before = model.predict_on_batch(pixels), [np.array(w) for w in model.weights]
    count_flops(model)
    assert keras.Operation.__call__ is call
    np.testing.assert_array_equal(model.predict_on_batch(pixels), before[0])
    for weight, known in zip(model.weights, before[1], strict=True):
        np.testing.assert_array_equal(np.array(weight), known)
