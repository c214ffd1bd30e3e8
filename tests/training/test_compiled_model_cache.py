"""A trial that reuses a compiled model gets the same result as with a new one, without compiling."""

import keras
import numpy as np
import pytest

from fer_bench.training import compiled_model_cache, loop
from fer_bench.training.train import run_trial

pytestmark = [
    pytest.mark.usefixtures("tiny_architectures"),
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="models are cached on TensorFlow only"),
]


@pytest.fixture(autouse=True)
def empty_cache():
    compiled_model_cache.clear()
    yield
    compiled_model_cache.clear()


@pytest.fixture
def train(planned_of, callback):
    def run(architecture="tiny_dropout", seed=0, **recipe):
        record, predictions = run_trial(planned_of(architecture, seed, **recipe), callback)
        return record, predictions.get("test") and predictions["test"].probabilities

    return run


@pytest.fixture
def compilations(monkeypatch):
    models = []
    usual = loop.compile_model
    monkeypatch.setattr(loop, "compile_model", lambda model, *options: (models.append(model), usual(model, *options)))
    return models


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        pytest.param(
            {"optimizer": {"name": "sgd", "learning_rate": 0.05, "ema": 0.9}, "augmentation": "strong"},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"class_weights": "balanced", "l2": 0.01, "label_smoothing": 0.1, "epochs": 3, "tta": "flip"},
            marks=pytest.mark.slow,
        ),
        {"input_size": [[0, 8], [2, 12]], "optimizer": {"learning_rate": 0.02, "ema": 0.9}},
    ],
    ids=["adamw", "sgd", "penalties", "two sizes"],
)
def test_a_seed_after_another_gets_the_same_result_as_alone(train, compilations, recipe):
    _, alone = train(seed=1, **recipe)
    compiled_model_cache.clear()
    train(seed=0, **recipe)
    _, after = train(seed=1, **recipe)
    np.testing.assert_array_equal(after, alone)
    models = 2 if "input_size" in recipe else 1
    assert len(compilations) == 2 * models  # the third trial compiled nothing


def test_another_recipe_uses_another_model(train, compilations):
    train(epochs=1)
    train(epochs=1, label_smoothing=0.1)
    train(architecture="tiny", epochs=1)
    assert len({id(model) for model in compilations}) == 3


def test_a_diverged_or_failed_trial_does_not_affect_later_ones(train, compilations, callback, monkeypatch):
    _, expected = train(seed=1)
    compiled_model_cache.clear()
    diverged, _ = train(seed=0, optimizer={"name": "sgd", "learning_rate": 1e30, "clip_norm": None})
    assert diverged.status == "diverged"
    with monkeypatch.context() as patch:
        patch.setattr(callback, "on_step_end", lambda *_: 1 / 0)
        failed, _ = train(seed=0)
    assert failed.status == "failed"
    train(seed=0)
    _, after = train(seed=1)
    np.testing.assert_array_equal(after, expected)


def test_at_most_one_model_is_cached(train):
    for epochs in (1, 2):
        train(architecture="tiny", epochs=epochs)
    assert len(compiled_model_cache._last) == 1
