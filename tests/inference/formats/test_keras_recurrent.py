"""Recurrent layers of earlier versions of Keras predict what they predicted there."""

from __future__ import annotations

import numpy as np
import pytest
from keras import layers
from old_keras_files import SIZE, first, images, layer, predict, reference, sequential, values, write_hdf5

from fer_bench.core.errors import UserError
from fer_bench.inference.formats.model_file import load


def lstm_of_keras_2(sequence, kernel, recurrent, bias):
    """Return the last output for a sequence of shape (images, steps, features)."""
    hidden = cell = np.zeros((len(sequence), len(recurrent)))
    for step in range(sequence.shape[1]):
        gates = np.split(sequence[:, step] @ kernel + hidden @ recurrent + bias, 4, axis=1)
        on_input, forget, output = (np.clip(0.2 * gates[i] + 0.5, 0, 1) for i in (0, 1, 3))
        cell = forget * cell + on_input * np.tanh(gates[2])
        hidden = output * np.tanh(cell)
    return hidden


def test_both_directions_have_the_gates_of_keras_2(tmp_path):
    arrays = [[values(SIZE, 8), values(2, 8), values(8)] for _ in range(2)]
    kinds = ("kernel:0", "recurrent_kernel:0", "bias:0")
    stored = {
        f"both/{side}_lstm/{kind}": array
        for side, of_side in zip(("forward", "backward"), arrays, strict=True)
        for kind, array in zip(kinds, of_side, strict=True)
    }
    config = sequential(
        first(layer("Reshape", "r", target_shape=[SIZE, SIZE])),
        layer("Bidirectional", "both", layer=layer("LSTM", "lstm", units=2), merge_mode="concat"),
    )
    batch = images()
    sequence = batch[..., 0]
    expected = np.hstack([lstm_of_keras_2(sequence, *arrays[0]), lstm_of_keras_2(sequence[:, ::-1], *arrays[1])])
    path = write_hdf5(tmp_path / "net.h5", config, {"both": stored})
    np.testing.assert_allclose(predict(path, batch), expected, atol=1e-5)


@pytest.mark.parametrize("time_major", [False, True])
def test_recurrent_layers_have_the_gates_of_keras_2(tmp_path, time_major):
    kernel, recurrent, bias = values(SIZE, 16), values(4, 16), values(16)
    config = sequential(
        first(layer("Reshape", "r", target_shape=[SIZE, SIZE])),
        layer("LSTM", "lstm", units=4, implementation=1, time_major=time_major, unit_forget_bias=True, unroll=False),
    )
    weights = {"lstm": {"lstm/kernel:0": kernel, "lstm/recurrent_kernel:0": recurrent, "lstm/bias:0": bias}}
    path = write_hdf5(tmp_path / "net.h5", config, weights)
    if time_major:
        with pytest.raises(UserError, match="time_major"):
            load(path)
        return
    batch = images()
    expected = lstm_of_keras_2(batch[..., 0], kernel, recurrent, bias)
    np.testing.assert_allclose(predict(path, batch), expected, atol=1e-5)


def test_gru_that_does_not_say_resets_before_the_product(tmp_path):
    config = sequential(
        first(layer("Reshape", "r", target_shape=[SIZE, SIZE])),
        layer("GRU", "gru", units=3, recurrent_activation="sigmoid"),
    )
    arrays = [values(SIZE, 9), values(3, 9), values(9)]  # one bias: with two, it resets after
    names = ["gru/kernel:0", "gru/recurrent_kernel:0", "gru/bias:0"]
    path = write_hdf5(tmp_path / "net.h5", config, {"gru": dict(zip(names, arrays, strict=True))})
    model = reference(layers.Reshape((SIZE, SIZE)), layers.GRU(3, reset_after=False))
    model.layers[-1].set_weights(arrays)
    batch = images()
    np.testing.assert_allclose(predict(path, batch), model.predict_on_batch(batch), atol=1e-6)


def test_keras_1_gates_are_joined(tmp_path):
    gates = {gate: (values(SIZE, 2), values(2, 2), values(2)) for gate in "icfo"}  # in the order of Keras 1
    arrays = {f"lstm_1_{kind}_{gate}": gates[gate][i] for gate in "icfo" for i, kind in enumerate("WUb")}
    config = sequential(
        first(layer("Reshape", "r", target_shape=[SIZE, SIZE])),
        layer("LSTM", "lstm_1", output_dim=2, inner_activation="sigmoid", inner_init="orthogonal", consume_less="cpu",
              forget_bias_init="one", dropout_W=0.0, dropout_U=0.0, U_regularizer=None, input_dim=SIZE),
    )  # fmt: skip
    path = write_hdf5(tmp_path / "net.h5", config, {"lstm_1": arrays}, "1.1.0", None)
    model = reference(layers.Reshape((SIZE, SIZE)), layers.LSTM(2))
    model.layers[-1].set_weights([np.concatenate([gates[gate][i] for gate in "ifco"], -1) for i in range(3)])
    batch = images()
    np.testing.assert_allclose(predict(path, batch), model.predict_on_batch(batch), atol=1e-6)
    assert "kernels of TensorFlow assumed" in load(path).notes


@pytest.mark.parametrize(("kind", "num_gates"), [("LSTM", 4), ("GRU", 3)])
def test_weights_of_cudnn_are_converted(tmp_path, kind, num_gates):
    kernel, recurrent, bias = values(SIZE, 2 * num_gates), values(2, 2 * num_gates), values(2, 2 * num_gates)
    # cuDNN keeps each gate transposed, in C's order, and two biases.
    stored = [
        np.hstack([gate.T.reshape(gate.shape) for gate in np.hsplit(kernel, num_gates)]),
        np.hstack([gate.T for gate in np.hsplit(recurrent, num_gates)]),
        bias.reshape(-1),
    ]
    names = ("kernel:0", "recurrent_kernel:0", "bias:0")
    config = sequential(
        first(layer("Reshape", "r", target_shape=[SIZE, SIZE])),
        layer(f"CuDNN{kind}", "rnn", units=2, return_state=False),
    )
    path = write_hdf5(tmp_path / "net.h5", config, {"rnn": dict(zip(names, stored, strict=True))})
    model = reference(layers.Reshape((SIZE, SIZE)), getattr(layers, kind)(2))
    model.layers[-1].set_weights([kernel, recurrent, bias.sum(axis=0) if kind == "LSTM" else bias])
    batch = images()
    np.testing.assert_allclose(predict(path, batch), model.predict_on_batch(batch), atol=1e-6)
