"""Cached features of a frozen backbone: the same result as training without a cache, with fewer computations."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_bench.config.recipe import resolve
from fer_bench.training import features
from fer_bench.training.cost import measure_inference_costs
from fer_bench.training.features import cached_batches, make_feature_cache, split_after_backbone
from fer_bench.training.flops import count_flops
from fer_bench.training.freezing import set_trainable_blocks
from fer_bench.training.loop import fit
from fer_bench.training.predict import predict

COUNT = 44  # 4 images more than full batches of 8
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 6, 6), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 3, COUNT)
VALIDATION = IMAGES[::-3].copy(), LABELS[::-3]
QUICK = {"batch_size": 8, "augmentation": "none", "patience": None, "epochs": 4}
FROZEN = {"backbone.trainable_blocks": 0}
NO_CACHE = {"backbone.cached_augmentations": 0}


class Gate(layers.Layer):
    """A custom layer between pretrained layers, which is trained while they are frozen."""

    def build(self, shape):
        self.gate = self.add_weight(shape=(shape[-1],), initializer="ones", name="gate")

    def call(self, x):
        return x * self.gate


def network(between=None, tail=None, bypass=False, side=6) -> keras.Model:
    """Return a backbone of two blocks, with `between` between them and `tail` behind them, and a head."""
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((side, side, 1))
    for block in (1, 2):
        x = layers.Conv2D(4, 3, padding="same", name=f"block{block}_conv")(x)
        x = layers.BatchNormalization(name=f"block{block}_bn")(x)
        x = layers.ReLU(name=f"block{block}_relu")(x)
        if block == 1 and between is not None:
            x = between(x)
    backbone = keras.Model(inputs, x, name="backbone")
    backbone.get_layer("block1_bn").moving_mean.assign([0.1, 0.2, 0.3, 0.4])
    pixels = keras.Input((side, side, 1), name="pixels")
    x = backbone(layers.Rescaling(1 / 255)(pixels))
    if tail is not None:
        x = tail(x)
    x = layers.BatchNormalization(name="features", momentum=0.9)(x)
    x = layers.Dropout(0.4)(layers.Flatten()(x))
    if bypass:
        x = layers.Concatenate()([x, layers.Flatten()(pixels)])
    return keras.Model(pixels, layers.Dense(3, dtype="float32", name="logits")(x), name="tiny")


def train(model: keras.Model, *recipe: dict, seed: int = 1, **events):
    return fit(model, IMAGES, LABELS, *VALIDATION, resolve(QUICK, FROZEN, *recipe), seed, **events)


def make_cache(*recipe: dict, model: keras.Model | None = None):
    model, resolved = model or network(), resolve(QUICK, FROZEN, *recipe)
    set_trainable_blocks(model, resolved.backbone.trainable_blocks)
    return make_feature_cache(model, IMAGES, VALIDATION[0], resolved)


def batches_of(cache, *recipe: dict, seed: int = 1, epochs: int = 4) -> list[list]:
    """Return the batches of some epochs."""
    resolved, targets = resolve(QUICK, FROZEN, *recipe), np.eye(3, dtype=np.float32)[LABELS]
    return [
        list(cached_batches(cache, IMAGES, targets, resolved, seed, epoch, LABELS)) for epoch in range(1, epochs + 1)
    ]


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """Record the number of images, without padding, of each call of the separate backbone."""
    counts, compute = [], features._extract

    def counted(network, x, real):
        counts.append(real)
        return compute(network, x, real)

    monkeypatch.setattr(features, "_extract", counted)
    return counts


ALL_OPTIONS = {
    "optimizer": {"ema": 0.8, "clip_norm": 1.0, "learning_rate": 0.05},
    "backbone.learning_rate_factor": 0.1,
    "schedule": {"name": "plateau", "patience": 1, "warmup_epochs": 0},
    "sampling": "balanced",
    "label_smoothing": 0.1,
    "l2": 1e-3,
    "tta": "flip",
}


@pytest.mark.parametrize(
    "recipe",
    [
        {"optimizer.learning_rate": 0.1, "class_weights": "balanced"},
        ALL_OPTIONS,
        pytest.param(
            {"backbone.trainable_blocks": [[0, 0], [3, "all"]], "optimizer.learning_rate": 0.01},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["class weights", "all options", "gradual"],
)
def test_without_augmentation_cached_features_change_no_prediction(recipe, computed):
    """Also runs on JAX, see test_jax_backend.py."""
    plain, cached = network(), network()
    expected, steps = train(plain, recipe, NO_CACHE), []
    assert computed == []
    result = train(cached, recipe, on_step_end=lambda step, of, loss: steps.append((step, of)))
    assert sum(computed) >= COUNT + len(VALIDATION[0])
    np.testing.assert_allclose(result.validation_probabilities, expected.validation_probabilities, atol=1e-4)
    assert np.ptp(result.validation_probabilities, axis=0).max() > 0.01  # differs between images
    assert result.best_epoch == expected.best_epoch and steps == [(n, 5) for n in range(1, 6)] * 4
    for actual, desired in zip(result.history, expected.history, strict=True):
        assert actual.learning_rate == desired.learning_rate
        for value in ("loss", "accuracy", "validation_loss", "validation_accuracy"):
            assert getattr(actual, value) == pytest.approx(getattr(desired, value), abs=1e-4)
    # The whole model is trained, not only its head.
    np.testing.assert_allclose(predict(cached, IMAGES).probabilities, predict(plain, IMAGES).probabilities, atol=1e-4)


def test_every_image_goes_through_the_backbone_once(computed):
    train(network(), {"epochs": 2})
    assert sum(computed) == COUNT + len(VALIDATION[0])


def test_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        one = train(network(), {"precision": "mixed_bfloat16"}, NO_CACHE)
        other = train(network(), {"precision": "mixed_bfloat16"})
        assert make_cache().training.dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy(policy)
    # The two compiled graphs round differently.
    np.testing.assert_allclose(one.validation_probabilities, other.validation_probabilities, atol=0.02)


def test_cached_augmentations_differ_rotate_and_depend_on_the_seed():
    recipe = {"augmentation": "strong", "backbone.cached_augmentations": 3, "epochs": 6}
    cache = make_cache(recipe)
    epochs = batches_of(cache, recipe, epochs=6)
    assert len(cache.training) == 3
    for one, other in ((0, 1), (1, 2), (0, 2)):
        changed = np.abs(cache.training[one] - cache.training[other]).max(axis=(1, 2, 3)) > 1e-3
        assert changed.mean() > 0.9
    for number, batches in enumerate(epochs):
        samples = [{row.tobytes(): n for n, row in enumerate(view)} for view in cache.training]
        seen = [samples[number % 3][row.tobytes()] for x, _ in batches for row in x]
        assert len(set(seen)) == 40
        np.testing.assert_array_equal(np.concatenate([y for _, y in batches]).argmax(1), LABELS[seen])
    orders = [np.concatenate([x for x, _ in batches]) for batches in epochs]
    assert not np.array_equal(orders[0], orders[3])  # the same augmentation in another order

    again, other = make_cache(recipe), make_cache(recipe)
    batches_of(again, recipe)
    batches_of(other, recipe, seed=2)
    np.testing.assert_array_equal(again.training, cache.training)
    assert not np.array_equal(other.training, cache.training)


def test_features_of_crops():
    model = network(side=8)
    set_trainable_blocks(model, 0)
    images = np.random.default_rng(2).integers(0, 256, (COUNT, 10, 10), dtype=np.uint8)
    recipe = resolve(QUICK, FROZEN, {"crop": 8, "sampling": "balanced", "backbone.cached_augmentations": 2})
    cache = make_feature_cache(model, images, images[:5], recipe)
    for epoch in (1, 2):
        list(cached_batches(cache, images, np.eye(3)[LABELS], recipe, 0, epoch, LABELS))
    expected = np.asarray(split_after_backbone(model).backbone.predict_on_batch(images[:5, 1:9, 1:9, None]))
    np.testing.assert_allclose(cache.validation, expected, atol=1e-6)
    corners = [(y, x) for y in range(3) for x in range(3)]
    crops = np.stack([images[:, y : y + 8, x : x + 8, None] for y, x in corners])
    possible = np.stack([np.asarray(split_after_backbone(model).backbone.predict_on_batch(crop)) for crop in crops])
    for view in cache.training:  # also for images that are in no batch
        assert (np.abs(possible - view).max(axis=(2, 3, 4)).min(axis=0) < 1e-5).all()


def test_dropout_of_the_head_differs_in_every_epoch():
    losses = [epoch.loss for epoch in train(network(), {"optimizer.learning_rate": 1e-30}).history]
    assert len(set(losses)) == 4


@pytest.mark.parametrize(
    ("model", "recipe"),
    [
        ({"between": Gate()}, {}),
        ({"between": layers.Dropout(0.5)}, {}),
        ({"bypass": True}, {}),
        ({}, {"augmentation.mixup": 0.2}),
        ({}, {"augmentation.cutmix": 1.0}),
        ({}, {"backbone.trainable_blocks": 1}),
        ({}, NO_CACHE),
    ],
    ids=["trained layer", "random layer", "bypass", "mixup", "cutmix", "trained block", "disabled"],
)
def test_nothing_is_cached_if_the_features_would_change(model, recipe, computed):
    assert make_cache(recipe, model=network(**model)) is None
    assert computed == []


def test_the_model_is_split_after_its_last_constant_layer():
    model = network(tail=lambda x: layers.GlobalAveragePooling2D(keepdims=True)(layers.Rescaling(2.0)(x)))
    set_trainable_blocks(model, 0)
    parts = split_after_backbone(model)
    assert parts.backbone.output_shape == (None, 1, 1, 4)
    x = IMAGES[:5, ..., None]
    np.testing.assert_allclose(parts.head(parts.backbone(x)), model(x), rtol=1e-5)
    set_trainable_blocks(model, 1)
    assert split_after_backbone(model) is None


def test_little_memory_holds_fewer_augmentations_or_none(monkeypatch, computed):
    recipe = {"augmentation": "standard", "backbone.cached_augmentations": 3}
    image = 6 * 6 * 4 * 4
    for views in (3, 2, 1):
        monkeypatch.setattr(features, "MAX_CACHE_BYTES", (views * COUNT + len(VALIDATION[0])) * image)
        assert len(make_cache(recipe).training) == views
    monkeypatch.setattr(features, "MAX_CACHE_BYTES", (COUNT + len(VALIDATION[0])) * image - 1)
    assert make_cache(recipe) is None
    computed.clear()
    assert len(train(network(), recipe).history) == 4 and computed == []


def test_computing_features_is_part_of_the_training_time(monkeypatch):
    """A fake clock runs only in calls of the backbone, 1 s per call."""
    clock, compute = [0.0], features._extract

    def slow(*arguments):
        clock[0] += 1
        return compute(*arguments)

    monkeypatch.setattr(features, "_extract", slow)
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])
    monkeypatch.setattr(features, "PREDICTION_BATCH_SIZE", 8)
    first, *others = (result := train(network())).history
    assert first.train_seconds == 6 and all(epoch.train_seconds == 0 for epoch in others)
    assert first.validation_seconds == 2 and all(epoch.validation_seconds == 0 for epoch in others)
    assert result.compile_seconds == 0
    assert result.images_per_second == pytest.approx(4 * 40 / sum(e.train_seconds for e in result.history))


def test_a_model_trained_from_its_cache_can_be_saved(tmp_path):
    model = network()
    train(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(predict(loaded, IMAGES).probabilities, predict(model, IMAGES).probabilities, atol=1e-6)


def test_early_stopping_computes_no_features_for_later_epochs(computed):
    recipe = {"epochs": 5, "patience": 1, "augmentation": "standard", "backbone.cached_augmentations": 5}
    constant = {"optimizer": {"learning_rate": 1e-30, "weight_decay": 0}}
    result = train(network(), recipe, constant)
    assert len(result.history) < 5
    assert sum(computed) == len(result.history) * COUNT + len(VALIDATION[0])


def test_inference_costs_after_training_from_a_cache_are_those_of_the_whole_model():
    whole, cached = network(), network()
    train(cached)
    assert count_flops(cached) == count_flops(whole) > 2 * 6 * 6 * 9 * 4 * 4
    used = measure_inference_costs(cached)
    assert None not in used.values() and cached.count_params() == whole.count_params()
