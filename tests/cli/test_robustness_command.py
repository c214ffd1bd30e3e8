"""From training with --keep-models to the table of accuracies under corruptions."""

import pytest
from click.testing import CliRunner

from fer_bench.cli.group import cli
from fer_bench.core.errors import UserError
from fer_bench.evaluation.corruptions import CORRUPTIONS
from fer_bench.records import load
from fer_bench.records.robustness import read


def run(*arguments) -> str:
    done = CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False, standalone_mode=False)
    return done.output


def test_a_kept_model_is_tried_on_corrupted_images(place, outside, data_dir):
    common = ["--extra-architectures", outside, "--data-dir", data_dir]
    train = ["train", "--model", "cli_tiny", "--epochs", "1", "--executor", "in-process", *common]
    try_it = ["robustness", *common, "--corruptions", "contrast,noise", "--severities", "5,1"]
    run(*train)
    with pytest.raises(UserError, match="was not kept"):
        run(*try_it, "--model", "cli_tiny")
    said = run(*train, "--keep-models")
    assert "1 trial recorded already without a model" in said and "--overwrite" in said
    run(*train, "--keep-models", "--overwrite", "--seeds", "2")

    said = run(*try_it, "--model", "cli_tiny", "--samples", "7")
    assert "a stratified sample (seed 0) of 7 of 14 test images" in said
    assert said.count("mean corruption accuracy") == 2
    assert "mean over corruptions" in said.split("Written to")[-1]  # both side by side, at the end
    for stored in load("results"):
        measured = read(stored.path)
        assert list(measured.accuracy) == ["gaussian_noise", "shot_noise", "impulse_noise", "contrast"]
        assert all(list(by) == [1, 5] for by in measured.accuracy.values())
        assert (measured.key, measured.num_samples) == (stored.record.trial.key, 7)
        assert {path.suffix for path in stored.path.glob("robustness.*")} == {".json", ".png", ".svg"}

    # The whole test part, uncorrupted, is what the record holds; and a file with its record beside it is the record's.
    said = run(*try_it, "--model-file", stored.model_file)
    test = stored.predictions("test")
    assert read(stored.path).uncorrupted == pytest.approx((test.probabilities.argmax(1) == test.labels).mean())
    elsewhere = place / "mine.keras"
    elsewhere.write_bytes(stored.model_file.read_bytes())
    said = run(*try_it, "--model-file", elsewhere, "--dataset", "fer2013")
    assert (place / "mine-robustness.json").is_file() and (place / "mine-robustness.svg").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "Name one of --model"),
        (["--model", "cnn", "--model-file", "m.keras"], "Name one of --model"),
        (["--model", "cnn", "--corruptions", "rain"], f"no corruption 'rain': there are .*{CORRUPTIONS[-1]}"),
        (["--model", "cnn", "--corruptions", ","], "names none"),
        (["--model", "cnn", "--severities", "0,1"], "numbers from 1 to 5"),
        (["--model", "cnn"], "no finished record of cnn in results"),
        (["--model-file", "m.keras"], "There is no file m.keras"),
    ],
)
def test_what_is_asked_wrongly_is_one_clear_sentence(place, arguments, said):
    with pytest.raises(UserError, match=said):
        run("robustness", *arguments)
