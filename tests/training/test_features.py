"""Features of a frozen backbone, computed once: the same training as the plain way, in a fraction of its steps."""

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

COUNT = 44  # a batch of 8 leaves 4 over
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, 6, 6), dtype=np.uint8)
LABELS = np.random.default_rng(1).integers(0, 3, COUNT)
VALIDATION = IMAGES[::-3].copy(), LABELS[::-3]
QUICK = {"batch_size": 8, "augmentation": "none", "patience": None, "epochs": 4}
FROZEN = {"backbone.trainable_blocks": 0}
PLAIN = {"backbone.cached_augmentations": 0}


class Gate(layers.Layer):
    """Attention between pretrained layers: trained while they are frozen."""

    def build(self, shape):
        self.gate = self.add_weight(shape=(shape[-1],), initializer="ones", name="gate")

    def call(self, x):
        return x * self.gate


def network(between=None, tail=None, bypass=False, side=6) -> keras.Model:
    """A backbone of two blocks, `between` them and `tail` behind them, under a head with all that makes it hard."""
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


def trained(model: keras.Model, *recipe: dict, seed: int = 1, **events):
    return fit(model, IMAGES, LABELS, *VALIDATION, resolve(QUICK, FROZEN, *recipe), seed, **events)


def cache_of(*recipe: dict, model: keras.Model | None = None):
    model = model or network()
    set_trainable_blocks(model, 0)
    return make_feature_cache(model, IMAGES, VALIDATION[0], resolve(QUICK, FROZEN, *recipe))


def views_of(cache, *recipe: dict, seed: int = 1, epochs: int = 4) -> list[list]:
    """The batches of some epochs."""
    resolved, targets = resolve(QUICK, FROZEN, *recipe), np.eye(3, dtype=np.float32)[LABELS]
    return [
        list(cached_batches(cache, IMAGES, targets, resolved, seed, epoch, LABELS)) for epoch in range(1, epochs + 1)
    ]


@pytest.fixture
def computed(monkeypatch) -> list[int]:
    """How many images each call of the backbone alone was given that are real."""
    counts, compute = [], features._extract

    def counted(network, x, real):
        counts.append(real)
        return compute(network, x, real)

    monkeypatch.setattr(features, "_computed", counted)
    return counts


EVERYTHING = {
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
        {},
        {"optimizer.learning_rate": 0.1, "class_weights": "balanced"},
        EVERYTHING,
        {"backbone.trainable_blocks": [[0, 0], [3, "all"]], "optimizer.learning_rate": 0.01},
    ],
    ids=["plain", "class weights", "everything", "gradual"],
)
def test_without_augmentation_the_predictions_are_those_of_the_plain_way(recipe, computed):
    """Also run on JAX, by test_jax.py."""
    plain, cached = network(), network()
    expected, steps = trained(plain, recipe, PLAIN), []
    assert computed == []
    fitted = trained(cached, recipe, on_step=lambda step, of, loss: steps.append((step, of)))
    assert sum(computed) >= COUNT + len(VALIDATION[0])
    np.testing.assert_allclose(fitted.validation_probabilities, expected.validation_probabilities, atol=1e-4)
    assert np.ptp(fitted.validation_probabilities, axis=0).max() > 0.01  # not the same for every image
    assert fitted.best_epoch == expected.best_epoch and steps == [(n, 5) for n in range(1, 6)] * 4
    for ours, theirs in zip(fitted.history, expected.history, strict=True):
        assert ours.learning_rate == theirs.learning_rate
        for value in ("loss", "accuracy", "validation_loss", "validation_accuracy"):
            assert getattr(ours, value) == pytest.approx(getattr(theirs, value), abs=1e-4)
    # The model that was asked for is the one that was trained.
    np.testing.assert_allclose(predict(cached, IMAGES).probabilities, predict(plain, IMAGES).probabilities, atol=1e-4)


def test_every_image_goes_through_the_backbone_once(computed):
    trained(network(), {"epochs": 5})
    assert sum(computed) == COUNT + len(VALIDATION[0])


def test_in_mixed_precision_too():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        one = trained(network(), {"precision": "mixed_bfloat16"}, PLAIN)
        other = trained(network(), {"precision": "mixed_bfloat16"})
        assert cache_of().training.dtype == "bfloat16"
    finally:
        keras.config.set_dtype_policy(policy)
    # The compiled steps round at other places.
    np.testing.assert_allclose(one.validation_probabilities, other.validation_probabilities, atol=0.02)


def test_augmented_views_differ_take_turns_and_come_from_the_seed():
    recipe = {"augmentation": "strong", "backbone.cached_augmentations": 3, "epochs": 6}
    cache = cache_of(recipe)
    epochs = views_of(cache, recipe, epochs=6)
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
    assert not np.array_equal(orders[0], orders[3])  # the same view in a new order

    again, other = cache_of(recipe), cache_of(recipe)
    views_of(again, recipe)
    views_of(other, recipe, seed=2)
    np.testing.assert_array_equal(again.training, cache.training)
    assert not np.array_equal(other.training, cache.training)


