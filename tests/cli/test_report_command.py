"""`report`: files for a whole folder of records, a part of it, in another order or in groups."""

import csv
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
SAMPLES = 200
FILES = ["leaderboard.csv", "leaderboard.html", "leaderboard.md", "leaderboard.tex"]


def record(results, model, dataset="fer2013", right=120, recipe="default"):
    """A record of 200 samples of two classes of which so many are right; of none where it failed."""
    trial = Trial(
        architecture=model,
        source_digest="0",
        dataset=dataset,
        fingerprint="f",
        protocol="official",
        fold=0,
        recipe_name=recipe,
        recipe={"name": recipe},
        initial_weights="random",
        seed=0,
        backend="tensorflow",
        procedure_version=2,
    )
    known = {"started": "2030-01-01T00:00:00Z", "machine": {}, "classes": ["sad", "happy"], "samples": {}}
    if right is None:
        records.write(results, Record(trial=trial, status="failed", reason="no memory", **known), {})
        return
    labels = np.arange(SAMPLES) % 2
    said = np.where(np.arange(SAMPLES) < right, labels, 1 - labels)
    test = Predictions(np.array([f"i{n}" for n in range(SAMPLES)]), labels, np.eye(2, dtype=np.float32)[said])
    records.write(results, Record(trial=trial, status="finished", **known), {"test": test})


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "results"
    record(folder, "cnn", right=160)
    record(folder, "vgg16", right=100, recipe="frozen")
    record(folder, "vgg19", right=None)
    record(folder, "cnn", dataset="jaffe")
    return folder


def report(results, *arguments):
    return CliRunner().invoke(cli, ["report", "--results-dir", str(results), *map(str, arguments)])


def said(results, *arguments):
    done = report(results, *arguments)
    assert done.exit_code == 0, done.output
    return done.output


def written(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def rows(folder):
    with open(folder / "leaderboard.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_all_four_files_are_written_beside_the_records_and_named(results):
    out = said(results)
    assert written(results) == FILES and all(name in out.replace("\n", "") for name in FILES)
    assert len(rows(results)) == 4 and "Shown:" not in out


def test_a_filtered_report_says_everywhere_what_was_left_out(results, tmp_path):
    out = said(results, "--dataset", "jaffe", "--output", tmp_path / "part")
    note = "Shown: 1 of 4 rows; left out by --dataset jaffe: 3 rows (fer2013 3)."
    assert note in out
    for name in ("leaderboard.md", "leaderboard.tex", "leaderboard.html"):
        assert note in (tmp_path / "part" / name).read_text(encoding="utf-8"), name
    assert [row["dataset"] for row in rows(tmp_path / "part")] == ["jaffe"]
    assert not written(results)
    assert [path.name for path in (tmp_path / "part" / "figures").iterdir()] == ["jaffe-official"]


def test_several_names_are_separated_by_commas(results, tmp_path):
    said(results, "--dataset", "jaffe, fer2013", "--protocol", "official", "--output", tmp_path / "all")
    assert len(rows(tmp_path / "all")) == 4


def test_a_failed_row_stays_whatever_is_asked_for(results):
    out = said(results, "--dataset", "fer2013", "--metric", "macro_f1", "--by", "recipe")
    assert "vgg19: 1 failed trial: no memory" in out
    assert [row["status"] for row in rows(results)].count("failed") == 1
    for name in ("leaderboard.md", "leaderboard.tex"):
        assert "vgg19" in (results / name).read_text(encoding="utf-8")


def test_metric_and_groups_reach_terminal_and_files(results):
    out = said(results, "--metric", "macro_f1", "--by", "recipe")
    assert "best macro F1" in out and "recipe: frozen" in out and "Grouped by recipe" in out
    found = {(row["model"], row["dataset"]): row for row in rows(results)}
    assert found["vgg16", "fer2013"]["group"] == "frozen" and found["vgg16", "fer2013"]["macro_f1_low"]
    assert "### recipe: frozen" in (results / "leaderboard.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--dataset", "jafe"], "did you mean jaffe"),
        (["--protocol", "kfold"], "there is official"),
        (["--metric", "f1"], "macro_f1"),
        (["--by", "receipt"], "did you mean recipe"),
    ],
)
def test_an_unknown_name_is_one_clear_sentence_and_nothing_is_written(results, arguments, sentence):
    done = report(results, *arguments)
    assert isinstance(done.exception, UserError) and sentence in str(done.exception)
    assert not written(results)


def test_it_needs_no_keras(results):
    code = (
        "import sys; from fer_bench.cli import cli\n"
        f"cli(['report', '--metric', 'kappa', '--by', 'model', '--results-dir', {str(results)!r}], "
        "standalone_mode=False)\n"
        "print('HEAVY', *({'keras', 'tensorflow', 'jax', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "HEAVY"
