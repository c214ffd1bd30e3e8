"""The loss compared with NumPy, on one-hot and soft targets."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_bench.config.recipe import resolve
from fer_bench.training.loop import compile_model, fit
from fer_bench.training.loss import add_kernel_regularizers, class_weights, make_loss, make_targets
from fer_bench.training.predict import softmax

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 2, (7, 3)).astype(np.float32)
ONE_HOT = np.eye(3, dtype=np.float32)[RNG.integers(0, 3, 7)]
SOFT = RNG.dirichlet([1, 1, 1], 7).astype(np.float32)


@pytest.mark.parametrize("targets", [ONE_HOT, SOFT], ids=["one-hot", "soft"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy(targets, smoothing):
    smoothed = targets * (1 - smoothing) + smoothing / 3
    expected = -(smoothed * np.log(softmax(LOGITS))).sum(axis=1).mean()
    assert float(make_loss(resolve({"label_smoothing": smoothing}))(targets, LOGITS)) == pytest.approx(expected, 1e-5)


@pytest.mark.parametrize(("gamma", "smoothing"), [(0.0, 0.0), (2.0, 0.0), (2.0, 0.1)])
def test_focal_loss(gamma, smoothing):
    probabilities = softmax(LOGITS)
    smoothed = ONE_HOT * (1 - smoothing) + smoothing / 3
    expected = -(smoothed * (1 - probabilities) ** gamma * np.log(probabilities)).sum(axis=1).mean()
    recipe = resolve({"loss": "focal", "focal_gamma": gamma, "label_smoothing": smoothing})
    assert float(make_loss(recipe)(ONE_HOT, LOGITS)) == pytest.approx(expected, rel=1e-4)


def test_targets_are_one_hot_or_label_distributions():
    labels = np.array([2, 0])
    np.testing.assert_array_equal(make_targets(resolve(), labels, 3, SOFT[:2]), [[0, 0, 1], [1, 0, 0]])
    soft = make_targets(resolve({"soft_labels": True}), labels, 3, SOFT[:2].astype(np.float64))
    np.testing.assert_array_equal(soft, SOFT[:2])
    assert soft.dtype == np.float32


@pytest.mark.parametrize(("soft", "word"), [(None, "no label distributions"), (SOFT[:, :2], r"shape \(7, 3\)")])
def test_missing_label_distributions_are_an_error(soft, word):
    with pytest.raises(ValueError, match=word):
        make_targets(resolve({"soft_labels": True}), np.zeros(7, np.int64), 3, soft)


def test_class_weights_balance_the_classes():
    labels = np.array([0] * 6 + [1] * 3 + [2])
    assert class_weights(resolve(), labels, 3) is None
    weights = class_weights(resolve({"class_weights": "balanced"}), labels, 3)
    np.testing.assert_allclose(weights, [10 / 18, 10 / 9, 10 / 3], rtol=1e-6)
    assert weights[labels].mean() == pytest.approx(1)
    assert np.isfinite(class_weights(resolve({"class_weights": "balanced"}), labels, 4)).all()


def dense() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((6, 6, 1))
    x = layers.Flatten()(layers.Rescaling(1 / 255)(inputs))
    x = layers.BatchNormalization()(layers.Dense(5, activation="relu")(x))
    return keras.Model(inputs, layers.Dense(3)(x))


@pytest.mark.parametrize("balanced", [False, True])
def test_the_first_loss_of_a_run(balanced):
    images = RNG.integers(0, 256, (12, 6, 6), dtype=np.uint8)
    labels = np.array([0] * 8 + [1] * 3 + [2])
    soft = RNG.dirichlet([1, 1, 1], 12).astype(np.float32)
    recipe = {"epochs": 1, "batch_size": 12, "augmentation": "none", "soft_labels": True, "loss": "cross_entropy"}
    resolved = resolve(recipe, {"class_weights": "balanced"} if balanced else {})
    model = dense()
    log_probabilities = np.log(softmax(np.array(model(images[..., None], training=True))))
    weights = soft @ (12 / (3 * np.array([8, 3, 1]))) if balanced else 1.0
    expected = -(weights * (soft * log_probabilities).sum(axis=1)).mean()
    result = fit(dense(), images, labels, images, labels, resolved, seed=0, soft_labels=soft)
    assert result.history[0].loss == pytest.approx(expected, rel=1e-4)


def test_penalties_apply_to_kernels_only_and_are_part_of_the_loss():
    model = dense()
    compile_model(model, resolve({"l1": 0.01, "l2": 0.1}))
    kernels = [np.array(v) for v in model.trainable_variables if "kernel" in v.name]
    expected = sum(0.01 * np.abs(kernel).sum() + 0.1 * (kernel**2).sum() for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
    x = RNG.integers(0, 256, (7, 6, 6, 1), dtype=np.uint8)
    cross_entropy = float(make_loss(resolve())(ONE_HOT, model(x, training=True)))
    logs = model.train_on_batch(x, ONE_HOT, return_dict=True)
    assert float(logs["loss"]) == pytest.approx(cross_entropy + expected, rel=1e-4)


def test_frozen_kernels_have_no_penalty():
    model = dense()
    add_kernel_regularizers(model, resolve({"l2": 0.1}))
    model.layers[-1].trainable = False
    assert len(model.losses) == 1


def test_l2_shrinks_kernels():
    images = np.full((7, 6, 6, 1), 128, np.uint8)  # identical, so that only the penalty changes the last kernel
    sizes = []
    for l2 in (0.0, 0.1):
        model = dense()
        compile_model(model, resolve({"l2": l2, "optimizer": {"learning_rate": 0.02, "weight_decay": 0}}))
        for _ in range(10):
            model.train_on_batch(images, ONE_HOT)
        sizes.append(np.linalg.norm(np.array(model.layers[-1].kernel)))
    assert sizes[1] < 0.9 * sizes[0]
