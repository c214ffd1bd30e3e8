"""Robustness of a kept model: on the images that its trial predicted, the same for every model."""

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
from fer_bench.inference.robustness import Asked, Subject
from fer_bench.records.schema import Predictions, Record


@pytest.fixture
def grey():
    """Forty dark images and twenty light ones of 32×32, class by class."""
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [40, 20])
    images = np.where(labels == 0, 70, 190)[:, None, None] + rng.integers(-10, 11, (60, 32, 32))
    ids = np.array([f"grey-{i:02d}" for i in range(60)])
    return Dataset("grey", images.astype(np.uint8), labels, ids, ("dark", "light"), "grey-fingerprint")


def save(file, side=32, classes=2):
    """A model that says light where the mean of an image is above 130."""
    inputs = keras.Input((side, side, 1))
    logits = layers.Dense(classes)(layers.Flatten()(layers.GlobalAveragePooling2D()(inputs)))
    model = keras.Model(inputs, logits)
    weights = np.zeros((1, classes), np.float32), np.zeros(classes, np.float32)
    weights[0][0, 1], weights[1][1] = 1, -130
    model.layers[-1].set_weights(weights)
    model.save(file)
    return file


@pytest.fixture
def subject(grey, tmp_path):
    return Subject("tells_light", save(tmp_path / "model.keras"), grey, np.arange(60), "official")


def test_accuracy_is_of_the_corrupted_images(subject, tmp_path):
    asked = Asked(corruptions=("brightness", "contrast"), severities=(1, 5))
    told = []
    found = robustness.measure(subject, asked, tmp_path, lambda *event: told.append(event))
    assert (found.uncorrupted, found.samples, found.test) == (1.0, 60, 60)
    # At severity 5 dark images become light, 70 + 127; a changed contrast keeps the mean of every image.
    assert found.accuracy == {"brightness": {1: 1.0, 5: 20 / 60}, "contrast": {1: 1.0, 5: 1.0}}
    assert (found.model, found.dataset, found.protocol, found.key) == ("tells_light", "grey", "official", None)
    assert [event[1:] for event in told] == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_sample_has_each_class_in_its_share_of_the_test_images(subject, tmp_path):
    asked = Asked(corruptions=("brightness",), severities=(5,), samples=30)
    found = robustness.measure(replace(subject, test=np.arange(10, 55)), asked, tmp_path)
    assert (found.samples, found.test) == (30, 45)
    assert found.accuracy["brightness"][5] == pytest.approx(1 / 3)  # 10 of the 15 + 30


def test_corrupted_images_are_made_once_for_all_models(subject, tmp_path, monkeypatch):
    asked = Asked(corruptions=("gaussian_noise", "fog"), severities=(4,))
    first = robustness.measure(subject, asked, tmp_path)
    made = []
    monkeypatch.setattr(robustness, "corrupt", lambda images, *what: made.append(what) or np.zeros_like(images))
    assert robustness.measure(subject, asked, tmp_path) == first and made == []
    for file in tmp_path.glob("corrupted-*/fog-4.npy"):
        file.write_bytes(file.read_bytes()[:500])
    robustness.measure(subject, asked, tmp_path)
    assert made == [("fog", 4, robustness.SEED)]
    robustness.measure(replace(subject, test=np.arange(50)), asked, tmp_path)
    assert len(made) == 3  # other images


def test_a_cache_that_cannot_be_written_is_done_without(subject, tmp_path):
    (tmp_path / "file").write_text("")
    asked = Asked(corruptions=("contrast",), severities=(1,))
    assert robustness.measure(subject, asked, tmp_path / "file").accuracy == {"contrast": {1: 1.0}}


@pytest.mark.parametrize(
    ("shape", "side", "classes", "said"),
    [
        ((60, 32, 32), 48, 2, "takes .* and 'grey' has images of"),
        ((60, 32, 32), 32, 3, "tells 3 classes apart and 'grey' has 2"),
        ((60, 3, 32, 32), 32, 2, "holds sequences"),
        ((60, 24, 24), 24, 2, "at least 32×32"),
    ],
)
def test_a_model_that_does_not_fit_is_refused(subject, tmp_path, shape, side, classes, said):
    data = replace(subject.dataset, images=np.zeros(shape, np.uint8))
    file = save(tmp_path / "other.keras", side, classes)
    with pytest.raises(UserError, match=said):
        robustness.measure(replace(subject, dataset=data, model_file=file), Asked(samples=5), tmp_path)


