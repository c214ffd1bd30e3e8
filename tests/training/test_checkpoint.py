"""Checkpoints: a trial that was interrupted resumes after its last epoch and gives the same result."""

import keras
import numpy as np
import pytest
from test_features import FROZEN, IMAGES, LABELS, QUICK, VALIDATION, network
from test_fit import dropout_model
from test_input_sizes import sized

from fer_bench.config.recipe import resolve
from fer_bench.training import checkpoint, loop
from fer_bench.training.checkpoint import Checkpoint, CheckpointState

STATE = CheckpointState(
    {"epoch": 3, "best_score": [0.5, -1.25]}, {"weights": [np.arange(6.0).reshape(2, 3), np.float32(7)], "none": []}
)
GRADUAL = {"backbone.trainable_blocks": [[0, 0], [2, 1]], "backbone.learning_rate_factor": 0.1, "epochs": 3}
SIZES = {"input_size": [[0, 8], [3, 12]], "epochs": 4, "optimizer.ema": 0.9}
BOTH = GRADUAL | {"input_size": [[0, 8], [3, 12]], "epochs": 4}
ALTERNATING = {"policy": "strong", "flip": "alternating"}
STAGES = {"backbone.trainable_blocks": [[0, 0], [3, 1], [5, "all"]], "epochs": 6, "tta": "flip"}


