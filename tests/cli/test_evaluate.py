"""`evaluate`, of our own records and of models that others trained."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from keras import layers

from fer_bench import records
from fer_bench.cli import cli
from fer_bench.core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
LABELS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
WANTED = f"input_size: 48\nscaling: 0..1\nlabels: [{', '.join(LABELS)}]\n"


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """The class whose brightness in the made-up fer2013.csv is nearest, 30 + 30 × its number."""
    inputs = keras.Input((48, 48, 1))
    dense = layers.Dense(7, activation="softmax")
    model = keras.Model(inputs, dense(layers.GlobalAveragePooling2D()(inputs)))
    bright = (30 + 30 * np.arange(7)) / 255
    dense.set_weights([2000 * bright[None], -1000 * bright**2])
    path = tmp_path_factory.mktemp("models") / "theirs.keras"
    model.save(path)
    return path


@pytest.fixture
def evaluate(working_dir, data_dir):
    (working_dir / "wanted.yaml").write_text(WANTED)

    def run(*arguments):
        given = ["evaluate", *map(str, arguments), "--data-dir", str(data_dir)]
        return CliRunner().invoke(cli, given, catch_exceptions=False).output

    return run


def test_a_model_of_others_is_scored_recorded_and_reported(evaluate, working_dir, model_file):
    said = evaluate("--model-file", model_file, "--preprocessing", "wanted.yaml", "--dataset", "fer2013")
    assert "Recorded below results" in said and "theirs" in said
    assert "100.00" in said and "surprise" in said
    (stored,) = records.load(working_dir / "results")
    assert (stored.record.trial.protocol, stored.record.trial.architecture) == ("official", "theirs")
    assert stored.record.samples == {"validation": 14, "test": 14}
    again = evaluate("--model", "theirs")
    assert "100.00" in again and len(records.load(working_dir / "results")) == 1


def test_protocol_and_name_are_the_users(evaluate, working_dir, model_file):
    given = ("--model-file", model_file, "--preprocessing", "wanted.yaml", "--name", "mine")
    evaluate(*given, "--dataset", "fer2013", "--protocol", "holdout-80-10-10")
    (stored,) = records.load(working_dir / "results")
    assert (stored.record.trial.protocol, stored.record.trial.architecture) == ("holdout-80-10-10", "mine")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Name one of --model"),
        (["--model", "cnn", "--model-file", "net.keras"], "Name one of --model"),
        (["--model", "cnn", "--preprocessing", "wanted.yaml"], "--preprocessing goes with --model-file"),
        (["--model", "cnn", "--protocol", "kfold"], "--protocol goes with --model-file"),
        (["--model-file", "net.keras"], "--model-file needs --preprocessing"),
    ],
)
def test_what_does_not_go_together_is_told(evaluate, arguments, sentence):
    with pytest.raises(UserError, match=sentence):
        evaluate(*arguments)


def test_keras_is_imported_only_after_all_else_was_checked(working_dir, data_dir, model_file):
    (working_dir / "wanted.yaml").write_text(WANTED.replace("neutral", "contempt"))
    code = "import sys; from fer_bench.cli import main\ntry: main()\nfinally: print({'keras'} & {*sys.modules})"
    given = ["evaluate", "--model-file", model_file, "--preprocessing", "wanted.yaml", "--data-dir", data_dir]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, given), "--dataset", "fer2013"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2 and "has the class 'neutral', and labels do not name it" in done.stderr
    assert done.stdout.strip() == "set()"
