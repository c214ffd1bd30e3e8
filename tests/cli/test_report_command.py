"""`report`: files for a whole folder of records, for some rows, in another order or in groups."""

import csv
from functools import partial

import pytest
from made_up_records import RecordMaker, exact

from fer_bench import records
from fer_bench.core.errors import UserError

SAMPLES = 200
FILES = ["leaderboard.csv", "leaderboard.html", "leaderboard.md", "leaderboard.tex"]


def predictions(num_correct):
    labels = [i % 2 for i in range(SAMPLES)]
    return exact(labels, [label if i < num_correct else 1 - label for i, label in enumerate(labels)], 2)


@pytest.fixture
def results(tmp_path, empty_figures):
    """A results folder with four rows."""
    make = RecordMaker(tmp_path / "results")
    make("cnn", test=predictions(160))
    make("vgg16", test=predictions(100), recipe_name="frozen", recipe={"epochs": 3})
    make("vgg19", status="failed", reason="no memory", epochs=0)
    make("cnn", dataset="jaffe", test=predictions(120))
    return make.results


@pytest.fixture
def report(run, results):
    return partial(run, "report", "--results-dir", results)


def written(folder):
    return sorted(path.name for path in folder.iterdir() if path.is_file())


def rows(folder):
    with open(folder / "leaderboard.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_all_files_are_written_into_the_results_folder_and_named(report, results):
    output = report()
    assert written(results) == FILES and all(name in output.replace("\n", "") for name in FILES)
    assert len(rows(results)) == 4 and "Shown:" not in output


def test_a_filtered_report_has_a_note_on_omitted_rows_everywhere(report, results, tmp_path):
    output = report("--dataset", "jaffe", "--output", tmp_path / "filtered")
    note = "Shown: 1 of 4 rows; omitted by --dataset jaffe: 3 rows (fer2013 3)."
    assert note in output
    for name in ("leaderboard.md", "leaderboard.tex", "leaderboard.html"):
        assert note in (tmp_path / "filtered" / name).read_text(encoding="utf-8"), name
    assert [row["dataset"] for row in rows(tmp_path / "filtered")] == ["jaffe"]
    assert not written(results)
    assert [path.name for path in (tmp_path / "filtered" / "figures").iterdir()] == ["jaffe-official"]


def test_names_are_separated_by_commas(report, results, tmp_path):
    report("--dataset", "jaffe, fer2013", "--protocol", "official", "--output", tmp_path / "all")
    assert len(rows(tmp_path / "all")) == 4


def test_metric_and_groups_apply_to_terminal_and_files_and_keep_failed_rows(report, results):
    output = report("--metric", "macro_f1", "--group-by", "recipe")
    assert "best macro F1" in output and "recipe: frozen" in output and "Grouped by recipe" in output
    assert "vgg19: 1 failed trial: no memory" in output
    found = {(row["model"], row["dataset"]): row for row in rows(results)}
    assert found["vgg16", "fer2013"]["group"] == "frozen" and found["vgg16", "fer2013"]["macro_f1_low"]
    assert found["vgg19", "fer2013"]["status"] == "failed"
    assert "### recipe: frozen" in (results / "leaderboard.md").read_text(encoding="utf-8")


def test_records_are_loaded_once(report, results, monkeypatch):
    loads = []
    load = records.load
    for module in ("fer_bench.records", "fer_bench.report.write"):
        monkeypatch.setattr(f"{module}.load", lambda folder: loads.append(folder) or load(folder))
    report("--metric", "macro_f1")
    assert len(loads) == 1


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--dataset", "jafe"], "jaffe"),
        (["--protocol", "kfold"], "official"),
        (["--metric", "f1"], "macro_f1"),
        (["--group-by", "receipt"], "recipe"),
        (["--target", "60"], "target"),
    ],
)
def test_unknown_names_raise_and_nothing_is_written(report, results, arguments, word):
    with pytest.raises(UserError, match=word):
        report(*arguments)
    assert not written(results)


def test_it_does_not_import_keras(imported_backends, results):
    options = ["--metric", "kappa", "--group-by", "model", "--dataset", "jaffe"]  # one row, whose figures are rendered
    assert not imported_backends("report", *options, "--output", results / "jaffe", "--results-dir", results)


def test_targets_are_columns_of_the_report(report, results):
    report("--target", "0.5,0.65")
    assert {"seconds_to_50", "seconds_to_65"} == {key for key in rows(results)[0] if key.startswith("seconds_to_")}
