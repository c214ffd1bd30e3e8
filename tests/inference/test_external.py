"""A model that others trained becomes a row of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_models import LABELS, SIDE, thirds, write_onnx

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.inference import external
from fer_bench.leaderboard.leaderboard import board
from fer_bench.protocols.cross_dataset import pool

WANTED = f"input_size: {SIDE}\nscaling: 0..1\nlabels: [{', '.join(LABELS)}]\n"


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "theirs.keras"
    thirds().save(path)
    return path


@pytest.fixture
def score(tmp_path, monkeypatch, dataset):
    """Score a file on the made dataset, or on another one; the stored records by fold."""

    def run(file: Path, wanted: str = WANTED, protocol: str = "official", on=dataset, **given):
        monkeypatch.setattr(external.pool, "load", lambda data, places: on)
        preprocessing = tmp_path / "wanted.yaml"
        preprocessing.write_text(wanted)
        asked = external.request(file, preprocessing, "made", protocol, DataConfig(tmp_path), **given)
        results = tmp_path / "results"
        written = external.score(asked, results, DataConfig(tmp_path))
        found = [stored for stored in records.load(results) if stored.path in written]
        return sorted(found, key=lambda stored: stored.record.trial.fold)

    return run


def accuracy(stored, part: str = "test") -> float:
    predictions = stored.predictions(part)
    return float((predictions.probabilities.argmax(axis=1) == predictions.labels).mean())


def test_validation_and_test_are_predicted_and_recorded(score, model_file, dataset):
    (stored,) = score(model_file)
    assert accuracy(stored) == accuracy(stored, "validation") == 1
    test = stored.predictions("test")
    assert test.ids.tolist() == dataset.ids[dataset.split == 2].tolist()
    assert test.clean.all() and test.probabilities.dtype == np.float32
    assert len(stored.predictions("validation").labels) == 21
    assert stored.record.parameters == 9 and stored.record.machine["versions"]["keras"]


def test_nothing_is_claimed_of_a_training_that_is_not_known(score, model_file):
    (stored,) = score(model_file)
    record = stored.record
    assert record.trial.external and record.trial.initial_weights == "unknown"
    assert (record.history, record.best_epoch, record.costs) == ([], None, None)
    assert "training" not in record.samples
    assert set(record.trial.recipe) == {"external", "test_views"}


def test_onnx_is_scored_alike(score, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    (stored,) = score(write_onnx(tmp_path / "theirs.onnx"))
    assert accuracy(stored) == accuracy(stored, "validation") == 1
    assert stored.record.trial.backend == "onnxruntime" and stored.record.machine["versions"]["onnxruntime"]
    assert stored.record.parameters is None


def test_it_is_a_row_of_the_leaderboard_under_its_own_name(score, model_file):
    stored = score(model_file, name="theirs (64 px)")
    (row,) = board(stored).frame.to_dict("records")
    assert (row["model"], row["recipe"], row["weights"]) == ("theirs (64 px)", "external", "unknown")
    assert row["accuracy"] == 1 and row["status"] == "finished"


def test_labels_say_which_output_is_which(score, tmp_path):
    thirds(order=(2, 0, 1)).save(tmp_path / "turned.keras")
    (right,) = score(tmp_path / "turned.keras", WANTED.replace(", ".join(LABELS), "Bottom, top, MIDDLE"))
    assert accuracy(right) == 1
    (wrong,) = score(tmp_path / "turned.keras")
    assert accuracy(wrong) == 0


def test_size_channels_and_logits_of_its_own(score, tmp_path):
    thirds(side=24, channels=3, softmax=False).save(tmp_path / "large.keras")
    wanted = WANTED.replace(f"input_size: {SIDE}", "input_size: 24") + "channels: 3\noutputs: logits\n"
    (stored,) = score(tmp_path / "large.keras", wanted)
    assert accuracy(stored) == 1
    assert stored.predictions("test").probabilities.max() < 1


def test_whose_images_they_are_is_recorded_where_it_is_known(score, model_file, dataset):
    persons = np.array([f"S{i % 12:02d}" for i in range(len(dataset))])
    stored = score(model_file, protocol="subject-kfold", on=replace(dataset, subjects=persons))
    whose = dict(zip(dataset.ids, persons, strict=True))
    test = stored[3].predictions("test")
    assert test.groups.tolist() == [whose[one] for one in test.ids]
    assert score(model_file)[0].predictions("test").groups is None


def test_the_key_tells_model_preprocessing_data_and_protocol_apart(score, model_file, tmp_path, dataset):
    thirds(order=(0, 1, 2), softmax=False).save(tmp_path / "theirs.keras")
    keys = {
        name: stored[0].record.trial.key
        for name, stored in {
            "as it is": score(model_file),
            "another file of that name": score(tmp_path / "theirs.keras"),
            "preprocessing": score(model_file, WANTED.replace("0..1", "-1..1")),
            "data": score(model_file, on=replace(dataset, fingerprint="another")),
            "protocol": score(model_file, protocol="official-dedup"),
        }.items()
    }
    assert len(set(keys.values())) == len(keys)
    assert score(model_file)[0].record.trial.key == keys["as it is"]
    same = WANTED.replace("labels", "layout: null\nlabels").replace("top", "TOP")
    assert score(model_file, same)[0].record.trial.key == keys["as it is"]


def test_of_folds_each_is_recorded_and_each_image_predicted_once(score, model_file, dataset, monkeypatch):
    seen = []
    real = external.outputs
    monkeypatch.setattr(external, "outputs", lambda *given: seen.append(given[3]) or real(*given))
    stored = score(model_file, protocol="kfold")
    assert [one.record.trial.fold for one in stored] == list(range(10))
    tested = np.concatenate([one.predictions("test").ids for one in stored])
    assert sorted(tested) == sorted(dataset.ids)
    assert len(seen) == 1 and len(seen[0]) == len(dataset)
    assert all(accuracy(one) == accuracy(one, "validation") == 1 for one in stored)


def test_across_datasets_the_classes_of_both_count_and_no_other(score, model_file, dataset):
    other = replace(
        dataset, name="other", classes=("bottom", "left", "top"), labels=np.array([2, 1, 0])[dataset.labels]
    )
    pooled = pool(dataset, other)
    assert pooled.classes == ("top", "bottom")
    (stored,) = score(model_file, protocol="cross:made->other", on=pooled)
    assert stored.record.classes == ["top", "bottom"] and stored.record.trial.dataset == "made->other"
    test = stored.predictions("test")
    assert test.probabilities.shape == (len(other) * 2 // 3, 2) and accuracy(stored) == 1
    np.testing.assert_allclose(test.probabilities.sum(axis=1), 1, rtol=1e-6)


def test_an_output_that_the_dataset_lacks_may_be_left_out(score, tmp_path):
    thirds(order=(0, 1, 2, 1)).save(tmp_path / "four.keras")
    labels = "labels: [top, null, bottom, middle]"
    (stored,) = score(tmp_path / "four.keras", WANTED.replace(f"labels: [{', '.join(LABELS)}]", labels))
    assert accuracy(stored) == 1


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ("top, middle, bottom, contempt", "'made' has no class 'contempt': write null in its place"),
        ("top, middle, low", "'made' has the class 'bottom', and labels do not name it"),
        ("top, middle, bottom, null", "has 3 outputs, and labels name 4"),
    ],
)
def test_labels_that_do_not_fit_are_refused(score, model_file, labels, sentence):
    with pytest.raises(UserError, match=sentence):
        score(model_file, WANTED.replace(", ".join(LABELS), labels))


@pytest.mark.parametrize(
    ("file", "name", "sentence"),
    [
        ("net.pt", None, "is no model file: .keras, .h5, .hdf5 and .onnx are read"),
        ("none.keras", None, "There is no model file"),
        ("theirs.keras", "vgg19", "is an architecture of the registry: give the model another name"),
        ("theirs.keras", "a/b", "cannot name a row"),
        ("theirs.keras", " ", "cannot name a row"),
    ],
)
def test_a_file_or_a_name_that_cannot_be_is_told(score, model_file, file, name, sentence):
    with pytest.raises(UserError, match=sentence):
        score(model_file.with_name(file), name=name)


def test_sequences_are_refused(score, model_file, dataset):
    with pytest.raises(UserError, match="holds sequences"):
        score(model_file, on=replace(dataset, images=dataset.images[:, None]))


def test_mistakes_are_told_before_the_model_is_opened(score, tmp_path):
    (tmp_path / "damaged.keras").write_text("no model")
    with pytest.raises(UserError, match="'made' has no class 'low'"):
        score(tmp_path / "damaged.keras", WANTED.replace(", ".join(LABELS), ", ".join([*LABELS, "low"])))
