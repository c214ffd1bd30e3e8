"""Exported models predict what Keras predicts, become rows of their own, and leave nothing behind if they disagree."""

from __future__ import annotations

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

import fer_bench
from fer_bench import records
from fer_bench.config.recipe import resolve
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.inference import robustness
from fer_bench.inference.export import export, writers
from fer_bench.inference.export.export import export_record, select_record
from fer_bench.inference.export.record import size_of
from fer_bench.inference.export.runtime import MAX_DIFFERENCE, RuntimeModel
from fer_bench.inference.external.scoring import build_request
from fer_bench.inference.formats import model_file
from fer_bench.inference.preprocessing.preprocessing import read_preprocessing
from fer_bench.leaderboard.ensemble_members import select_candidates
from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.protocols import cross_dataset
from fer_bench.records.schema import Costs, Predictions, Record
from fer_bench.registry.architectures import ARCHITECTURES, ARCHITECTURES_DIR, describe
from fer_bench.training.train import build_model

if keras.backend.backend() != "tensorflow":
    pytest.skip("exports with TensorFlow", allow_module_level=True)
pytest.importorskip("tf2onnx")

NAMES = [entry.name for entry in ARCHITECTURES if entry.file.parent == ARCHITECTURES_DIR]
FAST_NAMES = ("mini_xception", "cnn_lstm_attention")
COSTS = Costs(
    build_seconds=1,
    compile_seconds=2,
    train_seconds=30,
    validation_seconds=5,
    images_per_second=100,
    predict_images_per_second=None,
    peak_memory_bytes=None,
    model_bytes=1,
)


def bright_third() -> keras.Model:
    """Return a model of pixels in 0 to 255 that recognizes the made dataset: which third of the rows is bright."""
    inputs = keras.Input((12, 12, 1), name="pixels")
    conv = layers.Conv2D(2, 1, activation="relu", dtype="mixed_bfloat16")
    # Resizing switches the layers behind it to training mode if a model is called without `training`.
    x = layers.BatchNormalization()(conv(layers.Rescaling(1 / 255)(layers.Resizing(24, 24)(inputs))))
    x = layers.Flatten()(layers.AveragePooling2D((8, 24))(x))
    dense = layers.Dense(3, dtype="float32")
    model = keras.Model(inputs, dense(x))
    conv.set_weights([np.array([[[[1.0, -1.0]]]], np.float32), np.zeros(2, np.float32)])
    dense.set_weights([np.repeat(20 * np.eye(3, dtype=np.float32), 2, axis=0), np.zeros(3, np.float32)])
    return model


@pytest.fixture
def kept(dataset, trial_of, tmp_path, monkeypatch):
    """Return a function that records a trial whose model recognizes the images, or any other, and returns it."""
    monkeypatch.setattr(robustness.cross_dataset, "load", lambda name, data_config: dataset)

    def write(seed: int = 0, save: bool = True, validation_errors: int = 0, **recipe) -> records.StoredRecord:
        predictions = {}
        for number, split in ((1, "validation"), (2, "test")):
            labels = dataset.labels[dataset.split == number]
            predicted = (labels + (np.arange(len(labels)) < validation_errors)) % 3
            probabilities = np.eye(3, dtype=np.float32)[predicted]
            predictions[split] = Predictions(dataset.ids[dataset.split == number], labels, probabilities)
        trial = trial_of("bright_third", seed, **recipe)
        record = Record(
            trial=trial,
            status="finished",
            started="2030-01-01",
            machine={"versions": {}},
            classes=list(dataset.classes),
            samples={"training": 60, "validation": 21, "test": 18},
            costs=COSTS,
            num_parameters=25,
        )
        file = tmp_path / "trained.keras"
        bright_third().save(file)
        records.write(tmp_path / "results", record, predictions, file if save else None)
        return records.load(tmp_path / "results").stored[trial.key]

    return write


@pytest.fixture
def exported(kept, tmp_path):
    """Return a function that exports a kept model."""

    def run(file_format: str, stored: records.StoredRecord | None = None, **options) -> export.Export:
        return export_record(stored or kept(), file_format, DataConfig(tmp_path), **options)

    return run


