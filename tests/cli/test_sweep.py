"""The commands that train, from the command line to the files that they write."""

import csv
import io
import sys

import numpy as np
import pytest

from fer_bench import cli, records


@pytest.fixture
def call(working_dir, architectures_file, empty_figures, monkeypatch, capfd):
    """Run a command in this process; return its exit status, standard output and standard error."""

    def run(*args):
        trains = not args or args[0] in ("sweep", "train") or str(args[0]).startswith("--")
        more = ["--extra-architectures", str(architectures_file)] if trains or args[0] == "list" else []
        if trains and "--executor" not in args:
            more += ["--executor", "in-process"]  # a worker process takes seconds to import Keras
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *map(str, args), *more])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capfd.readouterr()
        return stopped.value.code or 0, out, err

    return run


def test_a_sweep_writes_a_leaderboard_and_then_runs_pending_trials_only(call, working_dir, data_dir, contents):
    request = ("--models", "cli_tiny", "--data-dir", data_dir)
    status, out, _ = call(*request)
    assert status == 0
    assert "1 to run" in out and "cli_tiny" in out
    table = (working_dir / "results/leaderboard.md").read_text()
    assert "cli_tiny" in table and "fer2013" in table
    with open(working_dir / "results/leaderboard.csv") as file:
        (row,) = csv.DictReader(file)
    assert float(row["accuracy"]) > 0.3  # chance is 0.14; brightness gives the classes away
    assert (working_dir / "results/experiments/fer2013.yaml").is_file()
    assert len(list((working_dir / "results/figures").rglob("*.png"))) >= 2
    before = contents(working_dir / "results/records")

    status, out, _ = call(*request)
    assert status == 0 and "1 recorded already" in out and "to run" not in out
    assert contents(working_dir / "results/records") == before

    status, out, _ = call(*request, "--weights", "random")  # auto resolved to random: the same trial
    assert status == 0 and "1 recorded already" in out

    status, out, _ = call(*request, "--seeds", "2")
    assert status == 0 and "1 to run" in out
    after = contents(working_dir / "results/records")
    assert len(records.load(working_dir / "results")) == 2
    assert len([path for path in after if path.name == "model.keras"]) == 1  # of the better seed
    assert all(after[path] == before[path] for path in before if not path.name.startswith("model"))

    status, out, _ = call(*request, "--overwrite")
    assert status == 0 and "1 to run" in out
    (again,) = [stored for stored in records.load(working_dir / "results") if stored.record.trial.seed == 0]
    with np.load(io.BytesIO(before[again.path / "predictions.npz"])) as expected:
        np.testing.assert_array_equal(again.predictions("test").probabilities, expected["test_probabilities"])


def test_without_data_the_synthetic_dataset_is_used_and_labeled(call, working_dir):
    status, out, _ = call("--models", "cli_tiny", "--epochs", "1")
    assert status == 0
    assert "not a benchmark" in out and "fer2013.csv" in out  # what it is, and how to get real data
    table = (working_dir / "results/leaderboard.md").read_text()
    assert "synthetic (drawn faces, not a benchmark result)" in table


def test_a_failing_architecture_is_a_row_and_the_sweep_continues(call, working_dir, data_dir):
    status, out, _ = call("--models", "cli_broken,cli_tiny", "--data-dir", data_dir)
    assert status == 1
    table = (working_dir / "results/leaderboard.md").read_text()
    assert "no such layer" in table and "cli_broken" in table
    with open(working_dir / "results/leaderboard.csv") as file:
        assert {row["model"]: row["status"] for row in csv.DictReader(file)} == {
            "cli_tiny": "finished",
            "cli_broken": "failed",
        }
    status, out, _ = call("--models", "cli_broken", "--data-dir", data_dir)
    assert status == 1 and "--retry-failed" in out and "to run" not in out
    status, out, _ = call("--models", "cli_broken", "--data-dir", data_dir, "--retry-failed")
    assert status == 1 and "1 to run" in out


