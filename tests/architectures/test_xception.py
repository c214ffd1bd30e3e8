"""The Xception networks of face_classification equal the published ones layer by layer."""

import keras
import pytest

# Layers with weights of the published checkpoint fer2013_mini_XCEPTION.102-0.66.hdf5 (MIT license), in the order of
# the file: type, weight shapes, stride and padding. Every batch normalization has four vectors.
BATCH_NORM = "BatchNormalization"


def block(inputs, outputs):
    """Return the layers of a block: two separable convolutions and the shortcut."""
    return [
        ("SeparableConv2D", [(3, 3, inputs, 1), (1, 1, inputs, outputs)], 1, "same"),
        (BATCH_NORM, outputs),
        ("SeparableConv2D", [(3, 3, outputs, 1), (1, 1, outputs, outputs)], 1, "same"),
        (BATCH_NORM, outputs),
        ("Conv2D", [(1, 1, inputs, outputs)], 2, "same"),
        (BATCH_NORM, outputs),
    ]


MINI = [
    ("Conv2D", [(3, 3, 1, 8)], 1, "valid"),
    (BATCH_NORM, 8),
    ("Conv2D", [(3, 3, 8, 8)], 1, "valid"),
    (BATCH_NORM, 8),
    *(*block(8, 16), *block(16, 32), *block(32, 64), *block(64, 128)),
    ("Conv2D", [(3, 3, 128, 7), (7,)], 1, "same"),
]


def describe_layer(layer):
    if isinstance(layer, keras.layers.BatchNormalization):
        assert layer.epsilon == 1e-3 and len(layer.weights) == 4
        return (BATCH_NORM, layer.gamma.shape[0])
    shapes = [tuple(weight.shape) for weight in layer.weights]
    previous = layer.input._keras_history.operation
    if isinstance(previous, keras.layers.AveragePooling2D):  # a stride of 2 as pooling and convolution
        assert previous.pool_size == (1, 1) and layer.strides == layer.kernel_size == (1, 1)
        return (type(layer).__name__, shapes, previous.strides[0], "same")
    return (type(layer).__name__, shapes, layer.strides[0], layer.padding)


def test_mini_xception_equals_the_published_checkpoint_layer_by_layer(build):
    model = build("mini_xception", 64)
    assert [describe_layer(layer) for layer in model.layers if layer.weights] == MINI
    others = [type(layer).__name__ for layer in model.layers if not layer.weights]
    expected = {"InputLayer": 1, "Rescaling": 1, "ReLU": 6, "MaxPooling2D": 4, "Add": 4, "GlobalAveragePooling2D": 1}
    expected |= {"AveragePooling2D": 4}  # the strides of the shortcuts
    assert {name: others.count(name) for name in others} == expected
    for pool in model.layers:
        if isinstance(pool, keras.layers.MaxPooling2D):
            assert pool.pool_size == (3, 3) and pool.strides == (2, 2) and pool.padding == "same"


@pytest.mark.parametrize(("name", "parameters"), [("mini_xception", 58_423), ("big_xception", 208_871)])
def test_the_number_of_parameters_is_the_published_one(name, parameters, build):
    assert build(name, 64).count_params() == parameters


def test_a_recipe_can_add_dropout_before_the_last_convolution(build):
    assert build("mini_xception", 32, dropout=0.5).layers[-3].rate == 0.5
