"""The commands, from the command line to the files that they leave."""

import csv
import sys

import numpy as np
import pytest

from fer_bench import cli, records


@pytest.fixture
def call(place, outside, monkeypatch, capfd):
    """Run a command in this process: its exit status, standard output and standard error."""

    def run(*args):
        outside_option = ["--extra-architectures", str(outside)] if _takes_architectures(args) else []
        if _trains(args) and "--executor" not in args:
            outside_option += ["--executor", "in-process"]  # without a process, which takes its seconds to import Keras
        monkeypatch.setattr(sys, "argv", ["benchmark.py", *map(str, args), *outside_option])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capfd.readouterr()
        return stopped.value.code or 0, out, err

    return run


def _takes_architectures(args):
    return _trains(args) or args[0] == "list"


def _trains(args):
    return not args or args[0] in ("sweep", "train") or str(args[0]).startswith("--")


def test_sweep_writes_a_leaderboard_and_runs_only_what_is_missing(call, place, data_dir, contents):
    request = ("--models", "cli_tiny", "--data-dir", data_dir)
    status, out, _ = call(*request)
    assert status == 0
    assert "1 to run" in out and "cli_tiny" in out
    table = (place / "results/leaderboard.md").read_text()
    assert "cli_tiny" in table and "fer2013" in table
    with open(place / "results/leaderboard.csv") as file:
        (row,) = csv.DictReader(file)
    assert float(row["accuracy"]) > 0.3  # chance is 0.14; brightness gives the classes away
    assert (place / "results/experiments/fer2013.yaml").is_file()
    assert len(list((place / "results/figures").rglob("*.png"))) >= 2
    before = contents(place / "results/records")

    status, out, _ = call(*request)
    assert status == 0 and "1 recorded already" in out and "to run" not in out
    assert contents(place / "results/records") == before

    status, out, _ = call(*request, "--weights", "random")  # what auto came to: the same trial
    assert status == 0 and "1 recorded already" in out

    status, out, _ = call(*request, "--seeds", "2")
    assert status == 0 and "1 to run" in out
    after = contents(place / "results/records")
    assert len(records.load(place / "results")) == 2
    assert {path: after[path] for path in before} == before

    status, out, _ = call(*request, "--overwrite")
    assert status == 0 and "1 to run" in out
    (redone,) = [s for s in records.load(place / "results") if s.record.trial.seed == 0]
    np.testing.assert_array_equal(  # the same trial gives the same predictions
        np.load(redone.path / "predictions.npz")["test_probabilities"],
        _probabilities(before, redone.path),
    )


def _probabilities(contents, folder):
    import io

    return np.load(io.BytesIO(contents[folder / "predictions.npz"]))["test_probabilities"]


def test_without_data_the_drawn_faces_are_used_and_named(call, place):
    status, out, _ = call("--models", "cli_tiny", "--epochs", "1")
    assert status == 0
    assert "not a benchmark" in out and "fer2013.csv" in out  # what it is, and how to get the real thing
    table = (place / "results/leaderboard.md").read_text()
    assert "synthetic (drawn faces, not a benchmark result)" in table


def test_a_failing_architecture_is_a_row_and_the_sweep_goes_on(call, place, data_dir):
    status, out, _ = call("--models", "cli_broken,cli_tiny", "--data-dir", data_dir)
    assert status == 1
    table = (place / "results/leaderboard.md").read_text()
    assert "no such layer" in table and "cli_broken" in table
    with open(place / "results/leaderboard.csv") as file:
        assert {row["model"]: row["status"] for row in csv.DictReader(file)} == {
            "cli_tiny": "finished",
            "cli_broken": "failed",
        }
    status, out, _ = call("--models", "cli_broken", "--data-dir", data_dir)
    assert status == 1 and "--retry-failed" in out and "to run" not in out
    status, out, _ = call("--models", "cli_broken", "--data-dir", data_dir, "--retry-failed")
    assert status == 1 and "1 to run" in out


