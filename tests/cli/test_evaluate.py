"""`evaluate`, of recorded and of external models."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from keras import layers

from fer_bench import records
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, load

ROOT = Path(__file__).resolve().parents[2]
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
PREPROCESSING = f"input_size: 48\nscaling: 0..1\nlabels: [{', '.join(LABELS)}]\n"


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """Return a model that predicts the class by brightness: 30 + 30 × class in the made-up fer2013.csv."""
    inputs = keras.Input((48, 48, 1))
    dense = layers.Dense(7, activation="softmax")
    model = keras.Model(inputs, dense(layers.GlobalAveragePooling2D()(inputs)))
    brightness = (30 + 30 * np.arange(7)) / 255
    dense.set_weights([2000 * brightness[None], -1000 * brightness**2])
    path = tmp_path_factory.mktemp("models") / "theirs.keras"
    model.save(path)
    return path


@pytest.fixture
def evaluate(run, working_dir, data_dir):
    (working_dir / "preprocessing.yaml").write_text(PREPROCESSING)

    return partial(run, "evaluate", "--data-dir", data_dir)


def test_an_external_model_is_scored_recorded_and_reported(evaluate, working_dir, model_file):
    output = evaluate("--model-file", model_file, "--preprocessing", "preprocessing.yaml", "--dataset", "fer2013")
    assert "Recorded in results" in output and "theirs" in output
    assert "100.00" in output and "surprise" in output
    (stored,) = records.load(working_dir / "results")
    assert (stored.record.trial.protocol, stored.record.trial.architecture) == ("official", "theirs")
    assert stored.record.samples == {"validation": 14, "test": 14}
    again = evaluate("--model", "theirs")
    assert "100.00" in again and len(records.load(working_dir / "results")) == 1


def test_a_model_with_some_classes_has_a_table_of_its_own(evaluate, run, working_dir, model_file):
    options = ("--model-file", model_file, "--preprocessing", "preprocessing.yaml", "--dataset", "fer2013")
    evaluate(*options, "--name", "whole")
    labels = PREPROCESSING.replace("disgust", "null").replace("neutral", "Valence")
    (working_dir / "preprocessing.yaml").write_text(labels)
    output = evaluate(*options, "--name", "part")
    assert "Only images of 5 of 7 classes" in output and "10 of 14 test images" in output
    assert "100.00" in output and "\ndisgust " not in output and "2 of 7 outputs ignored" in output
    names = {stored.record.trial.architecture: stored.record for stored in records.load(working_dir / "results")}
    protocol, classes = names["part"].trial.protocol, ["angry", "fear", "happy", "sad", "surprise"]
    assert protocol == f"official (5 of 7 classes: {' '.join(classes)})" and names["part"].classes == classes
    assert names["whole"].trial.protocol == "official"
    run("report", "--protocol", protocol)
    table = (working_dir / "results" / "leaderboard.md").read_text()
    assert f"## fer2013, protocol {protocol}" in table and "| part " in table and "| whole " not in table
    assert "Only images of 5 of 7 classes" in (working_dir / "results" / "leaderboard.html").read_text()


def test_a_model_that_always_says_the_same_is_noticed(evaluate, run, working_dir, model_file, tmp_path):
    model = keras.models.load_model(model_file)
    model.layers[-1].set_weights([np.zeros((1, 7)), np.eye(7)[2]])
    model.save(tmp_path / "constant.keras")
    output = evaluate(
        *("--model-file", tmp_path / "constant.keras", "--preprocessing", "preprocessing.yaml", "--dataset", "fer2013")
    )
    sentence = "constant: All 14 test images got one class, fear."
    assert f"Warning: {sentence}" in output
    run("report")
    assert f"- {sentence}" in (working_dir / "results" / "leaderboard.md").read_text()
    assert "got one class, fear" in (working_dir / "results" / "leaderboard.html").read_text()


def test_protocol_and_name_are_options(evaluate, working_dir, model_file):
    options = ("--model-file", model_file, "--preprocessing", "preprocessing.yaml", "--name", "mine")
    evaluate(*options, "--dataset", "fer2013", "--protocol", "holdout-80-10-10")
    (stored,) = records.load(working_dir / "results")
    assert (stored.record.trial.protocol, stored.record.trial.architecture) == ("holdout-80-10-10", "mine")


def test_a_saved_model_is_scored_if_it_is_trusted(evaluate, working_dir, model_file):
    keras.models.load_model(model_file).export(working_dir / "saved", verbose=False)
    options = ("--model-file", "saved", "--preprocessing", "preprocessing.yaml", "--dataset", "fer2013")
    with pytest.raises(UserError, match="--trust-model"):
        evaluate(*options)
    assert "100.00" in evaluate(*options, "--trust-model")
    (stored,) = records.load(working_dir / "results")
    assert stored.record.trial.backend == "tensorflow"


def test_a_model_for_larger_images_gets_the_image_files(run, working_dir):
    """Fine lines vanish at 48 pixels. The row stays in the table of its dataset and says what was read."""
    lines = np.full((96, 96), 128, np.uint8)
    lines[:, ::2], lines[:, 1::2] = 90, 166
    for name, image in (("happy", lines), ("sad", np.full((96, 96), 128, np.uint8))):
        for split, count in (("train", 2), ("val", 2), ("test", 5)):
            folder = working_dir / "data" / "folder" / split / name
            folder.mkdir(parents=True)
            for number in range(count):
                image[number, len(split)] = number  # each is different
                (folder / f"{number}.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
    inputs = keras.Input((96, 96, 1))
    edges = layers.Conv2D(1, (1, 3), use_bias=False, activation="relu")
    dense = layers.Dense(2, activation="softmax")
    model = keras.Model(inputs, dense(layers.GlobalAveragePooling2D()(edges(inputs))))
    edges.set_weights([np.array([-1, 2, -1], np.float32).reshape(1, 3, 1, 1)])
    dense.set_weights([np.array([[60.0, -60.0]]), np.array([-6.0, 6.0])])
    model.save("large.keras")
    Path("preprocessing.yaml").write_text("input_size: 96\nscaling: 0..1\nlabels: [happy, sad]\n")
    options = ("--model-file", "large.keras", "--preprocessing", "preprocessing.yaml", "--dataset", "folder")
    output = run("evaluate", *options)
    assert "100.00" in output and "read at 96 px" in output
    (stored,) = records.load(working_dir / "results")
    trial, data = stored.record.trial, load("folder", DataConfig())
    assert (trial.dataset, trial.fingerprint) == ("folder", data.fingerprint)
    assert len(trial.recipe["external"]["image_files"]) == 64


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ([], "--model-file"),
        (["--model", "cnn", "--model-file", "net.keras"], "--model-file"),
        (["--model", "cnn", "--preprocessing", "preprocessing.yaml"], "--preprocessing requires"),
        (["--model", "cnn", "--protocol", "kfold"], "--protocol requires"),
        (["--model-file", "net.keras"], "requires --preprocessing"),
    ],
)
def test_conflicting_options_raise(evaluate, arguments, word):
    with pytest.raises(UserError, match=word):
        evaluate(*arguments)


def test_keras_is_imported_only_after_all_checks(working_dir, data_dir, model_file):
    (working_dir / "preprocessing.yaml").write_text(PREPROCESSING.replace("neutral", "calm"))
    code = "import sys; from fer_bench.cli import main\ntry: main()\nfinally: print({'keras'} & {*sys.modules})"
    command = ["evaluate", "--model-file", model_file, "--preprocessing", "preprocessing.yaml", "--data-dir", data_dir]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, command), "--dataset", "fer2013"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "'calm'" in done.stderr
    assert done.stdout.strip() == "set()"
