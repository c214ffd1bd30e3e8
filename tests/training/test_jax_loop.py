"""The training loop on the device: it agrees with the loop on the host, and seeds trained together do with each alone.

Keras must run on JAX here: test_jax_backend.py runs this file in another process.
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
from fer_bench.training import loop
from fer_bench.training.history import Diverged
from fer_bench.training.jax_loop import fit, fit_together
from fer_bench.training.loop import FitResult
from fer_bench.training.predict import log_loss, predict

SGD = {"epochs": 3, "optimizer": {"name": "sgd", "learning_rate": 0.2}}
DATA = (*images_and_labels(38), *images_and_labels(20, seed=1))


def convolutional(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    x = inputs = keras.Input((6, 6, 1))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(layers.Rescaling(1 / 255)(x)))
    return keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))


def assert_results_agree(actual: FitResult, desired: FitResult, tolerance: float) -> None:
    assert actual.best_epoch == desired.best_epoch and len(actual.history) == len(desired.history)
    for a, b in zip(actual.history, desired.history, strict=True):
        for name in ("loss", "accuracy", "validation_loss", "validation_accuracy", "learning_rate"):
            assert getattr(a, name) == pytest.approx(getattr(b, name), abs=tolerance), name
    np.testing.assert_allclose(actual.validation_probabilities, desired.validation_probabilities, atol=tolerance)


@pytest.mark.parametrize(
    "recipe",
    [
        {"optimizer.ema": 0.8, "class_weights": "balanced", "label_smoothing": 0.1},
        {"schedule": {"name": "plateau", "patience": 1}, "patience": 2, "epochs": 8, "l2": 0.01},
        {
            "optimizer": {"name": "schedule_free_adamw", "learning_rate": 0.01},
            "augmentation": {"policy": "none", "flip": "alternating"},
        },
        pytest.param({}, marks=pytest.mark.slow),
        pytest.param(
            {"optimizer.clip_norm": 0.1, "sampling": "balanced", "loss": "focal", "batch_size": 500},
            marks=pytest.mark.slow,
        ),
    ],
    ids=lambda recipe: "-".join(recipe) or "plain",
)
def test_both_loops_give_the_same_result(recipe):
    resolved = resolve(PLAIN, SGD, recipe)
    on_host, on_device = dense(5, hidden=8), dense(5, hidden=8)
    expected = loop.fit(on_host, *DATA, resolved, seed=3)
    assert_results_agree(fit(on_device, *DATA, resolved, seed=3), expected, 1e-5)
    for a, b in zip(on_host.get_weights(), on_device.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_epochs_are_validated_on_center_crops_and_the_result_is_predicted_with_tta():
    pad = ((0, 0), (2, 3), (3, 2))
    images, labels, validation_images, validation_labels = np.pad(DATA[0], pad), DATA[1], np.pad(DATA[2], pad), DATA[3]
    keras.utils.set_random_seed(5)
    inputs = keras.Input((8, 8, 1))
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(layers.Rescaling(1 / 255)(inputs))))
    recipe = resolve(PLAIN, SGD, {"epochs": 1, "crop": 8, "tta": "flip"})
    result = fit(model, images, labels, validation_images, validation_labels, recipe, seed=3)
    center = predict(model, validation_images, crop=8).probabilities
    assert result.history[0].validation_loss == pytest.approx(log_loss(center, validation_labels), abs=1e-5)
    averaged = predict(model, validation_images, "flip", crop=8).probabilities
    np.testing.assert_allclose(result.validation_probabilities, averaged, atol=1e-6)


def test_mixed_float16_scales_the_loss():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        models = dense(5), dense(5)
    finally:
        keras.config.set_dtype_policy("float32")
    recipe = resolve(PLAIN, SGD, {"precision": "mixed_float16"})
    on_device, on_host = fit(models[0], *DATA, recipe, seed=3), loop.fit(models[1], *DATA, recipe, seed=3)
    assert_results_agree(on_device, on_host, 5e-3)


def test_seeds_trained_together_give_the_result_of_each_alone():
    seeds = [3, 4]
    recipe = resolve(PLAIN, SGD, {"patience": 2, "epochs": 5})
    events = []
    models = [convolutional(seed) for seed in seeds]
    together = fit_together(models, *DATA, recipe, seeds, on_epoch_end=lambda i, epoch: events.append((i, epoch)))
    for index, (model, seed) in enumerate(zip(models, seeds, strict=True)):
        assert_results_agree(together[index], fit(convolutional(seed), *DATA, recipe, seed), 1e-4)
        assert together[index].history == [epoch for i, epoch in events if i == index]
        probabilities = predict(model, DATA[2]).probabilities
        np.testing.assert_allclose(probabilities, together[index].validation_probabilities, atol=1e-5)
    assert len({result.history[-1].loss for result in together}) == 2


def test_a_diverged_seed_does_not_affect_the_others():
    recipe = resolve(PLAIN, SGD)
    models = [dense(3), dense(4)]
    models[0].set_weights([np.full_like(weights, np.inf) for weights in models[0].get_weights()])
    diverged, result = fit_together(models, *DATA, recipe, [3, 4])
    assert isinstance(diverged, Diverged) and "epoch 1, step 1 of 2" in str(diverged)
    assert_results_agree(result, fit(dense(4), *DATA, recipe, 4), 1e-5)
    with pytest.raises(Diverged, match="nan"):
        fit(models[0], *DATA, recipe, 3)


def test_the_seed_determines_the_augmentation():
    recipe = resolve(PLAIN, SGD, {"epochs": 1, "augmentation": {"policy": "none", "flip": 0.5, "mixup": 0.2}})

    def losses(seed: int) -> list[float]:
        return [epoch.loss for epoch in fit(dense(0, hidden=8), *DATA, recipe, seed).history]

    assert losses(1) == losses(1) != losses(2)


def test_blocks_are_unfrozen_by_stages():
    model, before = network(2), state(network(2))
    data = images_and_labels(24)
    recipe = resolve(
        PLAIN,
        {"epochs": 2, "backbone": {"trainable_blocks": [[0, 0], [2, 1]], "learning_rate_factor": 0.1}},
        {"optimizer": {"ema": 0.9, "clip_norm": 1.0, "learning_rate": 0.05}},
    )
    expected = loop.fit(network(2), *data, *data, recipe, seed=0)
    result = fit(model, *data, *data, recipe, seed=0)
    assert_results_agree(result, expected, 1e-2)  # AdamW amplifies the rounding of gradients that are zero
    trained = {"gate", "logits", "block2"} if result.best_epoch == 2 else {"gate", "logits"}
    assert changed(before, state(model)) == trained


def test_imgaug_policies_are_rejected():
    with pytest.raises(ValueError, match="imgaug"):
        fit(dense(0), *DATA, resolve(PLAIN, {"augmentation": {"imgaug": "light"}}), seed=0)
