"""Robustness of saved models, on the test images of their trials and the same corrupted images for every model."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.inference import robustness
from fer_bench.inference.robustness import RobustnessConfig, RobustnessTarget
from fer_bench.records.schema import Predictions, Record


@pytest.fixture
def gray():
    """Return 40 dark and 20 light images of 32×32."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [40, 20])
    images = np.where(labels == 0, 70, 190)[:, None, None] + rng.integers(-10, 11, (60, 32, 32))
    ids = np.array([f"gray-{i:02d}" for i in range(60)])
    return Dataset("gray", images.astype(np.uint8), labels, ids, ("dark", "light"), "gray-fingerprint")


def save(file, size=32, classes=2):
    """Save a model that predicts light if the mean of an image is above 130."""
    inputs = keras.Input((size, size, 1))
    logits = layers.Dense(classes)(layers.Flatten()(layers.GlobalAveragePooling2D()(inputs)))
    model = keras.Model(inputs, logits)
    weights = np.zeros((1, classes), np.float32), np.zeros(classes, np.float32)
    weights[0][0, 1], weights[1][1] = 1, -130
    model.layers[-1].set_weights(weights)
    model.save(file)
    return file


@pytest.fixture
def target(gray, tmp_path):
    return RobustnessTarget("brightness", save(tmp_path / "model.keras"), gray, np.arange(60), "official")


def test_accuracy_is_measured_on_corrupted_images(target, tmp_path):
    config = RobustnessConfig(corruptions=("brightness", "contrast"), severities=(1, 5))
    events = []
    result = robustness.measure(target, config, tmp_path, lambda *event: events.append(event))
    assert (result.uncorrupted, result.num_samples, result.num_test_images) == (1.0, 60, 60)
    # At severity 5 dark images become light, 70 + 127; a changed contrast keeps the mean of every image.
    assert result.accuracy == {"brightness": {1: 1.0, 5: 20 / 60}, "contrast": {1: 1.0, 5: 1.0}}
    assert (result.model, result.dataset, result.protocol, result.key) == ("brightness", "gray", "official", None)
    assert [event[1:] for event in events] == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_sample_is_stratified(target, tmp_path):
    config = RobustnessConfig(corruptions=("brightness",), severities=(5,), samples=30)
    result = robustness.measure(replace(target, test_indices=np.arange(10, 55)), config, tmp_path)
    assert (result.num_samples, result.num_test_images) == (30, 45)
    assert result.accuracy["brightness"][5] == pytest.approx(1 / 3)  # 10 of the 15 + 30


def test_corrupted_images_are_computed_once_for_all_models(target, tmp_path, monkeypatch):
    config = RobustnessConfig(corruptions=("gaussian_noise", "fog"), severities=(4,))
    first = robustness.measure(target, config, tmp_path)
    calls = []
    monkeypatch.setattr(robustness, "corrupt", lambda images, *args: calls.append(args) or np.zeros_like(images))
    assert robustness.measure(target, config, tmp_path) == first and calls == []
    for file in tmp_path.glob("corrupted-*/fog-4.npy"):
        file.write_bytes(file.read_bytes()[:500])
    robustness.measure(target, config, tmp_path)
    assert calls == [("fog", 4, robustness.SEED)]
    robustness.measure(replace(target, test_indices=np.arange(50)), config, tmp_path)
    assert len(calls) == 3  # other images


def test_unwritable_cache_is_ignored(target, tmp_path):
    (tmp_path / "file").write_text("")
    config = RobustnessConfig(corruptions=("contrast",), severities=(1,))
    assert robustness.measure(target, config, tmp_path / "file").accuracy == {"contrast": {1: 1.0}}


@pytest.mark.parametrize(
    ("shape", "size", "classes", "message"),
    [
        ((60, 32, 32), 48, 2, "expects images of"),
        ((60, 32, 32), 32, 3, "has 2 classes"),
        ((60, 3, 32, 32), 32, 2, "sequences"),
        ((60, 24, 24), 24, 2, "at least 32×32"),
    ],
)
def test_mismatched_model_fails(target, tmp_path, shape, size, classes, message):
    data = replace(target.dataset, images=np.zeros(shape, np.uint8))
    file = save(tmp_path / "other.keras", size, classes)
    with pytest.raises(UserError, match=message):
        robustness.measure(replace(target, dataset=data, model_file=file), RobustnessConfig(samples=5), tmp_path)


