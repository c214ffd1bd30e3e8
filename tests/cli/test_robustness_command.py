"""The robustness command, from training with --keep-models to the table of accuracies."""

import pytest

from fer_bench.core.errors import UserError
from fer_bench.records import load
from fer_bench.records.robustness import read


def test_saved_models_are_measured_on_corrupted_images(run, working_dir, architectures_file, data_dir, empty_figures):
    common = ["--extra-architectures", architectures_file, "--data-dir", data_dir]
    train = ["train", "--model", "cli_tiny", "--epochs", "1", "--executor", "in-process", *common]
    robustness = ["robustness", *common, "--corruptions", "contrast,noise", "--severities", "5,1"]
    run(*train, "--keep-models", "none")
    with pytest.raises(UserError, match="No model was saved"):
        run(*robustness, "--model", "cli_tiny")
    output = run(*train, "--keep-models", "all")
    assert "without a saved model" in output and "--overwrite" in output
    run(*train, "--keep-models", "all", "--overwrite", "--seeds", "2")

    output = run(*robustness, "--model", "cli_tiny", "--samples", "7")
    assert "a stratified sample (seed 0) of 7 of 14 test images" in output
    assert output.count("mean corruption accuracy") == 2
    assert "mean over corruptions" in output.split("Written to")[-1]  # both models in one table at the end
    for stored in load("results"):
        measured = read(stored.path)
        assert list(measured.accuracy) == ["gaussian_noise", "shot_noise", "impulse_noise", "contrast"]
        assert all(list(by) == [1, 5] for by in measured.accuracy.values())
        assert (measured.key, measured.num_samples) == (stored.record.trial.key, 7)
        assert {path.suffix for path in stored.path.glob("robustness.*")} == {".json", ".png", ".svg"}

    # A model file beside its record is measured as the record; without corruption, the accuracy is that of the record.
    output = run(*robustness, "--model-file", stored.model_file)
    test = stored.predictions("test")
    assert read(stored.path).uncorrupted == pytest.approx((test.probabilities.argmax(1) == test.labels).mean())
    copy = working_dir / "mine.keras"
    copy.write_bytes(stored.model_file.read_bytes())
    output = run(*robustness, "--model-file", copy, "--dataset", "fer2013")
    assert (working_dir / "mine-robustness.json").is_file() and (working_dir / "mine-robustness.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Pass either --model"),
        (["--model", "cnn", "--model-file", "m.keras"], "Pass either --model"),
        (["--model", "cnn", "--corruptions", "rain"], "Unknown corruption 'rain'"),
        (["--model", "cnn", "--corruptions", ","], "is empty"),
        (["--model", "cnn", "--severities", "0,1"], "numbers from 1 to 5"),
        (["--model", "cnn"], "no finished record of cnn in results"),
        (["--model-file", "m.keras"], "does not exist"),
    ],
)
def test_invalid_arguments_fail(run, working_dir, arguments, message):
    with pytest.raises(UserError, match=message):
        run("robustness", *arguments)