def test_features_are_those_of_the_model_for_crops_too():
    model = network(side=8)
    set_trainable_blocks(model, 0)
    wide = np.random.default_rng(2).integers(0, 256, (COUNT, 10, 10), dtype=np.uint8)
    recipe = resolve(QUICK, FROZEN, {"crop": 8, "sampling": "balanced", "backbone.cached_augmentations": 2})
    cache = make_feature_cache(model, wide, wide[:5], recipe)
    for epoch in (1, 2):
        list(cached_batches(cache, wide, np.eye(3)[LABELS], recipe, 0, epoch, LABELS))
    expected = np.asarray(split_after_backbone(model).backbone.predict_on_batch(wide[:5, 1:9, 1:9, None]))
    np.testing.assert_allclose(cache.validation, expected, atol=1e-6)
    corners = [(y, x) for y in range(3) for x in range(3)]
    crops = np.stack([wide[:, y : y + 8, x : x + 8, None] for y, x in corners])
    possible = np.stack([np.asarray(split_after_backbone(model).backbone.predict_on_batch(crop)) for crop in crops])
    for view in cache.training:  # of every image, drawn or not
        assert (np.abs(possible - view).max(axis=(2, 3, 4)).min(axis=0) < 1e-5).all()


def test_dropout_in_the_head_is_drawn_anew_in_every_epoch():
    losses = [epoch.loss for epoch in trained(network(), {"optimizer.learning_rate": 1e-30}).history]
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
        ({}, PLAIN),
    ],
    ids=["trained layers", "randomness", "a way round", "mixup", "cutmix", "a trained block", "asked"],
)
def test_the_plain_way_is_taken_where_features_are_not_the_whole_story(model, recipe, computed):
    assert trained(network(**model), recipe, {"epochs": 1}).best_epoch == 1
    assert computed == []


def test_the_cut_is_behind_all_that_nothing_changes():
    model = network(tail=lambda x: layers.GlobalAveragePooling2D(keepdims=True)(layers.Rescaling(2.0)(x)))
    set_trainable_blocks(model, 0)
    parts = split_after_backbone(model)
    assert parts.backbone.output_shape == (None, 1, 1, 4)
    x = IMAGES[:5, ..., None]
    np.testing.assert_allclose(parts.head(parts.backbone(x)), model(x), rtol=1e-5)
    set_trainable_blocks(model, 1)
    assert split_after_backbone(model) is None


def test_fewer_views_and_then_none_where_memory_is_short(monkeypatch, computed):
    recipe = {"augmentation": "standard", "backbone.cached_augmentations": 3}
    image = 6 * 6 * 4 * 4
    for views in (3, 2, 1):
        monkeypatch.setattr(features, "MOST_CACHED", (views * COUNT + len(VALIDATION[0])) * image)
        assert len(cache_of(recipe).training) == views
    monkeypatch.setattr(features, "MOST_CACHED", (COUNT + len(VALIDATION[0])) * image - 1)
    assert cache_of(recipe) is None
    computed.clear()
    assert len(trained(network(), recipe).history) == 4 and computed == []


def test_what_the_features_take_is_part_of_the_training(monkeypatch):
    """A backbone that takes a second a call, or so: in the first epoch, and in the throughput."""
    clock, compute, perf_counter = [0.0], features._extract, features.time.perf_counter

    def slow(*arguments):
        clock[0] += 1
        return compute(*arguments)

    monkeypatch.setattr(features, "_computed", slow)
    monkeypatch.setattr("time.perf_counter", lambda: perf_counter() + clock[0])
    monkeypatch.setattr(features, "PREDICTION_BATCH", 8)
    first, *others = (fitted := trained(network())).history
    assert 6 <= first.train_seconds < 7 and all(epoch.train_seconds < 0.5 for epoch in others)
    assert 2 <= first.validation_seconds < 3 and all(epoch.validation_seconds < 0.5 for epoch in others)
    assert 0 < fitted.compile_seconds < 5
    assert fitted.images_per_second == pytest.approx(4 * 40 / sum(e.train_seconds for e in fitted.history))


def test_a_model_trained_from_its_cache_is_saved_like_any_other(tmp_path):
    model = network()
    trained(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(predict(loaded, IMAGES).probabilities, predict(model, IMAGES).probabilities, atol=1e-6)


def test_patience_stops_it_and_computes_no_view_for_later(computed):
    recipe = {"epochs": 9, "patience": 1, "augmentation": "standard", "backbone.cached_augmentations": 9}
    still = {"optimizer": {"learning_rate": 1e-30, "weight_decay": 0}}
    fitted = trained(network(), recipe, still)
    assert len(fitted.history) < 9
    assert sum(computed) == len(fitted.history) * COUNT + len(VALIDATION[0])


def test_the_costs_of_a_model_trained_from_its_cache_are_those_of_the_whole():
    whole, cached = network(), network()
    trained(cached)
    assert count_flops(cached) == count_flops(whole) > 2 * 6 * 6 * 9 * 4 * 4
    used = measure_inference_costs(cached)
    assert None not in used.values() and cached.count_params() == whole.count_params()
