"""Kept models, ensembles of them and model files are loaded and predict as they were recorded."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_up_models import CLASSES, LABELS, SIZE, write_onnx

import fer_bench
from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.records.schema import ENSEMBLE, Member


def bright_thirds(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return images with a bright third and the number of the third."""
    labels = np.random.default_rng(seed).integers(0, 3, count)
    images = np.zeros((count, SIZE, SIZE), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[label * SIZE // 3 : (label + 1) * SIZE // 3] = 255
    return images, labels


def test_the_model_with_the_best_validation_accuracy_is_loaded(keep, tmp_path):
    keep(seed=0, accuracy=0.5, order=(2, 1, 0))
    keep(seed=1, accuracy=0.9)
    keep(seed=2, accuracy=1.0, saved=False)
    model = fer_bench.load_model(tmp_path / "results", "tiny")
    assert model.classes == tuple(CLASSES) and "seed 1" in model.description
    images, labels = bright_thirds(9)
    frame = model.predict(images)
    assert frame["label"].tolist() == [CLASSES[label] for label in labels]
    assert frame["image"].tolist() == list(range(9)) and frame[CLASSES].sum(axis=1).to_numpy() == pytest.approx(
        1, abs=1e-3
    )
    assert model.predict(images[0])["label"].tolist() == [CLASSES[labels[0]]]
    np.testing.assert_allclose(
        model.predict_probabilities(images[:1]), model.predict_probabilities(images)[:1], atol=1e-6
    )


def test_the_largest_dataset_is_preferred_and_drawn_faces_are_the_last(keep, tmp_path):
    keep(dataset="synthetic", accuracy=1.0)
    keep(dataset="small", accuracy=0.8)
    assert fer_bench.load_model(tmp_path / "results").dataset == "small"
    assert fer_bench.load_model(tmp_path / "results", dataset="synthetic").dataset == "synthetic"
    folder = keep(dataset="large", accuracy=0.5)
    (folder / "record.json").write_text(
        (folder / "record.json").read_text().replace('"training": 100', '"training": 999')
    )
    assert fer_bench.load_model(tmp_path / "results").dataset == "large"


def test_a_crop_and_test_time_views_are_those_of_the_recipe(keep, tmp_path, trial_of):
    recipe = trial_of("tiny").recipe | {"crop": SIZE, "tta": "flip"}
    folder = keep(recipe=recipe)
    info = (folder / "model_info.json").read_text().replace(f"{SIZE},\n  {SIZE}", "16,\n  16")
    (folder / "model_info.json").write_text(info)
    model = fer_bench.load_model(tmp_path / "results", "tiny")
    assert model.image_size == (16, 16)
    image = np.zeros((32, 32), np.uint8)
    image[4:11] = 255  # of the middle 24, the first third
    assert model.predict(image)["label"].tolist() == ["angry"]


def test_an_ensemble_votes_with_its_weights(keep, tmp_path):
    folders = [keep(seed=0, order=(0, 1, 2)), keep(seed=1, order=(1, 0, 2))]
    keys = {stored.path: stored.record.trial.key for stored in records.load(tmp_path / "results")}
    known = {"architecture": "tiny", "recipe_name": "default"}
    members = [Member(key=keys[folders[seed]], seed=seed, weight=(0.25, 0.75)[seed], **known) for seed in (0, 1)]
    first = next(iter(records.load(tmp_path / "results")))
    trial = first.record.trial.model_copy(update={"architecture": ENSEMBLE, "recipe": {ENSEMBLE: {}}, "seed": 0})
    record = first.record.model_copy(update={"trial": trial, "members": members})
    records.write(tmp_path / "results", record, {s: first.predictions(s) for s in ("validation", "test")})
    model = fer_bench.load_model(tmp_path / "results", "ensemble")
    images, labels = bright_thirds(6)
    votes = 0.25 * np.eye(3)[labels] + 0.75 * np.eye(3)[np.array([1, 0, 2])[labels]]
    np.testing.assert_allclose(model.predict_probabilities(images), votes, atol=1e-3)
    (first.path / "model.keras").unlink()
    with pytest.raises(UserError, match="--keep-models all"):
        fer_bench.load_model(tmp_path / "results", "ensemble")


def test_a_kept_file_alone_has_its_classes(keep, tmp_path):
    model = fer_bench.load_model(keep() / "model.keras")
    assert model.classes == tuple(CLASSES) and model.image_size == (SIZE, SIZE)


def test_what_is_not_there_is_said_with_what_to_do(keep, tmp_path):
    results = tmp_path / "results"
    with pytest.raises(UserError, match="does not exist"):
        fer_bench.load_model(results)
    keep(saved=False)
    with pytest.raises(UserError, match="--overwrite"):
        fer_bench.load_model(results, "tiny")
    with pytest.raises(UserError, match="tiny"):
        fer_bench.load_model(results, "tinny")
    with pytest.raises(UserError, match=r"on jaffe in .*There is tiny on made under official"):
        fer_bench.load_model(results, "tiny", dataset="jaffe")
    with pytest.raises(UserError, match=r"The model of tiny .* was not kept"):
        fer_bench.load_model(results)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no trained model"):
        fer_bench.load_model(tmp_path / "empty")
    with pytest.raises(UserError, match="--preprocessing"):
        fer_bench.load_model(write_onnx(tmp_path / "alone.onnx"))
    (tmp_path / "text.keras").write_text("no model")
    with pytest.raises(UserError, match=r"text\.keras is"):
        fer_bench.load_model(tmp_path / "text.keras")


def test_a_damaged_kept_model_has_to_be_trained_again(keep, tmp_path):
    file = keep() / "model.keras"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"model\.keras is damaged\. Train it again"):
        fer_bench.load_model(tmp_path / "results")


def test_a_file_takes_the_preprocessing_beside_it(tmp_path):
    file = write_onnx(tmp_path / "thirds.onnx")
    text = f"input_size: {SIZE}\nscaling: 0..1\nlabels: [{', '.join(LABELS)}]\n"
    (tmp_path / "thirds.yaml").write_text(text + "face_crop: haar+margin10\n")
    model = fer_bench.load_model(file)
    assert model.classes == tuple(LABELS) and model.face_crop == "haar+margin10"
    images, labels = bright_thirds(5)
    large = [np.kron(image, np.ones((k, k), np.uint8)) for k, image in enumerate(images, start=1)]  # of any size
    assert model.predict(large)["label"].tolist() == [LABELS[label] for label in labels]
    color = np.repeat(large[0][..., None], 3, axis=-1)
    assert model.predict([color])["label"].tolist() == [LABELS[labels[0]]]
    with pytest.raises(UserError, match="uint8"):
        model.predict([images[0] / 255])
    (tmp_path / "thirds.yaml").write_text(text + "face_crop: hair\n")
    with pytest.raises(UserError, match="face_crop"):
        fer_bench.load_model(file)


def test_unlabeled_outputs_are_no_classes(tmp_path):
    file = write_onnx(tmp_path / "thirds.onnx")
    (tmp_path / "p.yaml").write_text(f"input_size: {SIZE}\nscaling: 0..1\nlabels: [top, null, bottom]\n")
    model = fer_bench.load_model(file, preprocessing=tmp_path / "p.yaml")
    assert model.classes == ("top", "bottom")
    assert model.predict_probabilities(bright_thirds(4)[0]).shape == (4, 2)
    assert replace(model, classes=model.classes).predict(np.zeros((SIZE, SIZE), np.uint8)).shape[0] == 1
