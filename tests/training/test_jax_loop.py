"""The loop on the device does what the streamed loop does; seeds trained together get what each gets alone.

Keras must run on JAX here: test_jax.py runs this file in a process of its own.
"""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "jax":
    pytest.skip("Keras runs on another backend", allow_module_level=True)

from keras import layers
from test_freezing import changed, network, state
from test_loop import PLAIN, dense, images_and_labels

from fer_bench.config.recipe import resolve
from fer_bench.training import checkpoint, loop
from fer_bench.training.history import Diverged
from fer_bench.training.jax_loop import fit, fit_together
from fer_bench.training.loop import FitResult
from fer_bench.training.predict import log_loss, predict

SGD = {"epochs": 4, "optimizer": {"name": "sgd", "learning_rate": 0.2}}
DATA = (*images_and_labels(70), *images_and_labels(20, seed=1))


def convolutions(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((6, 6, 1))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(x)))
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def agree(ours: FitResult, theirs: FitResult, tolerance: float) -> None:
    assert ours.best_epoch == theirs.best_epoch and len(ours.history) == len(theirs.history)
    for a, b in zip(ours.history, theirs.history, strict=True):
        for name in ("loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate"):
            assert getattr(a, name) == pytest.approx(getattr(b, name), abs=tolerance), name
    np.testing.assert_allclose(ours.validation_probabilities, theirs.validation_probabilities, atol=tolerance)