@pytest.mark.parametrize(
    ("file_format", "int8", "name", "backend"),
    [
        ("onnx", True, "bright_third-int8.onnx", "onnxruntime"),
        ("litert", True, "bright_third-int8.tflite", "litert"),
        ("saved_model", False, "bright_third-saved_model", "tensorflow"),
        ("keras", False, "bright_third.keras", "tensorflow"),
    ],
)
def test_an_exported_model_is_a_row_of_its_own(exported, tmp_path, file_format, int8, name, backend):
    result = exported(file_format, int8=int8)
    assert result.file == next((tmp_path / "results" / "exports").glob("bright_third-made-s0-*")) / name
    assert (result.accuracy, result.original_accuracy, result.agreement.same_labels) == (1, 1, 1)
    assert result.agreement.num_images == 18 and result.agreement.max_difference < (0.1 if int8 else 1e-4)
    stored = records.load(tmp_path / "results")
    (row,) = (s for s in stored if s.record.trial.exported)
    (trained,) = (s for s in stored if not s.record.trial.exported)
    assert row.record.trial.backend == backend and row.record.trial.architecture == "bright_third"
    for split in ("validation", "test"):
        predictions, known = row.predictions(split), trained.predictions(split)
        assert predictions.ids.tolist() == known.ids.tolist()
        assert (predictions.probabilities.argmax(axis=1) == known.labels).all()
    costs = row.record.costs
    assert costs.model_bytes == size_of(result.file) > 1 and costs.latency_p50_seconds is not None
    assert costs.train_seconds == COSTS.train_seconds
    (of_row, of_trained) = compute_leaderboard(stored).frame.sort_values("recipe", ascending=False).itertuples()
    assert of_row.recipe == f"default as {result.file_format}" and of_trained.recipe == "default"
    assert f"exported to {result.file_format}" in of_row.badges and "exported" not in of_trained.badges
    assert ("calibrated on 60 training images" in of_row.badges) == int8
    assert not [*result.file.parent.glob(".part-*")]


def test_classes_and_preprocessing_travel_with_the_file(exported, tmp_path, monkeypatch, dataset):
    import onnx

    result = exported("onnx")
    preprocessing = read_preprocessing(result.file.with_name("bright_third.onnx.yaml"))
    assert (preprocessing.input_size, preprocessing.scaling, preprocessing.outputs) == ((12, 12), "none", "logits")
    assert preprocessing.labels == list(dataset.classes)
    metadata = {entry.key: entry.value for entry in onnx.load(result.file).metadata_props}
    assert json.loads(metadata["classes"]) == list(dataset.classes) and metadata["test_accuracy"] == "1.0000"
    monkeypatch.setattr(cross_dataset, "load_folds", lambda *_: (dataset, [SimpleNamespace()], "official"))
    monkeypatch.setattr("fer_bench.inference.external.scoring._scored", lambda folds: np.arange(3))
    request = build_request(
        result.file, result.file.with_name("bright_third.onnx.yaml"), "made", "official", DataConfig(tmp_path)
    )
    assert request.output_indices == [0, 1, 2]


def test_seeds_share_a_row_and_the_rows_of_a_model_are_not_voted_twice(exported, kept, tmp_path):
    for seed in (0, 1):
        exported("keras", kept(seed))
        exported("keras", kept(seed))  # replaces the earlier one
    board = compute_leaderboard(records.load(tmp_path / "results"))
    assert board.frame["seeds"].tolist() == [2, 2]
    assert len(select_candidates(tmp_path / "results", [], None, None).rows) == 1


@pytest.mark.parametrize("int8", [False, True])
def test_a_file_that_disagrees_is_deleted(exported, tmp_path, monkeypatch, int8):
    def write_wrong(model, file, *_):
        model.layers[-1].set_weights([-weight for weight in model.layers[-1].get_weights()])
        original(model, file, "litert", None)
        model.layers[-1].set_weights([-weight for weight in model.layers[-1].get_weights()])

    original = writers.write_model
    monkeypatch.setattr(writers, "write_model", write_wrong)
    with pytest.raises(UserError, match="disagrees with Keras"):
        exported("litert", int8=int8)
    assert not [path for path in (tmp_path / "results" / "exports").rglob("*") if path.is_file()]
    assert not any(stored.record.trial.exported for stored in records.load(tmp_path / "results"))


def test_operations_that_onnx_lacks_are_replaced(tmp_path):
    pixels = keras.Input((6, 6, 2), name="pixels")
    x = layers.Normalization(mean=[10.0, 20.0], variance=[4.0, 9.0])(pixels)
    x = layers.Activation("gelu")(layers.Conv2D(2, 3, groups=2)(x))
    model = keras.Model(pixels, layers.Dense(3)(layers.Flatten()(x)))
    writers.write_model(model, tmp_path / "m.onnx", "onnx", None)
    images = np.random.default_rng(0).uniform(0, 30, (3, 6, 6, 2)).astype(np.float32)
    found = model_file.load(tmp_path / "m.onnx").predict(images)
    np.testing.assert_allclose(found, model.predict_on_batch(images), atol=1e-4)


