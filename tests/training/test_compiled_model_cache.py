"""A trial that takes over a compiled model gets what it gets with one of its own, sooner."""

import keras
import numpy as np
import pytest

from fer_bench.training import compiled_model_cache, loop
from fer_bench.training.train import run_trial

pytestmark = [
    pytest.mark.usefixtures("tiny_architectures"),
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="models are kept on TensorFlow alone"),
]


@pytest.fixture(autouse=True)
def nothing_kept():
    compiled_model_cache.clear()
    yield
    compiled_model_cache.clear()


@pytest.fixture
def trained(planned_of, callback):
    def run(architecture="tiny_dropout", seed=0, **recipe):
        record, predictions = run_trial(planned_of(architecture, seed, **recipe), callback)
        return record, predictions.get("test") and predictions["test"].probabilities

    return run


@pytest.fixture
def compilations(monkeypatch):
    made = []
    usual = loop.compile_model
    monkeypatch.setattr(loop, "compile_model", lambda model, *how: (made.append(model), usual(model, *how)))
    return made


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
    ],
    ids=["adamw", "sgd", "penalties"],
)
def test_a_seed_after_another_gets_what_it_gets_alone(trained, compilations, recipe):
    _, alone = trained(seed=1, **recipe)
    compiled_model_cache.clear()
    trained(seed=0, **recipe)
    _, after = trained(seed=1, **recipe)
    np.testing.assert_array_equal(after, alone)
    assert len(compilations) == 2  # the third trial made none


def test_another_recipe_is_another_model(trained, compilations):
    trained(epochs=1)
    trained(epochs=1, label_smoothing=0.1)
    trained(architecture="tiny", epochs=1)
    assert len({id(model) for model in compilations}) == 3


def test_after_one_that_diverged_or_failed_all_is_well(trained, compilations, callback, monkeypatch):
    _, expected = trained(seed=1)
    compiled_model_cache.clear()
    diverged, _ = trained(seed=0, optimizer={"name": "sgd", "learning_rate": 1e30, "clip_norm": None})
    assert diverged.status == "diverged"
    with monkeypatch.context() as patch:
        patch.setattr(callback, "on_step_end", lambda *_: 1 / 0)
        failed, _ = trained(seed=0)
    assert failed.status == "failed"
    trained(seed=0)
    _, after = trained(seed=1)
    np.testing.assert_array_equal(after, expected)


def test_no_more_than_one_model_is_kept(trained):
    for epochs in (1, 2):
        trained(architecture="tiny", epochs=epochs)
    assert len(compiled_model_cache._last) == 1