@pytest.fixture
def recorded(gray, trial_of, tmp_path):
    """Write a record of `tiny` on some of the gray images, with or without its model."""

    def write(seed=0, saved=True, status="finished", ids=gray.ids[[3, 50, 1]], **trial):
        trial = trial_of("tiny", seed).model_copy(update={"dataset": "gray", "fingerprint": gray.fingerprint, **trial})
        record = Record(
            trial=trial, status=status, started="2025-01-01", machine={}, classes=["dark", "light"], samples={}
        )
        predictions = Predictions(ids, np.zeros(len(ids), np.int64), np.ones((len(ids), 2), np.float32) / 2)
        model_file = save(tmp_path / "trained.keras") if saved else None
        records.write(tmp_path / "results", record, {"test": predictions}, model_file)
        return trial

    return write


def test_records_with_a_saved_model_are_found(recorded, tmp_path):
    results = tmp_path / "results"
    with pytest.raises(UserError, match="no finished record of tiny"):
        robustness.saved_models(results, "tiny", None, None)
    recorded(seed=0, saved=False)
    recorded(seed=1, saved=False, status="failed")
    with pytest.raises(UserError, match="No model was saved"):
        robustness.saved_models(results, "tiny", "gray", None)
    expected = {recorded(seed=2).key, recorded(seed=3, protocol="kfold").key}
    stored_records = robustness.saved_models(results, "tiny", "gray", None)
    assert {stored.record.trial.key for stored in stored_records} == expected
    assert len(robustness.saved_models(results, "tiny", None, "kfold")) == 1
    with pytest.raises(UserError, match="tiny on jaffe under kfold"):
        robustness.saved_models(results, "tiny", "jaffe", "kfold")


def test_record_is_measured_on_the_test_images_of_its_trial(recorded, gray, tmp_path, monkeypatch):
    trial = recorded()
    (stored,) = records.load(tmp_path / "results")
    monkeypatch.setattr(robustness.cross_dataset, "load", lambda name, data_config: gray)
    target = robustness.target_from_record(stored, DataConfig(tmp_path))
    assert target.test_indices.tolist() == [3, 50, 1] and target.trial == trial
    assert target.title == f"tiny, {trial.recipe_name}, seed 0"
    assert robustness.measure(target, RobustnessConfig(("contrast",), (1,)), tmp_path).key == trial.key
    assert robustness.find_record(target.model_file).record == stored.record
    assert robustness.find_record(tmp_path / "model.keras") is None

    other_pixels, other_ids = replace(gray, fingerprint="other"), replace(gray, ids=np.char.add(gray.ids, ".png"))
    for data, message in ((other_pixels, "other pixels"), (other_ids, "other ids")):
        monkeypatch.setattr(robustness.cross_dataset, "load", lambda name, data_config, data=data: data)
        with pytest.raises(UserError, match=message):
            robustness.target_from_record(stored, DataConfig(tmp_path))


def test_tta_and_crop_are_those_of_the_recipe(recorded, gray, tmp_path, monkeypatch):
    recipe = recorded().recipe | {"tta": "ten-crop", "crop": 24}
    calls = []
    monkeypatch.setattr("fer_bench.training.predict.predict", lambda model, images, *args: calls.append(args) or 1 / 0)
    file, trial = save(tmp_path / "m.keras", 24), recorded(recipe=recipe)
    target = RobustnessTarget("tiny", file, gray, np.arange(60), "official", trial)
    with pytest.raises(ZeroDivisionError):
        robustness.measure(target, RobustnessConfig(), tmp_path)
    assert calls == [("ten-crop", 24)]


def test_file_without_a_record_requires_a_protocol_with_one_fold(tmp_path, few_synthetic_samples):
    data_config = DataConfig(tmp_path, tmp_path / "cache")
    with pytest.raises(UserError, match="10 folds"):
        robustness.target_from_file(tmp_path / "m.keras", "synthetic", "kfold", data_config)
