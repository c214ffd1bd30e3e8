"""`ensemble`: from recorded trials to a row of the leaderboard, without Keras."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_up_records import RecordMaker

from fer_bench.cli import cli
from fer_bench.core.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def results(tmp_path):
    make = RecordMaker(tmp_path / "results")
    for seed in range(2):
        for model in ("cnn", "vgg16"):
            make(model, seed, samples=60)
    return make.results


def run(*arguments):
    done = CliRunner().invoke(cli, ["ensemble", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_members_are_printed_with_their_weights(results):
    output = run("--members", "cnn,vgg16", "--results-dir", results)
    assert "Seed 1: cnn (default) 50.0 %, vgg16 (default) 50.0 %" in output
    assert "Written: 2 records of 'vote of cnn + vgg16'" in output
    assert "the best member alone" in output


def test_incomplete_seeds_and_unreadable_records_are_named(results):
    RecordMaker(results)("cnn", 2, samples=60)
    (results / "records" / "notes.txt").write_text("mine")
    output = run("--greedy-size", "2", "--results-dir", results)
    assert "seed 2 fold 0" in output and "notes.txt:" in output


def test_members_or_a_greedy_size_are_required(results):
    with pytest.raises(UserError, match="--greedy-size"):
        run("--results-dir", results)


def test_it_does_not_import_keras(results):
    arguments = ["ensemble", "--greedy-size", "2", "--weighted", "--results-dir", str(results)]
    code = (
        f"import sys; from fer_bench.cli import cli; cli({arguments!r}, standalone_mode=False)\n"
        "print('HEAVY', *({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY"