@pytest.mark.parametrize(
    "recipe",
    [
        {},
        {"optimizer.ema": 0.8, "class_weights": "balanced", "label_smoothing": 0.1},
        {"schedule": {"name": "plateau", "patience": 1}, "patience": 2, "epochs": 8, "l2": 0.01},
        pytest.param(
            {"optimizer.clip_norm": 0.1, "sampling": "balanced", "loss": "focal", "batch_size": 500},
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda recipe: "-".join(recipe) or "plain",
)
def test_it_computes_what_the_streamed_loop_computes(recipe):
    resolved = resolve(PLAIN, SGD, recipe)
    models = dense(5, hidden=8), dense(5, hidden=8)
    theirs = loop.fit(models[0], *DATA, resolved, seed=3)
    ours = fit(models[1], *DATA, resolved, seed=3)
    agree(ours, theirs, 1e-5)
    for a, b in zip(models[0].get_weights(), models[1].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_crops_are_validated_from_the_middle_and_predicted_as_views():
    wide = [np.pad(DATA[0], ((0, 0), (2, 3), (3, 2))), DATA[1], np.pad(DATA[2], ((0, 0), (2, 3), (3, 2))), DATA[3]]
    keras.utils.set_random_seed(5)
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(layers.Rescaling(1 / 255)(inputs))))
    recipe = resolve(PLAIN, SGD, {"epochs": 1, "crop": 8, "tta": "flip"})
    fitted = fit(model, *wide, recipe, seed=3)
    once = predict(model, wide[2], crop=8).probabilities
    assert fitted.history[0].validation_loss == pytest.approx(log_loss(once, wide[3]), abs=1e-5)
    twice = predict(model, wide[2], "flip", crop=8).probabilities
    np.testing.assert_allclose(fitted.validation_probabilities, twice, atol=1e-6)


def test_a_scaled_loss_of_float16():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        models = dense(5), dense(5)
    finally:
        keras.config.set_dtype_policy("float32")
    recipe = resolve(PLAIN, SGD, {"precision": "mixed_float16"})
    agree(fit(models[0], *DATA, recipe, seed=3), loop.fit(models[1], *DATA, recipe, seed=3), 5e-3)


def test_seeds_together_get_what_each_gets_alone():
    seeds = [3, 4, 5]
    recipe = resolve(PLAIN, SGD, {"patience": 2, "epochs": 6})
    told = []
    models = [convolutions(seed) for seed in seeds]
    together = fit_together(models, *DATA, recipe, seeds, on_epoch_end=lambda index, epoch: told.append((index, epoch)))
    for index, (model, seed) in enumerate(zip(models, seeds, strict=True)):
        alone = convolutions(seed)
        agree(together[index], fit(alone, *DATA, recipe, seed), 1e-4)
        assert together[index].history == [epoch for of, epoch in told if of == index]
        np.testing.assert_allclose(
            predict(model, DATA[2]).probabilities, together[index].validation_probabilities, atol=1e-5
        )
    assert len({fitted.history[-1].loss for fitted in together}) == 3


def test_one_that_diverges_leaves_the_others_alone():
    recipe = resolve(PLAIN, SGD)
    models = [dense(3), dense(4)]
    models[0].set_weights([np.full_like(weights, np.inf) for weights in models[0].get_weights()])
    lost, kept = fit_together(models, *DATA, recipe, [3, 4])
    assert isinstance(lost, Diverged) and "epoch 1, step 1 of 4" in str(lost)
    agree(kept, fit(dense(4), *DATA, recipe, 4), 1e-5)
    with pytest.raises(Diverged, match="the loss became nan"):
        fit(models[0], *DATA, recipe, 3)


def test_augmentation_is_drawn_from_the_seed():
    def losses(seed: int, recipe: dict) -> list[float]:
        model = dense(0, hidden=8)
        return [epoch.loss for epoch in fit(model, *DATA, resolve(PLAIN, SGD, {"epochs": 2}, recipe), seed).history]

    random = {"augmentation": {"policy": "light", "mixup": 0.2}}
    assert losses(1, random) == losses(1, random) != losses(2, random)


def test_blocks_are_unfrozen_stage_by_stage():
    model, states = network(2), [state(network(2))]
    data = images_and_labels(48)
    recipe = resolve(
        PLAIN,
        {"epochs": 2, "backbone": {"trainable_blocks": [[0, 0], [2, 1]], "learning_rate_factor": 0.1}},
        {"optimizer": {"ema": 0.9, "clip_norm": 1.0, "learning_rate": 0.05}},
    )
    theirs = loop.fit(network(2), *data, *data, recipe, seed=0)
    ours = fit(model, *data, *data, recipe, seed=0)
    agree(ours, theirs, 1e-2)  # AdamW makes much of the rounding of gradients that are zero
    states.append(state(model))
    assert changed(*states) == ({"gate", "logits", "block2"} if ours.best_epoch == 2 else {"gate", "logits"})


def test_imgaug_is_refused():
    with pytest.raises(ValueError, match="imgaug"):
        fit(dense(0), *DATA, resolve(PLAIN, {"augmentation": {"imgaug": "light"}}), seed=0)


@pytest.mark.parametrize(
    ("recipe", "stops"),
    [
        ({"optimizer.ema": 0.8, "augmentation": "standard"}, [2, 3]),
        pytest.param({"optimizer.ema": 0.8, "augmentation": "standard"}, [4], marks=pytest.mark.slow),
        ({"schedule": {"name": "plateau", "patience": 1}, "patience": 2, "epochs": 8}, [1]),
    ],
    ids=["ema", "at the end", "patience"],
)
def test_it_goes_on_from_a_checkpoint_to_the_same_end(tmp_path, monkeypatch, recipe, stops):
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)
    resolved = resolve(PLAIN, SGD, recipe)

    def fitted(**events):
        model = convolutions(5)
        done = fit(model, *DATA, resolved, 3, **events)
        return done, model.get_weights()

    whole, weights = fitted()
    for stop in stops:

        def on_epoch(epoch, stop=stop):
            if epoch.epoch == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fitted(checkpoint=checkpoint.Checkpoint(tmp_path, "this"), on_epoch=on_epoch)
    told = []
    resumed, again = fitted(checkpoint=checkpoint.Checkpoint(tmp_path, "this"), on_epoch=told.append)
    assert [epoch.epoch for epoch in told] == [epoch.epoch for epoch in whole.history]
    agree(resumed, whole, 0)
    for ours, theirs in zip(again, weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
