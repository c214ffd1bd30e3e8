"""The export command, from training to the rows of the exported files."""

import pytest

from fer_bench.core.errors import UserError
from fer_bench.records import load


def test_a_trained_model_is_exported_and_reported(run, working_dir, architectures_file, data_dir, empty_figures):
    common = ["--extra-architectures", architectures_file, "--data-dir", data_dir]
    with pytest.raises(UserError, match="no trained model"):
        run("export", *common)
    run("train", "--model", "cli_tiny", "--epochs", "1", "--executor", "in-process", *common)
    output = run("export", "--model", "cli_tiny", "--format", "litert,keras,litert", *common)
    assert "Exporting cli_tiny on fer2013" in output and "100.00" in output
    files = sorted(path.name for path in (working_dir / "results" / "exports").rglob("*.*") if path.is_file())
    assert files == [f"cli_tiny.{suffix}" for suffix in ("keras", "keras.yaml", "tflite", "tflite.yaml")]
    assert len(load("results")) == 3
    run("report")
    table = (working_dir / "results" / "leaderboard.md").read_text()
    assert "default as litert" in table and "exported to keras" in table
    (folder,) = (working_dir / "results" / "exports").iterdir()
    scored = ["--model-file", folder / "cli_tiny.tflite", "--preprocessing", folder / "cli_tiny.tflite.yaml"]
    output = run("evaluate", *scored, "--name", "again", "--dataset", "fer2013", "--data-dir", data_dir)
    by_model = {stored.record.trial.architecture: stored for stored in load("results")}
    again, exported = (by_model[name].predictions("test").probabilities for name in ("again", "cli_tiny"))
    assert again == pytest.approx(exported, abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "pt"], "Unknown format 'pt'"),
        (["--format", "keras", "--int8"], "no 8-bit version"),
        (["--format", ","], "No format"),
        (["--model", "cnn", "--model-file", "m.keras"], "either"),
        (["--dataset", "jaffe", "--model-file", "m.keras"], "either"),
        (["--output", "m.onnx"], "looks like a file"),
        (["--model-file", "m.keras"], "does not exist"),
        (["--model", "cnn", "--format", "litert"], "no trained model"),
    ],
)
def test_invalid_arguments_fail(run, working_dir, arguments, message):
    with pytest.raises(UserError, match=message):
        run("export", *arguments)
