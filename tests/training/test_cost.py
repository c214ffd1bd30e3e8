"""Inference costs of a model."""

import zipfile

import keras
import numpy as np
import pytest
from keras import layers

from fer_bench.training import cost


@pytest.fixture
def model():
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(inputs)), name="small")
    model.compile(optimizer="adam", loss="mse")
    model.train_on_batch(np.zeros((2, 8, 8, 1)), np.zeros((2, 3)))
    return model


class FakeModel:
    """A model whose calls advance a fake clock by the given seconds; the last value repeats."""

    input_shape = (None, 8, 8, 1)

    def __init__(self, monkeypatch, seconds: list[float]) -> None:
        self.seconds, self.shapes, self.now = seconds, [], 0.0
        monkeypatch.setattr(cost.time, "perf_counter", lambda: self.now)

    def predict_on_batch(self, pixels):
        self.shapes.append(pixels.shape)
        self.now += self.seconds[min(len(self.shapes), len(self.seconds)) - 1]


def test_latency_is_of_one_image_after_warm_up(monkeypatch):
    model = FakeModel(monkeypatch, [5.0] * cost.NUM_WARMUP_CALLS + [0.001] * 90 + [0.02])  # the last ten calls are slow
    latency = cost.measure_latency(model)
    assert set(model.shapes) == {(1, 8, 8, 1)}
    assert len(model.shapes) == cost.NUM_WARMUP_CALLS + cost.MAX_CALLS
    assert latency.p50_seconds == pytest.approx(0.001) and latency.p95_seconds == pytest.approx(0.02)


def test_a_slow_model_is_called_less_often(monkeypatch):
    model = FakeModel(monkeypatch, [0.1])
    assert cost.measure_latency(model).p95_seconds == pytest.approx(0.1)
    assert len(model.shapes) == cost.NUM_WARMUP_CALLS + cost.MIN_CALLS


def test_a_very_slow_model_has_no_95th_percentile(monkeypatch):
    latency = cost.measure_latency(FakeModel(monkeypatch, [1.0]))
    assert latency.p50_seconds == pytest.approx(1.0) and latency.p95_seconds is None


def test_a_saved_model_predicts_and_has_no_optimizer(model, tmp_path):
    file = tmp_path / "new" / "model.keras"
    size = cost.save_model(model, file)
    assert size == file.stat().st_size
    loaded = keras.saving.load_model(file)
    pixels = np.random.default_rng(0).random((4, 8, 8, 1), np.float32)
    np.testing.assert_array_equal(loaded.predict_on_batch(pixels), model.predict_on_batch(pixels))
    assert not loaded.compiled and loaded.name == "small"
    with zipfile.ZipFile(file) as archive:
        assert "adam" not in archive.read("config.json").decode().lower()


def test_all_costs_are_measured(model, tmp_path):
    costs = cost.measure_inference_costs(model)
    assert costs["flops"] == 2 * 64 * 3
    assert 195 * 4 < costs["model_bytes"] < 100_000
    assert costs["latency_p50_seconds"] is not None and costs["latency_p95_seconds"] is not None
    assert list(tmp_path.iterdir()) == []


def test_a_cost_that_cannot_be_measured_is_none(monkeypatch, tmp_path, model, caplog):
    def fails(*_, **__):
        raise NotImplementedError("no get_config")

    monkeypatch.setattr(cost, "save_model", fails)
    monkeypatch.setattr(cost, "count_flops", fails)
    costs = cost.measure_inference_costs(model)
    assert costs["flops"] is None and costs["model_bytes"] is None and costs["latency_p50_seconds"] is not None
    assert caplog.records == []
    assert cost.measure_inference_costs(model, tmp_path / "model.keras")["model_bytes"] is None
    assert "'small' cannot be saved: NotImplementedError" in caplog.text