def test_prepare_train_evaluate_visualize_and_report(call, working_dir, data_dir):
    status, out, _ = call("prepare", "--data-dir", data_dir)
    assert status == 0 and "fer2013: 98 images" in out and "angry 14" in out
    status, out, _ = call("train", "--model", "cli_tiny", "--epochs", "3", "--batch-size", "32", "--data-dir", data_dir)
    assert status == 0
    (stored,) = records.load(working_dir / "results")
    assert len(stored.record.history) == 3 and stored.record.trial.recipe["batch_size"] == 32
    status, out, _ = call("evaluate", "--model", "cli_tiny")
    assert status == 0 and "surprise" in out and "recall" in out
    for figure in (working_dir / "results/figures").rglob("*.png"):
        figure.unlink()
    status, out, _ = call("visualize")
    assert status == 0 and "confusion.png" in out
    assert list((working_dir / "results/figures").rglob("*confusion.png"))
    (working_dir / "results/leaderboard.md").unlink()
    status, out, _ = call("report")
    assert status == 0 and (working_dir / "results/leaderboard.md").is_file()


def test_list_shows_architectures_datasets_protocols_and_experiments(call, data_dir):
    status, out, _ = call("list", "--data-dir", data_dir)
    assert status == 0
    for name in ("vgg19", "resnet50_lstm_attention", "cli_tiny", "synthetic", "official", "first_hour"):
        assert name in out
    assert "fer2013.csv" in "".join(out.split())


def test_flags_override_the_experiment_file(call, working_dir, data_dir):
    (working_dir / "mine.yaml").write_text(
        "models: [cli_tiny]\ndatasets: [fer2013]\nseeds: 2\nper_model: {cli_tiny: {epochs: 4, dropout: 0.1}}\n"
    )
    status, _, _ = call("--experiment", "mine.yaml", "--epochs", "1", "--seeds", "1", "--data-dir", data_dir)
    assert status == 0
    (stored,) = records.load(working_dir / "results")
    assert stored.record.trial.recipe["epochs"] == 1 and stored.record.trial.recipe["dropout"] == 0.1
    assert "epochs: 1" in (working_dir / "results/experiments/mine.yaml").read_text()


def test_each_recipe_is_a_row_of_its_own(call, working_dir, data_dir):
    (working_dir / "short.yaml").write_text("recipe: {epochs: 2, dropout: 0.1}\n")
    request = ("--models", "cli_t*", "--recipe", "default,short.yaml,frozen", "--data-dir", data_dir)
    status, out, _ = call(*request, "--set", "optimizer.learning_rate=3e-4", "--set", "patience=null", "--epochs", "1")
    assert status == 0
    assert "1 model × default, short × fer2013 × 1 seed = 2 trials, 1 incompatible pair skipped" in out
    assert "cli_tiny × frozen (no ImageNet weights exist)" in out
    recipes = [stored.record.trial.recipe for stored in records.load(working_dir / "results")]
    assert sorted(recipe["dropout"] for recipe in recipes) == [0.1, 0.3]
    assert all((r["optimizer"]["learning_rate"], r["patience"], r["epochs"]) == (3e-4, None, 1) for r in recipes)
    with open(working_dir / "results/leaderboard.csv") as file:
        labels = {row["label"]: row["recipe"] for row in csv.DictReader(file)}
    assert sorted(recipe.partition(",")[0] for recipe in labels.values()) == ["default", "short"]
    figures = [path.name for path in (working_dir / "results/figures").rglob("*confusion.png")]
    assert len(figures) == 2 and any("short" in name for name in figures)

    resolved = "results/experiments/fer2013.yaml"
    status, out, _ = call("--experiment", resolved, "--data-dir", data_dir)
    assert status == 0 and "2 recorded already" in out and "to run" not in out


def test_train_accepts_a_recipe(call, data_dir):
    status, out, _ = call(
        *("train", "--model", "cli_tiny", "--recipe", "uniform", "--set", "epochs=1", "--data-dir", data_dir),
        "--dry-run",
    )
    assert status == 0 and "uniform, epochs=1" in out


@pytest.mark.parametrize("budget", [[], ["--budget", "20s"]], ids=["no budget", "budget"])
def test_a_dry_run_prints_the_plan_and_writes_nothing(call, working_dir, data_dir, budget):
    request = ("--models", "cli_t*", "--recipe", "default,frozen", "--seeds", "2", "--data-dir", data_dir)
    status, out, _ = call(*request, "--dry-run", *budget)
    assert status == 0
    assert "1 model × default × fer2013 × 2 seeds = 2 trials, 1 incompatible pair skipped" in out
    assert "cli_tiny × frozen (no ImageNet weights exist)" in out
    assert "2 to run" in out and "trial 1 of" not in out
    table = out[out.index("model ") :]
    assert "recipe" in table and "expected" in table and "cli_tiny" in table and "official" in table
    assert not (working_dir / "results").exists()


