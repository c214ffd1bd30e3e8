"""Sequence models apply one network to every frame and depend on the order of the frames."""

import keras
import numpy as np
import pytest

from fer_bench.registry.architectures import ARCHITECTURES, describe

SIZE = 32
NAMES = ["sequence_lstm", "sequence_gru", "sequence_lstm_attention"]


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (2, 4, SIZE, SIZE, 1)).astype(np.uint8)


def frame_features(model):
    """Return a model of the recurrent layer's input, (batch, time, features)."""
    recurrent = next(layer for layer in model.layers if type(layer).__name__ in ("LSTM", "GRU"))
    return keras.Model(model.input, recurrent.input)


def test_no_other_architecture_takes_sequences():
    assert [entry.name for entry in ARCHITECTURES if describe(entry.name).input_kind == "sequences"] == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_frame_goes_through_the_same_network(name, build, frames):
    features = frame_features(build(name, SIZE))
    forwards = np.asarray(features(frames))
    assert forwards.shape[:2] == (2, 4)
    np.testing.assert_allclose(features(frames[:, ::-1]), forwards[:, ::-1], rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(features(frames[::-1]), forwards[::-1], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_order_of_frames_matters(name, build, frames):
    model = build(name, SIZE)
    assert model.input_shape == (None, 4, SIZE, SIZE, 1)
    forwards, backwards = np.asarray(model(frames)), np.asarray(model(frames[:, ::-1]))
    assert forwards.shape == (2, 7) and np.abs(forwards - backwards).max() > 1e-3