@pytest.fixture
def recorded(grey, trial_of, tmp_path):
    """Writes a record of `tiny` on some of the grey images, with a model or without."""

    def write(seed=0, kept=True, status="finished", ids=grey.ids[[3, 50, 1]], **trial):
        trial = trial_of("tiny", seed).model_copy(update={"dataset": "grey", "fingerprint": grey.fingerprint, **trial})
        record = Record(
            trial=trial, status=status, started="2025-01-01", machine={}, classes=["dark", "light"], samples={}
        )
        predictions = Predictions(ids, np.zeros(len(ids), np.int64), np.ones((len(ids), 2), np.float32) / 2)
        model_file = save(tmp_path / "trained.keras") if kept else None
        records.write(tmp_path / "results", record, {"test": predictions}, model_file)
        return trial

    return write


def test_the_records_of_a_model_are_found(recorded, tmp_path):
    results = tmp_path / "results"
    with pytest.raises(UserError, match=r"no finished record of tiny in .*--keep-models` makes one"):
        robustness.kept_models(results, "tiny", None, None)
    recorded(seed=0, kept=False)
    recorded(seed=1, kept=False, status="failed")
    with pytest.raises(UserError, match=r"was not kept: .*--keep-models --overwrite"):
        robustness.kept_models(results, "tiny", "grey", None)
    expected = {recorded(seed=2).key, recorded(seed=3, protocol="kfold").key}
    found = robustness.kept_models(results, "tiny", "grey", None)
    assert {stored.record.trial.key for stored in found} == expected
    assert len(robustness.kept_models(results, "tiny", None, "kfold")) == 1
    with pytest.raises(UserError, match="tiny on jaffe under kfold"):
        robustness.kept_models(results, "tiny", "jaffe", "kfold")


def test_a_record_is_tried_on_the_images_that_its_trial_predicted(recorded, grey, tmp_path, monkeypatch):
    trial = recorded()
    (stored,) = records.load(tmp_path / "results")
    monkeypatch.setattr(robustness.pool, "load", lambda name, places: grey)
    subject = robustness.of_record(stored, DataConfig(tmp_path))
    assert subject.test.tolist() == [3, 50, 1] and subject.trial == trial
    assert subject.title == f"tiny, {trial.recipe_name}, seed 0"
    assert robustness.measure(subject, Asked(("contrast",), (1,)), tmp_path).key == trial.key
    assert robustness.record_beside(subject.model_file).record == stored.record
    assert robustness.record_beside(tmp_path / "model.keras") is None

    monkeypatch.setattr(robustness.pool, "load", lambda name, places: replace(grey, fingerprint="other"))
    with pytest.raises(UserError, match="not the copy that tiny was trained on"):
        robustness.of_record(stored, DataConfig(tmp_path))
    renamed = replace(grey, ids=np.char.add(grey.ids, ".png"))
    monkeypatch.setattr(robustness.pool, "load", lambda name, places: renamed)
    with pytest.raises(UserError, match="names its images otherwise"):
        robustness.of_record(stored, DataConfig(tmp_path))


def test_a_record_is_predicted_with_the_views_and_the_crop_of_its_recipe(recorded, grey, tmp_path, monkeypatch):
    recipe = recorded().recipe | {"test_views": "ten-crop", "crop": 24}
    seen = []
    monkeypatch.setattr("fer_bench.training.predict.predict", lambda model, images, *how: seen.append(how) or 1 / 0)
    subject = Subject("tiny", save(tmp_path / "m.keras", 24), grey, np.arange(60), "official", recorded(recipe=recipe))
    with pytest.raises(ZeroDivisionError):
        robustness.measure(subject, Asked(), tmp_path)
    assert seen == [("ten-crop", 24)]


def test_a_file_without_a_record_needs_a_protocol_with_one_fold(tmp_path):
    with pytest.raises(UserError, match="kfold has 10 folds"):
        robustness.of_file(tmp_path / "m.keras", "synthetic", "kfold", DataConfig(tmp_path, tmp_path / "cache"))