@pytest.mark.parametrize("name", ["m.onnx", "m.tflite"])
@pytest.mark.parametrize("pooled", [False, True])
def test_a_dead_channel_does_not_spoil_an_8_bit_model(tmp_path, name, pooled):
    pixels = keras.Input((6, 6, 1), name="pixels")
    x = layers.Conv2D(2, 3, activation="relu")(pixels)
    pooling, normalization = layers.GlobalAveragePooling2D(), layers.BatchNormalization()
    x = normalization(pooling(x)) if pooled else pooling(normalization(x))
    model = keras.Model(pixels, layers.Dense(2)(x))
    mean_and_zero = np.full((3, 3, 1, 2), 1 / 9) * [1, 0]
    model.layers[1].set_weights([mean_and_zero, np.zeros(2)])
    normalization.set_weights(np.array([[1, 1], [0, 0], [128, 0], [2000, 0]]))
    model.layers[-1].set_weights([np.array([[1, -1], [1, 1]]), np.zeros(2)])
    images = np.random.default_rng(0).integers(0, 256, (60, 1, 1, 1)).repeat(6, 1).repeat(6, 2).astype(np.uint8)
    writers.write_model(model, tmp_path / name, "onnx" if name == "m.onnx" else "litert", images)
    found = model_file.load(tmp_path / name).predict(images.astype(np.float32))
    np.testing.assert_allclose(found, model.predict_on_batch(images.astype(np.float32)), atol=0.1)  # of ± 2.9


def test_a_failed_conversion_is_a_sentence(exported, monkeypatch):
    def fail(*_):
        raise NotImplementedError("no such\noperation.")

    monkeypatch.setattr(writers, "write_model", fail)
    with pytest.raises(UserError, match=r"bright_third cannot be exported to onnx: no such operation\. Choose"):
        exported("onnx")


@pytest.mark.parametrize(
    ("formats", "int8", "message"),
    [
        (["tflite3"], False, "Unknown format"),
        (["onnx", "keras"], True, "no 8-bit version of keras"),
        ([], False, "No format"),
    ],
)
def test_invalid_formats_fail(formats, int8, message):
    with pytest.raises(UserError, match=message):
        export.check_formats(formats, int8)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(export.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else name)
    with pytest.raises(UserError, match="requires tf2onnx"):
        export.check_formats(["onnx"])
    assert export.check_formats(["litert", "litert"]) == ["litert"]


def test_the_best_of_several_seeds_is_selected(kept, tmp_path):
    results = tmp_path / "results"
    with pytest.raises(UserError, match="no trained model"):
        select_record(results, "bright_third")
    kept(0, validation_errors=3)
    best = kept(1)
    kept(2, save=False)
    assert select_record(results, "bright_third").path == best.path
    assert select_record(results, model_file=best.model_file).path == best.path
    for name, message in (("none.keras", "does not exist"), ("other.keras", "not the model of a record")):
        (tmp_path / "other.keras").write_bytes(best.model_file.read_bytes())
        with pytest.raises(UserError, match=message):
            select_record(results, model_file=tmp_path / name)
    with pytest.raises(UserError, match="either"):
        select_record(results, "bright_third", best.model_file)


def exported_differences(name: str, folder) -> dict[str, float]:
    """Return the largest difference of a logit from Keras by format, as a fraction of the largest logit.

    Random weights give tiny logits or huge ones, whose probabilities differ by nothing.
    """
    keras.utils.set_random_seed(0)
    recipe = resolve(describe(name).recipe, {"precision": "mixed_bfloat16", "crop": None})
    shape = (3, 48, 48) if describe(name).input_kind == "sequences" else (48, 48)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_model(name, recipe, shape, 7)
    finally:
        keras.config.set_dtype_policy("float32")
    pixels = np.random.default_rng(0).integers(0, 256, (3, *shape, 1)).astype(np.float32)
    expected = writers.plain_model(model).predict_on_batch(pixels)
    differences = {}
    for file_format, suffix in (("onnx", ".onnx"), ("litert", ".tflite")):
        file = folder / f"{name}{suffix}"
        writers.write_model(model, file, file_format, None)
        runtime = RuntimeModel(model_file.load(file), model.input_shape)
        difference = np.abs(runtime.predict_on_batch(pixels) - expected).max()
        differences[file_format] = float(difference / np.abs(expected).max())
    return differences


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in FAST_NAMES else [pytest.mark.slow]) for name in NAMES]
)
def test_every_architecture_exports(name, tmp_path):
    differences = exported_differences(name, tmp_path)
    assert max(differences.values()) < MAX_DIFFERENCE, differences
    keras.backend.clear_session()


def test_the_python_function_exports_by_name(kept, tmp_path):
    kept()
    result = fer_bench.export_model(tmp_path / "results", "bright_third", "keras", output=tmp_path / "here")
    assert result.file == tmp_path / "here" / "bright_third.keras" and result.file.is_file()
    with pytest.raises(UserError, match="Unknown format"):
        fer_bench.export_model(tmp_path / "results", "bright_third", "kears")