@pytest.fixture(autouse=True)
def save_after_each_epoch(monkeypatch):
    monkeypatch.setattr(checkpoint, "INTERVAL_SECONDS", 0.0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "checkpoints" / "trial"


def stop_after(epoch: int):
    def on_epoch_end(entry):
        if entry.epoch == epoch:
            raise KeyboardInterrupt

    return on_epoch_end


def small() -> keras.Model:
    return dropout_model(6, 6)


@pytest.mark.parametrize(
    ("make", "recipe", "stops"),
    [
        (small, {"optimizer": {"name": "sgd", "ema": 0.9}, "schedule.name": "plateau", "augmentation": "light"}, [2]),
        (small, {"optimizer.learning_rate": 0.1, "patience": 1}, [2]),
        (small, {"augmentation": ALTERNATING, "optimizer.name": "schedule_free_adamw", "epochs": 3}, [1, 3]),
        (network, FROZEN | {"augmentation": "standard", "epochs": 3}, [2]),
        (network, GRADUAL, [2]),
        (sized, SIZES, [2]),
        pytest.param(sized, SIZES, [1, 3], marks=pytest.mark.slow),
        pytest.param(sized, BOTH, [1, 2, 3], marks=pytest.mark.slow),
        pytest.param(network, STAGES, [2, 3, 4], marks=pytest.mark.slow),
    ],
    ids=["ema-plateau", "patience", "twice", "cached", "gradual", "sizes", "within sizes", "both", "three stages"],
)
def test_resumed_training_gives_the_same_result(folder, fit, make, recipe, stops):
    resolved = resolve(QUICK, {"epochs": 5, "batch_size": 8}, recipe)

    def train(**events):
        model = sized(12) if make is sized else make()
        others = {8: sized(8)} if make is sized else {}
        result = fit(model, IMAGES, LABELS, *VALIDATION, resolved, 1, other_models=others, **events)
        return result, model.get_weights()

    expected, expected_weights = train()
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            train(checkpoint=Checkpoint(folder, "this"), on_epoch_end=stop_after(stop))
    epochs = []
    resumed, weights = train(checkpoint=Checkpoint(folder, "this"), on_epoch_end=epochs.append)
    assert [epoch.epoch for epoch in epochs] == [epoch.epoch for epoch in expected.history]
    assert resumed.best_epoch == expected.best_epoch
    np.testing.assert_array_equal(resumed.validation_probabilities, expected.validation_probabilities)
    for actual, desired in zip(weights, expected_weights, strict=True):
        np.testing.assert_array_equal(actual, desired)
    names = ("epoch", "learning_rate", "loss", "accuracy", "validation_loss", "validation_accuracy")
    for actual, desired in zip(resumed.history, expected.history, strict=True):
        assert [getattr(actual, name) for name in names] == [getattr(desired, name) for name in names]
    assert resumed.images_per_second > 0


def test_finished_epochs_are_not_trained_again(folder):
    resolved, steps = resolve(QUICK, {"epochs": 3, "batch_size": 8}), []
    data = (IMAGES, LABELS, *VALIDATION, resolved, 1)
    with pytest.raises(KeyboardInterrupt):
        loop.fit(small(), *data, checkpoint=Checkpoint(folder, "this"), on_epoch_end=stop_after(2))
    loop.fit(small(), *data, checkpoint=Checkpoint(folder, "this"), on_step_end=lambda *step: steps.append(step))
    assert len(steps) == len(LABELS) // 8


def test_a_saved_state_is_loaded_bit_by_bit(folder):
    Checkpoint(folder, "this").save(STATE)
    loaded = Checkpoint(folder, "this").load()
    assert loaded.metadata == STATE.metadata and loaded.arrays["none"] == []
    for actual, desired in zip(loaded.arrays["weights"], STATE.arrays["weights"], strict=True):
        assert actual.dtype == desired.dtype and actual.tobytes() == desired.tobytes()
    assert [file.name for file in folder.iterdir()] == [checkpoint.FILE]


def test_a_checkpoint_travels_as_bytes(folder, tmp_path):
    assert checkpoint.to_bytes(folder) is None and checkpoint.modified_at(folder) is None
    Checkpoint(folder, "this").save(STATE)
    checkpoint.from_bytes(checkpoint.to_bytes(folder), tmp_path / "copy")
    assert Checkpoint(tmp_path / "copy", "this").load().metadata == STATE.metadata
    assert checkpoint.modified_at(tmp_path / "copy") > 0


def test_another_identity_or_a_damaged_file_is_not_loaded(folder):
    assert Checkpoint(folder, "this").load() is None
    Checkpoint(folder, "this").save(STATE)
    assert Checkpoint(folder, "of another version").load() is None
    file = folder / checkpoint.FILE
    content = file.read_bytes()
    for damaged in (b"", content[: len(content) // 2], b"x" * 100, content[:200] + b"xyz" + content[203:]):
        file.write_bytes(damaged)
        assert Checkpoint(folder, "this").load() is None


def test_a_full_disk_is_a_warning_and_keeps_the_earlier_checkpoint(folder, monkeypatch, caplog):
    Checkpoint(folder, "this").save(STATE)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.np, "savez", full)
    Checkpoint(folder, "this").save(CheckpointState({"epoch": 4}, {}))
    assert "No space left on device" in caplog.text
    assert Checkpoint(folder, "this").load().metadata == STATE.metadata
    assert [file.name for file in folder.iterdir()] == [checkpoint.FILE]


def test_no_checkpoint_is_written_before_the_interval_has_passed(folder, monkeypatch):
    monkeypatch.setattr(checkpoint, "INTERVAL_SECONDS", 3600.0)
    resolved = resolve(QUICK, {"epochs": 2})
    loop.fit(small(), IMAGES, LABELS, *VALIDATION, resolved, 1, checkpoint=Checkpoint(folder, "this"))
    assert not folder.exists()


@pytest.mark.parametrize("optimizer", [{"name": "sgd"}, {"name": "adamw", "ema": 0.5, "clip_norm": 0.01}], ids=str)
def test_accumulated_gradients_of_two_halves_make_the_step_of_the_whole_batch(optimizer):
    recipe = resolve(QUICK, {"epochs": 2, "batch_size": 8, "optimizer": optimizer, "class_weights": "balanced"})
    if keras.backend.backend() == "torch":
        pytest.skip("not tested on Torch")

    def train(accumulate: int):
        keras.utils.set_random_seed(0)
        inputs = keras.Input((6, 6, 1))
        logits = keras.layers.Dense(3)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(inputs)))
        model = keras.Model(inputs, logits)
        result = loop.fit(model, IMAGES, LABELS, *VALIDATION, recipe, 1, accumulate=accumulate)
        return result, model.get_weights()

    (whole, weights), (halves, other_weights) = train(1), train(2)
    for a, b in zip(weights, other_weights, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3 if optimizer.get("ema") else 1e-5)
    for a, b in zip(whole.history, halves.history, strict=True):
        assert a.loss == pytest.approx(b.loss, abs=1e-3) and a.learning_rate == b.learning_rate
