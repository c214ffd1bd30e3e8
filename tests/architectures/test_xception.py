"""The Xceptions of face_classification are the published ones, layer for layer."""

import keras
import pytest

# Layers with weights of the published checkpoint fer2013_mini_XCEPTION.102-0.66.hdf5 (MIT licence), in the order of its
# file: kind, weight shapes, strides and padding of convolutions. Every batch normalisation has four vectors.
NORMALISED = "BatchNormalization"
MINI = [
    ("Conv2D", [(3, 3, 1, 8)], 1, "valid"),
    (NORMALISED, 8),
    ("Conv2D", [(3, 3, 8, 8)], 1, "valid"),
    (NORMALISED, 8),
    ("SeparableConv2D", [(3, 3, 8, 1), (1, 1, 8, 16)], 1, "same"),
    (NORMALISED, 16),
    ("SeparableConv2D", [(3, 3, 16, 1), (1, 1, 16, 16)], 1, "same"),
    (NORMALISED, 16),
    ("Conv2D", [(1, 1, 8, 16)], 2, "same"),
    (NORMALISED, 16),
    ("SeparableConv2D", [(3, 3, 16, 1), (1, 1, 16, 32)], 1, "same"),
    (NORMALISED, 32),
    ("SeparableConv2D", [(3, 3, 32, 1), (1, 1, 32, 32)], 1, "same"),
    (NORMALISED, 32),
    ("Conv2D", [(1, 1, 16, 32)], 2, "same"),
    (NORMALISED, 32),
    ("SeparableConv2D", [(3, 3, 32, 1), (1, 1, 32, 64)], 1, "same"),
    (NORMALISED, 64),
    ("SeparableConv2D", [(3, 3, 64, 1), (1, 1, 64, 64)], 1, "same"),
    (NORMALISED, 64),
    ("Conv2D", [(1, 1, 32, 64)], 2, "same"),
    (NORMALISED, 64),
    ("SeparableConv2D", [(3, 3, 64, 1), (1, 1, 64, 128)], 1, "same"),
    (NORMALISED, 128),
    ("SeparableConv2D", [(3, 3, 128, 1), (1, 1, 128, 128)], 1, "same"),
    (NORMALISED, 128),
    ("Conv2D", [(1, 1, 64, 128)], 2, "same"),
    (NORMALISED, 128),
    ("Conv2D", [(3, 3, 128, 7), (7,)], 1, "same"),
]


def described(layer):
    if isinstance(layer, keras.layers.BatchNormalization):
        assert layer.epsilon == 1e-3 and len(layer.weights) == 4
        return (NORMALISED, layer.gamma.shape[0])
    shapes = [tuple(weight.shape) for weight in layer.weights]
    before = layer.input._keras_history.operation
    if isinstance(before, keras.layers.AveragePooling2D):  # every second position, and then a stride of 1
        assert before.pool_size == (1, 1) and layer.strides == layer.kernel_size == (1, 1)
        return (type(layer).__name__, shapes, before.strides[0], "same")
    return (type(layer).__name__, shapes, layer.strides[0], layer.padding)


def test_mini_xception_equals_the_published_checkpoint_layer_for_layer(build):
    model = build("mini_xception", 64)
    assert [described(layer) for layer in model.layers if layer.weights] == MINI
    others = [type(layer).__name__ for layer in model.layers if not layer.weights]
    expected = {"InputLayer": 1, "Rescaling": 1, "ReLU": 6, "MaxPooling2D": 4, "Add": 4, "GlobalAveragePooling2D": 1}
    expected |= {"AveragePooling2D": 4}  # of the shortcuts' strides
    assert {kind: others.count(kind) for kind in others} == expected
    for pool in model.layers:
        if isinstance(pool, keras.layers.MaxPooling2D):
            assert pool.pool_size == (3, 3) and pool.strides == (2, 2) and pool.padding == "same"


@pytest.mark.parametrize(("name", "parameters"), [("mini_xception", 58_423), ("big_xception", 208_871)])
def test_the_parameters_are_as_many_as_published(name, parameters, build):
    assert build(name, 64).count_params() == parameters


def test_dropout_stands_before_the_last_convolution_where_a_recipe_asks_for_it(build):
    assert build("mini_xception", 32, dropout=0.5).layers[-3].rate == 0.5