def test_a_dry_run_knows_the_records_and_the_speed_of_this_machine(call, working_dir, data_dir, contents):
    request = ("--models", "cli_tiny", "--epochs", "1", "--data-dir", data_dir)
    call(*request)
    before = contents(working_dir / "results")
    status, out, _ = call(*request, "--seeds", "2", "--dry-run", "--budget", "1s")
    assert status == 0 and "1 recorded already" in out and "1 to run: about" in out
    assert "0 trials of 1 fit" in out and "Skipped: cli_tiny (1 ×" in out
    assert contents(working_dir / "results") == before


WRONG = {
    "unknown model": (["--models", "vgg91"], "vgg19"),
    "unknown dataset": (["--models", "cli_tiny", "--datasets", "fer2031"], "fer2013"),
    "missing csv": (["--models", "cli_tiny", "--datasets", "fer2013", "--data-dir", "empty"], "fer2013.csv"),
    "empty data folder": (["--models", "cli_tiny", "--data-dir", "empty"], "empty"),
    "no data folder": (["--models", "cli_tiny", "--data-dir", "nowhere"], "nowhere"),
    "misspelled key": (["--experiment", "misspelled.yaml"], "'modles'"),
    "misspelled recipe key": (["--experiment", "recipe.yaml"], "'epoch'"),
    "not an experiment": (["--experiment", "nowhere"], "first_hour"),
    "results in a file": (["--models", "cli_tiny", "--results-dir", "file/results"], "file/results"),
    "weights folder": (["--models", "cli_tiny", "--weights-dir", "nowhere"], "nowhere"),
    "no ImageNet weights": (["--models", "cli_tiny", "--weights", "imagenet"], "cli_tiny"),
    "unknown recipe": (["--models", "cli_tiny", "--recipe", "fozen"], "frozen"),
    "incompatible recipe": (["--models", "cli_tiny", "--recipe", "frozen"], "no ImageNet weights exist"),
    "nothing to train": (["--models", "cli_tin*", "--recipe", "frozen"], "nothing to train"),
    "set without value": (["--models", "cli_tiny", "--set", "epochs"], "--set"),
    "set without key": (["--models", "cli_tiny", "--set", "=3"], "key"),
    "set to no YAML": (["--models", "cli_tiny", "--set", "epochs=[3"], "YAML"),
    "set of no field": (["--models", "cli_tiny", "--set", "epoch=3"], "Did you mean 'epochs'"),
    "set to no value": (["--models", "cli_tiny", "--set", "loss=fokal"], "loss"),
    "target in percent": (["--models", "cli_tiny", "--target", "60"], "0.60"),
    "ten-crop without crop": (["--models", "cli_tiny", "--set", "tta=ten-crop"], "needs a crop"),
    "nothing to report": (["report", "--results-dir", "empty"], "empty"),
    "nothing trained": (["evaluate", "--model", "vgg16", "--results-dir", "empty"], "empty"),
    "truncated csv": (["--models", "cli_tiny", "--data-dir", "cut"], "line 3"),
    "no architecture file": (["--models", "all", "--extra-architectures", "missing.py"], "missing.py"),
}


@pytest.mark.parametrize(("args", "word"), WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_one_line_on_standard_error(call, working_dir, args, word):
    (working_dir / "empty").mkdir()
    (working_dir / "file").write_text("")
    (working_dir / "misspelled.yaml").write_text("modles: [cnn]\ndatasets: [synthetic]\n")
    (working_dir / "recipe.yaml").write_text("models: [cli_tiny]\ndatasets: [synthetic]\nrecipe: {epoch: 3}\n")
    (working_dir / "cut").mkdir()
    row = " ".join(["7"] * 48 * 48)
    (working_dir / "cut/fer2013.csv").write_text(f"emotion,pixels,Usage\n0,{row},Training\n1,{row[:5000]}")
    status, out, err = call(*args)
    assert status == 2
    assert word in err
    assert err.startswith("fer-bench: ") and err.count("\n") == 1 and "Traceback" not in err
    assert "trial 1" not in out


def test_a_wrong_request_changes_no_record(call, working_dir, data_dir, contents):
    call("--models", "cli_tiny", "--data-dir", data_dir)
    before = contents(working_dir / "results/records")
    (working_dir / "broken").mkdir()
    (working_dir / "broken/fer2013.csv").write_text("emotion,pixels,Usage\n0,1 2 3,Training\n")
    status, _, err = call("--models", "cli_tiny", "--data-dir", working_dir / "broken")
    assert status == 2 and "line 2" in err
    assert contents(working_dir / "results/records") == before
