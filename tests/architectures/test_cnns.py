"""Networks without pretrained weights have the published layers, and learn."""

import keras
import numpy as np
import pytest
from keras import layers, ops

SIZE = 32


def layers_of_type(model, name):
    return [layer for layer in model.layers if type(layer).__name__ == name]


def test_the_three_sizes_differ_in_parameters(build):
    small, medium, deep = (build(name, 48).count_params() for name in ("cnn_small", "cnn", "cnn_deep"))
    assert 250_000 < small < 400_000 < medium < 4_000_000 < deep < 6_000_000


def test_cnn_rnn_is_the_network_of_student_projects(build):
    model = build("cnn_rnn", 48)
    assert [layer.filters for layer in layers_of_type(model, "Conv2D")] == [32, 64]
    assert len(layers_of_type(model, "MaxPooling2D")) == 2 and not layers_of_type(model, "BatchNormalization")
    first, second = layers_of_type(model, "LSTM")
    assert first.units == second.units == 128
    assert first.input.shape == (None, 12, 12 * 64)  # twelve rows of the feature map
    assert second.output.shape == (None, 128)


@pytest.mark.parametrize(("size", "positions"), [(40, 2 * 2), (44, 2 * 2), (48, 3 * 3)])
def test_vgg_fer_has_two_dense_layers_of_4096_at_each_crop(size, positions, build, monkeypatch):
    # Drawing forty million random weights is slow.
    monkeypatch.setattr(
        keras.initializers.HeNormal, "__call__", lambda self, shape, dtype=None: ops.zeros(shape, dtype)
    )
    model = build("vgg_fer", size)
    assert [layer.filters for layer in layers_of_type(model, "Conv2D")] == [64, 64, 128, 128, 256, 256, 512, 512]
    dense = [tuple(layer.kernel.shape) for layer in layers_of_type(model, "Dense")]
    assert dense == [(positions * 512, 4096), (4096, 4096), (4096, 7)]


def test_resnet18_preserves_the_resolution_of_small_images(build):
    model = build("resnet18", SIZE)
    convolutions = layers_of_type(model, "Conv2D")
    assert len([layer for layer in convolutions if layer.kernel_size == (3, 3)]) == 17
    assert convolutions[0].output.shape[1:3] == (SIZE, SIZE)
    assert model.layers[-3].input.shape == (None, SIZE // 8, SIZE // 8, 512)


OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in ("cnn_gru", "cnn_bilstm", "cnn_lstm_attention")]


@pytest.mark.parametrize("name", ["cnn_rnn", *OTHERS])
def test_a_recurrent_network_does_not_collapse_to_one_class(name, build):
    rng = np.random.default_rng(0)
    labels = np.arange(14, dtype=np.int32) % 7
    images = rng.normal(120, 30, (14, SIZE, SIZE, 1))
    for image, label in zip(images, labels, strict=True):
        image[4 * label : 4 * label + 4] -= 80  # a dark bar whose position encodes the class
    images = np.clip(images, 0, 255).astype(np.uint8)
    model = build(name, SIZE)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss=loss, run_eagerly=True)
    losses = [model.train_on_batch(images, labels) for _ in range(12)]
    assert losses[-1] < np.log(7) / 2  # predicting one class for all images gives log(7)


def test_a_bidirectional_lstm_reads_in_both_directions(build):
    (recurrent,) = layers_of_type(build("cnn_bilstm", SIZE), "Bidirectional")
    assert isinstance(recurrent.forward_layer, layers.LSTM) and recurrent.backward_layer.go_backwards
    assert recurrent.output.shape == (None, 256)
