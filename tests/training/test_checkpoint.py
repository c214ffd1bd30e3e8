"""A trial that was stopped goes on from its last epoch, and comes to what it would have come to."""

import keras
import numpy as np
import pytest
from test_features import FROZEN, IMAGES, LABELS, QUICK, VALIDATION, network
from test_fit import placed

from fer_bench.config.recipe import resolve
from fer_bench.training import checkpoint, loop
from fer_bench.training.checkpoint import Checkpoint, CheckpointState

STATE = CheckpointState(
    {"epoch": 3, "merit": [0.5, -1.25]}, {"weights": [np.arange(6.0).reshape(2, 3), np.float32(7)], "none": []}
)
GRADUAL = {"backbone.trainable_blocks": [[0, 0], [3, 1], [5, "all"]], "epochs": 6}


@pytest.fixture(autouse=True)
def after_each_epoch(monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 0.0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints" / "trial"


def stop_after(epoch: int):
    def on_epoch(ended):
        if ended.epoch == epoch:
            raise KeyboardInterrupt

    return on_epoch


@pytest.mark.parametrize(
    ("make", "recipe", "stops"),
    [
        (lambda: placed(6, 6), {"augmentation": "strong"}, [1, 6]),
        (lambda: placed(6, 6), {"optimizer": {"name": "sgd", "ema": 0.9}, "schedule.name": "plateau"}, [2, 3]),
        (lambda: placed(6, 6), {"optimizer.learning_rate": 0.1, "patience": 1}, [2]),
        (network, FROZEN | {"augmentation": "standard"}, [2, 3]),
        (network, GRADUAL, [2, 4]),
        (network, GRADUAL | {"backbone.learning_rate_factor": 0.1, "tta": "flip"}, [3]),
    ],
    ids=["plain", "ema-plateau", "patience", "cached", "gradual", "gradual-slow"],
)
def test_it_comes_to_the_same(folder, make, recipe, stops):
    resolved = resolve(QUICK, {"epochs": 6, "batch_size": 8}, recipe)

    def fit(**events):
        model = make()
        fitted = loop.fit(model, IMAGES, LABELS, *VALIDATION, resolved, 1, **events)
        return fitted, model.get_weights()

    whole, weights = fit()
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            fit(checkpoint=Checkpoint(folder, "this"), on_epoch=stop_after(stop))
    told = []
    resumed, again = fit(checkpoint=Checkpoint(folder, "this"), on_epoch=told.append)
    assert [epoch.epoch for epoch in told] == [epoch.epoch for epoch in whole.history]
    assert resumed.best_epoch == whole.best_epoch
    np.testing.assert_array_equal(resumed.validation_probabilities, whole.validation_probabilities)
    for ours, theirs in zip(again, weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    of = ("epoch", "learning_rate", "loss", "accuracy", "validation_loss", "validation_accuracy")
    for ours, theirs in zip(resumed.history, whole.history, strict=True):
        assert [getattr(ours, name) for name in of] == [getattr(theirs, name) for name in of]
    assert resumed.images_per_second > 0


def test_only_what_was_not_done_is_done_again(folder):
    resolved, steps = resolve(QUICK, {"epochs": 5, "batch_size": 8}), []
    taken = (IMAGES, LABELS, *VALIDATION, resolved, 1)
    with pytest.raises(KeyboardInterrupt):
        loop.fit(placed(6, 6), *taken, checkpoint=Checkpoint(folder, "this"), on_epoch_end=stop_after(3))
    loop.fit(placed(6, 6), *taken, checkpoint=Checkpoint(folder, "this"), on_step_end=lambda *step: steps.append(step))
    assert len(steps) == 2 * (len(LABELS) // 8)


def test_what_is_saved_is_read_to_the_bit(folder):
    Checkpoint(folder, "this").save(STATE)
    read = Checkpoint(folder, "this").load()
    assert read.metadata == STATE.metadata and read.arrays["none"] == []
    for ours, theirs in zip(read.arrays["weights"], STATE.arrays["weights"], strict=True):
        assert ours.dtype == theirs.dtype and ours.tobytes() == theirs.tobytes()
    assert [file.name for file in folder.iterdir()] == [checkpoint.FILE]


def test_anothers_and_a_damaged_one_are_not_read(folder):
    assert Checkpoint(folder, "this").load() is None
    Checkpoint(folder, "this").save(STATE)
    assert Checkpoint(folder, "of another version").load() is None
    file = folder / checkpoint.FILE
    whole = file.read_bytes()
    for spoilt in (b"", whole[: len(whole) // 2], b"x" * 100, whole[:200] + b"xyz" + whole[203:]):
        file.write_bytes(spoilt)
        assert Checkpoint(folder, "this").load() is None


def test_a_full_disk_costs_the_checkpoint_alone(folder, monkeypatch, caplog):
    Checkpoint(folder, "this").save(STATE)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.np, "savez", full)
    Checkpoint(folder, "this").save(CheckpointState({"epoch": 4}, {}))
    assert "No checkpoint could be written: No space left on device" in caplog.text
    assert Checkpoint(folder, "this").load().metadata == STATE.metadata
    assert [file.name for file in folder.iterdir()] == [checkpoint.FILE]


def test_short_epochs_do_not_wait_for_the_disk(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "EVERY_SECONDS", 3600.0)
    resolved = resolve(QUICK, {"epochs": 2})
    loop.fit(placed(6, 6), IMAGES, LABELS, *VALIDATION, resolved, 1, checkpoint=Checkpoint(folder, "this"))
    assert not folder.exists()


@pytest.mark.parametrize("optimizer", [{"name": "sgd"}, {"name": "adamw", "ema": 0.5, "clip_norm": 0.01}], ids=str)
def test_gradients_of_halves_make_the_step_of_the_whole(optimizer):
    recipe = resolve(QUICK, {"epochs": 3, "batch_size": 8, "optimizer": optimizer, "class_weights": "balanced"})
    if keras.backend.backend() == "torch":
        pytest.skip("not tried there")

    def fitted(accumulate: int):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((6, 6, 1))
        logits = keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs)))
        model = keras.Model(inputs, logits)
        done = loop.fit(model, IMAGES, LABELS, *VALIDATION, recipe, 1, accumulate=accumulate)
        return done, model.get_weights()

    (whole, weights), (halves, others) = fitted(1), fitted(2)
    for ours, theirs in zip(weights, others, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3 if optimizer.get("ema") else 1e-5)
    for a, b in zip(whole.history, halves.history, strict=True):
        assert a.loss == pytest.approx(b.loss, abs=1e-3) and a.learning_rate == b.learning_rate
