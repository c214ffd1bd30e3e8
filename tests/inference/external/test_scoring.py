"""External models are scored and recorded like trials."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_models import LABELS, SIZE, thirds, write_onnx

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.inference.external import scoring
from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.protocols.cross_dataset import concatenate

PREPROCESSING = f"input_size: {SIZE}\nscaling: 0..1\nlabels: [{', '.join(LABELS)}]\n"


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "external.keras"
    thirds().save(path)
    return path


@pytest.fixture
def score(tmp_path, monkeypatch, dataset):
    """Score a file on the synthetic dataset or another one and return the stored records by fold."""

    def run(file: Path, preprocessing: str = PREPROCESSING, protocol: str = "official", on=dataset, **kwargs):
        monkeypatch.setattr(scoring.cross_dataset, "load", lambda data, data_config: on)
        preprocessing_file = tmp_path / "preprocessing.yaml"
        preprocessing_file.write_text(preprocessing)
        request = scoring.build_request(file, preprocessing_file, "made", protocol, DataConfig(tmp_path), **kwargs)
        results = tmp_path / "results"
        folders = scoring.score(request, results, DataConfig(tmp_path))
        written = [stored for stored in records.load(results) if stored.path in folders]
        return sorted(written, key=lambda stored: stored.record.trial.fold)

    return run


def accuracy(stored, split: str = "test") -> float:
    predictions = stored.predictions(split)
    return float((predictions.probabilities.argmax(axis=1) == predictions.labels).mean())


def test_validation_and_test_are_predicted_and_recorded(score, model_file, dataset):
    (stored,) = score(model_file)
    assert accuracy(stored) == accuracy(stored, "validation") == 1
    test = stored.predictions("test")
    assert test.ids.tolist() == dataset.ids[dataset.split == 2].tolist()
    assert test.no_duplicate.all() and test.probabilities.dtype == np.float32
    assert len(stored.predictions("validation").labels) == 21
    assert stored.record.num_parameters == 9 and stored.record.machine["versions"]["keras"]


def test_training_details_are_unknown(score, model_file):
    (stored,) = score(model_file)
    record = stored.record
    assert record.trial.external and record.trial.initial_weights == "unknown"
    assert (record.history, record.best_epoch, record.costs) == ([], None, None)
    assert "training" not in record.samples
    assert set(record.trial.recipe) == {"external", "tta"}


def test_onnx_is_scored(score, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    (stored,) = score(write_onnx(tmp_path / "external.onnx"))
    assert accuracy(stored) == accuracy(stored, "validation") == 1
    assert stored.record.trial.backend == "onnxruntime" and stored.record.machine["versions"]["onnxruntime"]
    assert stored.record.num_parameters is None


def test_external_model_is_a_row_of_the_leaderboard(score, model_file):
    stored = score(model_file, name="external (64 px)")
    (row,) = compute_leaderboard(stored).frame.to_dict("records")
    assert (row["model"], row["recipe"], row["weights"]) == ("external (64 px)", "external", "unknown")
    assert row["accuracy"] == 1 and row["status"] == "finished"


def test_labels_map_outputs_to_classes(score, tmp_path):
    thirds(order=(2, 0, 1)).save(tmp_path / "reordered.keras")
    (right,) = score(tmp_path / "reordered.keras", PREPROCESSING.replace(", ".join(LABELS), "Bottom, top, MIDDLE"))
    assert accuracy(right) == 1
    (wrong,) = score(tmp_path / "reordered.keras")
    assert accuracy(wrong) == 0


def test_input_size_channels_and_logits_are_supported(score, tmp_path):
    thirds(size=24, channels=3, softmax=False).save(tmp_path / "large.keras")
    preprocessing = PREPROCESSING.replace(f"input_size: {SIZE}", "input_size: 24") + "channels: 3\noutputs: logits\n"
    (stored,) = score(tmp_path / "large.keras", preprocessing)
    assert accuracy(stored) == 1
    assert stored.predictions("test").probabilities.max() < 1


def test_subjects_are_recorded_if_known(score, model_file, dataset):
    subjects = np.array([f"S{i % 12:02d}" for i in range(len(dataset))])
    stored = score(model_file, protocol="subject-kfold", on=replace(dataset, subjects=subjects))
    subject_of = dict(zip(dataset.ids, subjects, strict=True))
    test = stored[3].predictions("test")
    assert test.groups.tolist() == [subject_of[sample_id] for sample_id in test.ids]
    assert score(model_file)[0].predictions("test").groups is None


def test_key_depends_on_model_preprocessing_data_and_protocol(score, model_file, tmp_path, dataset):
    thirds(order=(0, 1, 2), softmax=False).save(tmp_path / "external.keras")

    def key(*args, **kwargs) -> str:
        return score(*args, **kwargs)[0].record.trial.key

    others = [
        key(tmp_path / "external.keras"),  # another file of the same name
        key(model_file, PREPROCESSING.replace("0..1", "-1..1")),
        key(model_file, on=replace(dataset, fingerprint="another")),
        key(model_file, protocol="official-dedup"),
    ]
    same = PREPROCESSING.replace("labels", "layout: null\nlabels").replace("top", "TOP")
    assert key(model_file) == key(model_file) == key(model_file, same)
    assert len({key(model_file), *others}) == 5


def test_every_fold_is_recorded_from_one_prediction_of_each_image(score, model_file, dataset, monkeypatch):
    predicted = []
    original = scoring.predict_outputs
    monkeypatch.setattr(scoring, "predict_outputs", lambda *args: predicted.append(args[3]) or original(*args))
    stored = score(model_file, protocol="kfold")
    assert [record.record.trial.fold for record in stored] == list(range(10))
    tested = np.concatenate([record.predictions("test").ids for record in stored])
    assert sorted(tested) == sorted(dataset.ids)
    assert predicted[0].tolist() == list(range(len(dataset)))
    assert all(len(checked) < len(dataset) for checked in predicted[1:])
    assert all(accuracy(record) == accuracy(record, "validation") == 1 for record in stored)


def test_only_shared_classes_count_across_datasets(score, model_file, dataset):
    other = replace(
        dataset, name="other", classes=("bottom", "left", "top"), labels=np.array([2, 1, 0])[dataset.labels]
    )
    pooled = concatenate(dataset, other)
    assert pooled.classes == ("top", "bottom")
    (stored,) = score(model_file, protocol="cross:made->other", on=pooled)
    assert stored.record.classes == ["top", "bottom"] and stored.record.trial.dataset == "made->other"
    test = stored.predictions("test")
    assert test.probabilities.shape == (len(other) * 2 // 3, 2) and accuracy(stored) == 1
    np.testing.assert_allclose(test.probabilities.sum(axis=1), 1, rtol=1e-6)


def test_outputs_labeled_null_are_ignored(score, tmp_path):
    thirds(order=(0, 1, 2, 1)).save(tmp_path / "four.keras")
    labels = "labels: [top, null, bottom, middle]"
    (stored,) = score(tmp_path / "four.keras", PREPROCESSING.replace(f"labels: [{', '.join(LABELS)}]", labels))
    assert accuracy(stored) == 1
    assert stored.record.model_notes == ["1 of 4 outputs ignored"]


def test_an_expression_that_the_dataset_lacks_is_ignored_with_a_note(score, tmp_path):
    thirds(order=(0, 1, 2, 1)).save(tmp_path / "four.keras")
    (stored,) = score(tmp_path / "four.keras", PREPROCESSING.replace("middle", "Contempt, Middle"))
    assert stored.record.classes == LABELS and stored.record.trial.protocol == "official"
    assert stored.record.model_notes == ["contempt ignored: not in made"]
    assert stored.predictions("test").probabilities.shape == (18, 3)


def test_a_model_with_some_classes_is_scored_on_their_images(score, tmp_path, dataset):
    thirds(order=(2, 0)).save(tmp_path / "two.keras")
    (stored,) = score(tmp_path / "two.keras", PREPROCESSING.replace(", ".join(LABELS), "bottom, TOP"))
    assert stored.record.trial.protocol == "official (2 of 3 classes: top bottom)"
    assert stored.record.classes == ["top", "bottom"] and stored.record.samples == {"validation": 14, "test": 12}
    assert accuracy(stored) == accuracy(stored, "validation") == 1
    tested = np.isin(dataset.ids, stored.predictions("test").ids)
    assert (tested == ((dataset.split == 2) & (dataset.labels != 1))).all()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("top, middle, low", "no class 'low'. The classes of 'made' are top, middle, bottom"),
        ("top, middle, botom", "Did you mean 'bottom'"),
        ("top, null, null", "only the class 'top'"),
        ("happy, sad, neutral", "no class of 'made'"),
        ("top, middle, bottom, null", "has 3 outputs"),
    ],
)
def test_labels_must_match_the_classes(score, model_file, labels, message):
    with pytest.raises(UserError, match=message):
        score(model_file, PREPROCESSING.replace(", ".join(LABELS), labels))


@pytest.mark.parametrize(
    ("file", "name", "message"),
    [
        ("none.keras", None, "does not exist"),
        ("external.keras", "vgg19", "registered architecture"),
        ("external.keras", "a/b", "not a valid --name"),
        ("external.keras", " ", "not a valid --name"),
    ],
)
def test_invalid_file_or_name_fails(score, model_file, file, name, message):
    with pytest.raises(UserError, match=message):
        score(model_file.with_name(file), name=name)


def test_sequences_fail(score, model_file, dataset):
    with pytest.raises(UserError, match="sequences"):
        score(model_file, on=replace(dataset, images=dataset.images[:, None]))


def test_labels_are_checked_before_the_model_is_opened(score, tmp_path):
    with zipfile.ZipFile(tmp_path / "damaged.keras", "w") as archive:
        archive.writestr("config.json", "no model")
    with pytest.raises(UserError, match="no class 'low'"):
        score(tmp_path / "damaged.keras", PREPROCESSING.replace(", ".join(LABELS), ", ".join([*LABELS, "low"])))
