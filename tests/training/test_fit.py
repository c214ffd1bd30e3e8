"""Training does what its recipe asks for: views, sequences, soft labels, and all of it twice the same."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

from fer_bench.config.recipe import resolve
from fer_bench.training.loop import fit
from fer_bench.training.predict import predict, softmax

PLAIN = {"augmentation": "none", "batch_size": 16, "schedule.warmup_epochs": 0}


def wide_images(count: int, seed: int = 0, side: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Images of `side` pixels, of three classes told apart by where they are bright."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    bright = np.arange(side) * 3 // side == labels[:, None]
    images = rng.normal(80 + 60 * bright[:, :, None], 40, (count, side, side))
    return np.clip(images, 0, 255).astype(np.uint8), labels


def placed(*shape: int) -> keras.Model:
    """Dropout and dense layers: they see where things are, so that every view has probabilities of its own."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((*shape, 1))
    x = layers.Dropout(0.2)(layers.Flatten()(layers.Rescaling(1 / 255)(inputs)))
    hidden = layers.BatchNormalization()(layers.Dense(8, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(3)(hidden))


def by_hand(model: keras.Model, views: list[np.ndarray]) -> np.ndarray:
    """Mean probabilities over views (samples, height, width)."""
    return np.mean([softmax(np.array(model(view[..., None], training=False))) for view in views], axis=0)


def ten_crops(images: np.ndarray) -> list[np.ndarray]:
    """The ten 8×8 views of 10×10 images."""
    crops = [images[:, y : y + 8, x : x + 8] for y, x in ((0, 0), (0, 2), (2, 0), (2, 2), (1, 1))]
    return [*crops, *(crop[:, :, ::-1] for crop in crops)]


def test_predictions_are_the_mean_over_the_views():
    images, _ = wide_images(11)
    whole, cropped = placed(10, 10), placed(8, 8)
    flip = predict(whole, images, "flip").probabilities
    np.testing.assert_allclose(flip, by_hand(whole, [images, images[:, :, ::-1]]), rtol=1e-5)
    centre = predict(cropped, images, crop=8).probabilities
    np.testing.assert_allclose(centre, by_hand(cropped, [images[:, 1:9, 1:9]]), rtol=1e-5)
    ten = predict(cropped, images, "ten-crop", crop=8).probabilities
    np.testing.assert_allclose(ten, by_hand(cropped, ten_crops(images)), rtol=1e-5)
    assert np.abs(ten - centre).max() > 0.01


def test_the_speed_of_prediction_counts_images_and_not_views(monkeypatch):
    model, clock = placed(8, 8), iter(np.arange(0, 100, 0.5))
    monkeypatch.setattr(
        "fer_bench.training.predict.time", SimpleNamespace(perf_counter=lambda: next(clock))
    )  # a call takes half a second
    predicted = predict(model, wide_images(7)[0], "ten-crop", crop=8)
    assert predicted.images_per_second == pytest.approx(7 / (10 * 0.5))
    assert predicted.compile_seconds == 0


def test_epochs_are_judged_by_the_centre_and_the_record_by_the_views_of_the_test():
    model, (images, labels) = placed(8, 8), wide_images(20, seed=1)
    recipe = resolve(PLAIN, {"epochs": 3, "crop": 8, "tta": "ten-crop"})
    fitted = fit(model, *wide_images(40), images, labels, recipe, seed=0)
    centre = by_hand(model, [images[:, 1:9, 1:9]])
    best = fitted.history[fitted.best_epoch - 1]
    assert best.validation_accuracy == pytest.approx(np.mean(centre.argmax(1) == labels))
    np.testing.assert_allclose(fitted.validation_probabilities, by_hand(model, ten_crops(images)), rtol=1e-4)


def test_sequences_are_learnt_from_what_happens_in_time():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    bright = np.arange(3) == labels[:, None]  # (samples, time): which frame is bright
    images = np.clip(rng.normal(80 + 80 * bright[:, :, None, None], 30, (60, 3, 6, 6)), 0, 255).astype(np.uint8)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3, 6, 6, 1))
    x = layers.TimeDistributed(layers.Flatten())(layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, layers.Dense(3)(layers.GRU(8)(x)))
    recipe = resolve(PLAIN, {"epochs": 15, "augmentation": "light", "optimizer.learning_rate": 0.02})
    fitted = fit(model, images[:40], labels[:40], images[40:], labels[40:], recipe, seed=0)
    assert max(epoch.validation_accuracy for epoch in fitted.history) > 0.8


EVERYTHING = {
    "epochs": 3,
    "crop": 8,
    "augmentation": {"policy": "strong", "mixup": 0.2, "cutmix": 0.5},
    "loss": "focal",
    "label_smoothing": 0.1,
    "sampling": "balanced",
    "soft_labels": True,
    "l1": 1e-5,
    "l2": 1e-4,
    "optimizer": {"name": "adamw", "clip_norm": 1.0, "ema": 0.9},
    "schedule": {"name": "plateau", "patience": 1},
    "tta": "ten-crop",
}


def test_with_everything_on_the_same_seed_gives_the_same_predictions():
    (images, labels), (others, their_labels) = wide_images(40), wide_images(20, seed=1)
    soft = np.random.default_rng(0).dirichlet([1, 1, 1], 40).astype(np.float32)
    recipe = resolve(PLAIN, EVERYTHING)
    ran = [
        fit(placed(8, 8), images, labels, others, their_labels, recipe, seed, soft_labels=soft) for seed in (0, 0, 1)
    ]
    one, again, other = (fitted.validation_probabilities.tobytes() for fitted in ran)
    assert one == again != other


def test_soft_labels_are_what_is_learnt():
    images, labels = wide_images(40)
    soft = np.tile(np.array([0.1, 0.2, 0.7], np.float32), (40, 1))
    recipe = resolve(PLAIN, {"epochs": 20, "soft_labels": True, "optimizer.learning_rate": 0.02, "patience": None})
    model = placed(10, 10)
    fit(model, images, labels, images, np.full(40, 2), recipe, seed=0, soft_labels=soft)
    np.testing.assert_allclose(predict(model, images).probabilities.mean(axis=0), [0.1, 0.2, 0.7], atol=0.08)
    with pytest.raises(ValueError, match="no label distributions"):
        fit(model, images, labels, images, labels, recipe, seed=0)
