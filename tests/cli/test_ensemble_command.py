"""`ensemble`: from recorded trials to a row of the leaderboard, without Keras."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from fer_bench import records
from fer_bench.cli import cli
from fer_bench.core.errors import UserError
from fer_bench.records.schema import Predictions, Record, Trial

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLES = 60


def record(results: Path, model: str, seed: int) -> None:
    trial = Trial(
        architecture=model,
        source_digest="0",
        dataset="fer2013",
        fingerprint="f",
        protocol="official",
        fold=0,
        recipe_name="default",
        recipe={"precision": "float32"},
        initial_weights="random",
        seed=seed,
        backend="tensorflow",
        procedure_version=2,
    )
    made = Record(
        trial=trial,
        status="finished",
        started="2030-01-01T00:00:00Z",
        machine={"processor": "Example CPU"},
        classes=["angry", "happy"],
        samples={},
    )
    share = np.random.default_rng([seed, len(model)]).random((SAMPLES, 1), np.float32)
    ids, labels = np.array([f"i{i}" for i in range(SAMPLES)]), np.arange(SAMPLES) % 2
    said = Predictions(ids, labels, np.concatenate([share, 1 - share], axis=1))
    records.write(results, made, {"validation": said, "test": said})


@pytest.fixture
def results(tmp_path):
    for seed in range(2):
        for model in ("cnn", "vgg16"):
            record(tmp_path / "results", model, seed)
    return tmp_path / "results"


def run(*arguments, expected=None):
    done = CliRunner().invoke(cli, ["ensemble", *map(str, arguments)])
    if expected:
        assert isinstance(done.exception, expected)
        return str(done.exception)
    assert done.exit_code == 0, done.output
    return done.output


def test_what_votes_is_said_with_its_shares(results):
    out = run("--members", "cnn,vgg16", "--results-dir", results)
    assert "Seed 1: cnn (default) 50.0 %, vgg16 (default) 50.0 %" in out
    assert "Written: 2 records of 'vote of cnn + vgg16'" in out
    assert "the best member alone" in out


def test_what_cannot_be_read_is_named_with_a_count(results):
    (results / "records" / "notes.txt").write_text("mine")
    out = run("--greedy", "2", "--results-dir", results)
    assert "Left out, since they cannot be read (1):" in out and "notes.txt: a file" in out


def test_nothing_asked_for_is_a_mistake(results):
    assert "--greedy N" in run("--results-dir", results, expected=UserError)


def test_it_needs_no_keras(results):
    code = (
        "import sys; from fer_bench.cli import cli\n"
        f"cli(['ensemble', '--greedy', '2', '--weighted', '--results-dir', {str(results)!r}], standalone_mode=False)\n"
        "print('HEAVY', *({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY"
