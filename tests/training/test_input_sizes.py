"""Input size in stages: weights and optimizer move from model to model, and only the last size counts."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from test_features import IMAGES, LABELS, QUICK, VALIDATION

from fer_bench.config.recipe import resolve
from fer_bench.registry.architectures import ARCHITECTURES
from fer_bench.training import loop
from fer_bench.training.flops import count_flops
from fer_bench.training.predict import log_loss, predict
from fer_bench.training.train import run_trial

SIZES = {"input_size": [[0, 8], [3, 12]], "epochs": 4}
ARCHITECTURES_FILE = '''
from keras import layers

from fer_bench.layers import pooled_head, rescale_input
from fer_bench import register_architecture


def _convolution(inputs, recipe):
    return layers.Conv2D(4, 3, activation="relu")(rescale_input(inputs, recipe))


@register_architecture("any_size", family="test", input_sizes=(8, 12))
def any_size(inputs, recipe):
    """Global average pooling."""
    return pooled_head(_convolution(inputs, recipe), recipe)


@register_architecture("one_size", family="test", input_sizes=(8, 12))
def one_size(inputs, recipe):
    """A flattened feature map."""
    return pooled_head(layers.Reshape((1, 1, -1))(_convolution(inputs, recipe)), recipe)
'''


def sized(size: int, normalize: bool = True) -> keras.Model:
    """Return a backbone of two blocks with batch normalization behind a resizing layer, dropout and a head."""
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((None, None, 1))
    for block in (1, 2):
        x = layers.Conv2D(4, 3, padding="same", activation="relu", name=f"block{block}_conv")(x)
        x = layers.BatchNormalization(name=f"block{block}_bn")(x) if normalize else x
    backbone = keras.Model(inputs, x, name="backbone")
    pixels = keras.Input((6, 6, 1))
    x = backbone(layers.Resizing(size, size)(layers.Rescaling(1 / 255)(pixels)))
    x = layers.Dropout(0.2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(pixels, layers.Dense(3, name="logits")(x))


def train(fit, recipe: dict, models: dict[int, keras.Model], **events):
    resolved = resolve(QUICK, recipe)
    others = {size: model for size, model in models.items() if size != resolved.final_input_size}
    model = models[resolved.final_input_size]
    return fit(model, IMAGES, LABELS, *VALIDATION, resolved, 1, other_models=others, **events)


@pytest.mark.parametrize(
    "recipe",
    [
        {"optimizer.ema": 0.8, "l2": 1e-4},
        pytest.param(
            {"optimizer": {"name": "sgd", "learning_rate": 0.1}, "schedule.name": "plateau", "batch_size": 22},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["adamw", "sgd"],
)
def test_weights_and_optimizer_continue_at_another_size(fit, recipe):
    """If the models of all sizes are the same network, the stages change nothing."""
    plain, staged, weights = sized(12), {8: sized(12), 12: sized(12)}, []
    recipe = {"epochs": 3} | recipe
    events = {"on_epoch_end": lambda _: weights.append(plain.get_weights())}
    expected = train(fit, recipe, {48: plain}, **events)
    events = {"on_epoch_end": lambda _: weights.append(staged[12].get_weights())}
    result = train(fit, recipe | {"input_size": [[0, 8], [2, 12]]}, staged, **events)
    for actual, desired in zip(result.history, expected.history, strict=True):
        for name in ("learning_rate", "loss", "accuracy", "validation_loss", "validation_accuracy"):
            assert getattr(actual, name) == getattr(desired, name), name
    if fit is loop.fit:
        for actual, desired in zip(weights[5], weights[2], strict=True):
            np.testing.assert_array_equal(actual, desired)


def test_each_stage_trains_and_validates_its_own_model(fit):
    models = {8: sized(8), 12: sized(12)}
    small = []

    def on_epoch_end(epoch):
        if epoch.epoch <= 2 and fit is loop.fit:
            small.append((epoch.validation_loss, predict(models[8], VALIDATION[0]).probabilities))

    result = train(fit, SIZES, models, on_epoch_end=on_epoch_end)
    for loss, probabilities in small:
        assert log_loss(probabilities, VALIDATION[1]) == pytest.approx(loss, abs=1e-6)
    best = predict(models[12], VALIDATION[0]).probabilities
    np.testing.assert_allclose(best, result.validation_probabilities, atol=1e-6)
    best_loss = result.history[result.best_epoch - 1].validation_loss
    assert log_loss(best, VALIDATION[1]) == pytest.approx(best_loss, abs=1e-5)


def test_the_best_epoch_and_patience_are_of_the_last_size(fit):
    constant = {"optimizer": {"learning_rate": 1e-30, "weight_decay": 0}}  # so that no epoch is better than another
    recipe = {"input_size": [[0, 8], [4, 12]], "epochs": 8, "patience": 1} | constant
    result = train(fit, recipe, {size: sized(12, normalize=False) for size in (8, 12)})
    assert (result.best_epoch, len(result.history)) == (4, 5)


def test_unfreezing_restarts_the_optimizer_and_a_new_size_does_not():
    recipe = {"input_size": [[0, 8], [2, 12]], "backbone.trainable_blocks": [[0, 0], [3, "all"]], "epochs": 3}
    models, iterations = {8: sized(8), 12: sized(12)}, []
    train(
        loop.fit,
        recipe,
        models,
        on_epoch_end=lambda epoch: iterations.append(int(models[8 if epoch.epoch == 1 else 12].optimizer.iterations)),
    )
    steps = len(LABELS) // 8
    assert iterations == [steps, 2 * steps, steps]


def test_compiling_a_size_is_not_part_of_the_training_time(monkeypatch):
    """A fake clock runs only in the calls of `train_on_batch`: 100 s to trace, then 1 s at 8 pixels and 2 s at 12."""
    clock, traced, models = [0.0], set(), {8: sized(8), 12: sized(12)}
    usual = keras.Model.train_on_batch

    def timed(model, *arguments, **options):
        clock[0] += (1.0 if model is models[8] else 2.0) if model in traced else 100.0
        traced.add(model)
        return usual(model, *arguments, **options)

    monkeypatch.setattr(keras.Model, "train_on_batch", timed)
    monkeypatch.setattr(loop.time, "perf_counter", lambda: clock[0])
    result = train(loop.fit, {"input_size": [[0, 8], [2, 12]], "epochs": 2}, models)
    steps = len(LABELS) // 8
    assert [epoch.train_seconds for epoch in result.history] == [steps * 1.0, steps * 2.0]
    assert result.compile_seconds == 99.0 + 98.0
    assert result.images_per_second == 8 / 2.0  # at the final size


@pytest.fixture
def planned(planned_of, tmp_path):
    file = tmp_path / "sized_networks.py"
    file.write_text(ARCHITECTURES_FILE)
    with ARCHITECTURES.temporary():
        ARCHITECTURES.scan(file)
        yield planned_of


def test_the_trained_model_is_that_of_the_last_size(planned, callback, tmp_path):
    recipe = {"input_size": [[0, 8], [2, 12]], "crop": 10, "tta": "flip"}
    trial = replace(planned("any_size", **recipe), model_file=tmp_path / "model.keras")
    record, predictions = run_trial(trial, callback)
    assert record.status == "finished" and record.best_epoch == 2
    saved = keras.saving.load_model(trial.model_file)
    assert saved.get_layer("resize").height == 12 and record.costs.flops == count_flops(saved)
    tested = predict(saved, trial.dataset.images[trial.fold.test], "flip", crop=10).probabilities
    np.testing.assert_allclose(predictions["test"].probabilities, tested, atol=1e-5)


def test_an_architecture_whose_weights_depend_on_the_size_is_refused(planned, callback):
    record, _ = run_trial(planned("one_size", input_size=[[0, 8], [2, 12]]), callback)
    assert record.status == "failed" and "weights_depend_on_size" in record.reason
    assert run_trial(planned("one_size", input_size=12), callback)[0].status == "finished"
