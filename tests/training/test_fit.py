"""Recipes in training: test-time views, sequences, soft labels, and reproducibility."""

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
    """Return images of `side` pixels, whose three classes differ in the position of the bright rows."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    bright = np.arange(side) * 3 // side == labels[:, None]
    images = rng.normal(80 + 60 * bright[:, :, None], 40, (count, side, side))
    return np.clip(images, 0, 255).astype(np.uint8), labels


def dropout_model(*shape: int) -> keras.Model:
    """Return dropout and dense layers, which depend on positions, so that all views have different probabilities."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((*shape, 1))
    x = layers.Dropout(0.2)(layers.Flatten()(layers.Rescaling(1 / 255)(inputs)))
    hidden = layers.BatchNormalization()(layers.Dense(8, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(3)(hidden))


def expected_probabilities(model: keras.Model, views: list[np.ndarray]) -> np.ndarray:
    """Return the mean probabilities over views (samples, height, width)."""
    return np.mean([softmax(np.array(model(view[..., None], training=False))) for view in views], axis=0)


def ten_crops(images: np.ndarray) -> list[np.ndarray]:
    """Return the ten 8×8 views of 10×10 images."""
    crops = [images[:, y : y + 8, x : x + 8] for y, x in ((0, 0), (0, 2), (2, 0), (2, 2), (1, 1))]
    return [*crops, *(crop[:, :, ::-1] for crop in crops)]


def test_predictions_are_the_mean_over_the_views():
    images, _ = wide_images(11)
    whole, cropped = dropout_model(10, 10), dropout_model(8, 8)
    flip = predict(whole, images, "flip").probabilities
    np.testing.assert_allclose(flip, expected_probabilities(whole, [images, images[:, :, ::-1]]), rtol=1e-5)
    center = predict(cropped, images, crop=8).probabilities
    np.testing.assert_allclose(center, expected_probabilities(cropped, [images[:, 1:9, 1:9]]), rtol=1e-5)
    ten = predict(cropped, images, "ten-crop", crop=8).probabilities
    np.testing.assert_allclose(ten, expected_probabilities(cropped, ten_crops(images)), rtol=1e-5)
    assert np.abs(ten - center).max() > 0.01


def test_prediction_speed_counts_images_not_views(monkeypatch):
    model, clock = dropout_model(8, 8), iter(np.arange(0, 100, 0.5))
    monkeypatch.setattr(
        "fer_bench.training.predict.time", SimpleNamespace(perf_counter=lambda: next(clock))
    )  # a call takes half a second
    predicted = predict(model, wide_images(7)[0], "ten-crop", crop=8)
    assert predicted.images_per_second == pytest.approx(7 / (10 * 0.5))
    assert predicted.compile_seconds == 0


def test_epochs_use_the_center_crop_and_the_result_uses_tta():
    model, (images, labels) = dropout_model(8, 8), wide_images(20, seed=1)
    recipe = resolve(PLAIN, {"epochs": 3, "crop": 8, "tta": "ten-crop"})
    result = fit(model, *wide_images(40), images, labels, recipe, seed=0)
    center = expected_probabilities(model, [images[:, 1:9, 1:9]])
    best = result.history[result.best_epoch - 1]
    assert best.validation_accuracy == pytest.approx(np.mean(center.argmax(1) == labels))
    np.testing.assert_allclose(
        result.validation_probabilities, expected_probabilities(model, ten_crops(images)), rtol=1e-4
    )


def test_sequences_are_learned_from_changes_over_time():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    bright = np.arange(3) == labels[:, None]  # (samples, time), True for the bright frame
    images = np.clip(rng.normal(80 + 80 * bright[:, :, None, None], 30, (60, 3, 6, 6)), 0, 255).astype(np.uint8)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3, 6, 6, 1))
    x = layers.TimeDistributed(layers.Flatten())(layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, layers.Dense(3)(layers.GRU(8)(x)))
    recipe = resolve(PLAIN, {"epochs": 15, "augmentation": "light", "optimizer.learning_rate": 0.02})
    result = fit(model, images[:40], labels[:40], images[40:], labels[40:], recipe, seed=0)
    assert max(epoch.validation_accuracy for epoch in result.history) > 0.8


ALL_OPTIONS = {
    "epochs": 2,
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


def test_with_all_options_the_same_seed_gives_the_same_predictions():
    (images, labels), (validation_images, validation_labels) = wide_images(40), wide_images(20, seed=1)
    soft = np.random.default_rng(0).dirichlet([1, 1, 1], 40).astype(np.float32)
    recipe = resolve(PLAIN, ALL_OPTIONS)
    results = [
        fit(dropout_model(8, 8), images, labels, validation_images, validation_labels, recipe, seed, soft_labels=soft)
        for seed in (0, 0, 1)
    ]
    one, again, other = (result.validation_probabilities.tobytes() for result in results)
    assert one == again != other


def test_soft_labels_are_learned():
    images, labels = wide_images(40)
    soft = np.tile(np.array([0.1, 0.2, 0.7], np.float32), (40, 1))
    recipe = resolve(PLAIN, {"epochs": 20, "soft_labels": True, "optimizer.learning_rate": 0.02, "patience": None})
    model = dropout_model(10, 10)
    fit(model, images, labels, images, np.full(40, 2), recipe, seed=0, soft_labels=soft)
    np.testing.assert_allclose(predict(model, images).probabilities.mean(axis=0), [0.1, 0.2, 0.7], atol=0.08)
    with pytest.raises(ValueError, match="no label distributions"):
        fit(model, images, labels, images, labels, recipe, seed=0)