def test_the_words_that_people_know(call, place, data_dir):
    status, out, _ = call("prepare", "--data-dir", data_dir)
    assert status == 0 and "fer2013: 98 images" in out and "angry 14" in out
    status, out, _ = call("train", "--model", "cli_tiny", "--epochs", "3", "--batch-size", "32", "--data-dir", data_dir)
    assert status == 0
    (stored,) = records.load(place / "results")
    assert len(stored.record.history) == 3 and stored.record.trial.recipe["batch_size"] == 32
    status, out, _ = call("evaluate", "--model", "cli_tiny")
    assert status == 0 and "surprise" in out and "recall" in out
    for figure in (place / "results/figures").rglob("*.png"):
        figure.unlink()
    status, out, _ = call("visualize")
    assert status == 0 and "confusion.png" in out
    assert list((place / "results/figures").rglob("*confusion.png"))
    (place / "results/leaderboard.md").unlink()
    status, out, _ = call("report")
    assert status == 0 and (place / "results/leaderboard.md").is_file()


def test_list_shows_everything_there_is(call, data_dir):
    status, out, _ = call("list", "--data-dir", data_dir)
    assert status == 0
    for name in ("vgg19", "resnet50_lstm_attention", "cli_tiny", "synthetic", "official", "fer2013_short"):
        assert name in out
    assert "fer2013.csv" in "".join(out.split())


def test_flags_override_the_experiment_file(call, place, data_dir):
    (place / "mine.yaml").write_text(
        "models: [cli_tiny]\ndatasets: [fer2013]\nseeds: 2\nper_model: {cli_tiny: {epochs: 4, dropout: 0.1}}\n"
    )
    status, _, _ = call("--experiment", "mine.yaml", "--epochs", "1", "--seeds", "1", "--data-dir", data_dir)
    assert status == 0
    (stored,) = records.load(place / "results")
    assert stored.record.trial.recipe["epochs"] == 1 and stored.record.trial.recipe["dropout"] == 0.1
    assert "epochs: 1" in (place / "results/experiments/mine.yaml").read_text()


def test_recipes_by_name_and_by_file_are_rows_of_their_own(call, place, data_dir):
    (place / "short.yaml").write_text("recipe: {epochs: 2, dropout: 0.1}\n")
    asked = ("--models", "cli_t*", "--recipe", "default,short.yaml,frozen", "--data-dir", data_dir)
    status, out, _ = call(*asked, "--set", "optimizer.learning_rate=3e-4", "--set", "patience=null", "--epochs", "1")
    assert status == 0
    assert "1 model × default, short × fer2013 × 1 seed = 2 trials, 1 impossible pair left out" in out
    assert "Left out as impossible: cli_tiny × frozen (no ImageNet weights exist)." in out
    recipes = [stored.record.trial.recipe for stored in records.load(place / "results")]
    assert sorted(recipe["dropout"] for recipe in recipes) == [0.1, 0.3]
    assert all((r["optimizer"]["learning_rate"], r["patience"], r["epochs"]) == (3e-4, None, 1) for r in recipes)
    with open(place / "results/leaderboard.csv") as file:
        labels = {row["label"]: row["recipe"] for row in csv.DictReader(file)}
    assert sorted(recipe.partition(",")[0] for recipe in labels.values()) == ["default", "short"]
    figures = [path.name for path in (place / "results/figures").rglob("*confusion.png")]
    assert len(figures) == 2 and any("short" in name for name in figures)

    resolved = "results/experiments/fer2013.yaml"
    status, out, _ = call("--experiment", resolved, "--data-dir", data_dir)
    assert status == 0 and "2 recorded already" in out and "to run" not in out


def test_train_takes_a_recipe_too(call, place, data_dir):
    asked = ("train", "--model", "cli_tiny", "--recipe", "uniform", "--set", "epochs=1", "--data-dir", data_dir)
    status, _, _ = call(*asked)
    assert status == 0
    (stored,) = records.load(place / "results")
    assert stored.record.trial.recipe_name == "uniform, epochs=1"


BAD = {
    "unknown model": (["--models", "vgg91"], "vgg19"),
    "unknown dataset": (["--models", "cli_tiny", "--datasets", "fer2031"], "fer2013"),
    "missing csv": (["--models", "cli_tiny", "--datasets", "fer2013", "--data-dir", "empty"], "fer2013.csv"),
    "empty data folder": (["--models", "cli_tiny", "--data-dir", "empty"], "empty"),
    "no data folder": (["--models", "cli_tiny", "--data-dir", "nowhere"], "nowhere"),
    "misspelt key": (["--experiment", "misspelt.yaml"], "'modles'"),
    "misspelt recipe key": (["--experiment", "recipe.yaml"], "'epoch'"),
    "not an experiment": (["--experiment", "nowhere"], "fer2013_short"),
    "results in a file": (["--models", "cli_tiny", "--results-dir", "file/results"], "file/results"),
    "weights folder": (["--models", "cli_tiny", "--weights-dir", "nowhere"], "nowhere"),
    "no ImageNet weights": (["--models", "cli_tiny", "--weights", "imagenet"], "cli_tiny"),
    "unknown recipe": (["--models", "cli_tiny", "--recipe", "fozen"], "frozen"),
    "impossible recipe": (["--models", "cli_tiny", "--recipe", "frozen"], "no ImageNet weights exist"),
    "nothing left": (["--models", "cli_tin*", "--recipe", "frozen"], "Nothing is left to train"),
    "set without value": (["--models", "cli_tiny", "--set", "epochs"], "such as --set optimizer.learning_rate=3e-4"),
    "set without key": (["--models", "cli_tiny", "--set", "=3"], "give a key and a value"),
    "set to no YAML": (["--models", "cli_tiny", "--set", "epochs=[3"], "no valid YAML value"),
    "set of no field": (["--models", "cli_tiny", "--set", "epoch=3"], "unknown key 'epoch'. Did you mean 'epochs'?"),
    "set to no value": (["--models", "cli_tiny", "--set", "loss=fokal"], "loss should be"),
    "ten-crop without crop": (["--models", "cli_tiny", "--set", "tta=ten-crop"], "needs a crop"),
    "nothing to report": (["report", "--results-dir", "empty"], "empty"),
    "nothing trained": (["evaluate", "--model", "vgg16", "--results-dir", "empty"], "empty"),
    "cut csv": (["--models", "cli_tiny", "--data-dir", "cut"], "line 3"),
    "no architecture file": (["--models", "all", "--extra-architectures", "missing.py"], "missing.py"),
}


@pytest.mark.parametrize(("args", "expected"), BAD.values(), ids=BAD)
def test_bad_input_is_one_clear_sentence(call, place, args, expected):
    (place / "empty").mkdir()
    (place / "file").write_text("")
    (place / "misspelt.yaml").write_text("modles: [cnn]\ndatasets: [synthetic]\n")
    (place / "recipe.yaml").write_text("models: [cli_tiny]\ndatasets: [synthetic]\nrecipe: {epoch: 3}\n")
    (place / "cut").mkdir()
    row = " ".join(["7"] * 48 * 48)
    (place / "cut/fer2013.csv").write_text(f"emotion,pixels,Usage\n0,{row},Training\n1,{row[:5000]}")
    status, out, err = call(*args)
    assert status == 2
    assert expected in err
    assert err.startswith("fer-bench: ") and err.count("\n") == 1 and "Traceback" not in err
    assert "trial 1" not in out


def test_bad_input_harms_nothing_recorded(call, place, data_dir, contents):
    call("--models", "cli_tiny", "--data-dir", data_dir)
    before = contents(place / "results/records")
    (place / "broken").mkdir()
    (place / "broken/fer2013.csv").write_text("emotion,pixels,Usage\n0,1 2 3,Training\n")
    status, _, err = call("--models", "cli_tiny", "--data-dir", place / "broken")
    assert status == 2 and "line 2" in err
    assert contents(place / "results/records") == before
