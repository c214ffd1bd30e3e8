"""Flags of other programs are answered by what they are called here, and never accepted silently."""

import pytest

from fer_bench.cli import cli
from fer_bench.cli.flag_hints import OPTIONS, SETTINGS, hint, setting_hint
from fer_bench.config.recipe import resolve
from fer_bench.core.errors import UserError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--lr", "0.1", "--models", "cnn"], "--set optimizer.learning_rate="),
        (["train", "--model", "cnn", "--learning-rate=0.1"], "--set optimizer.learning_rate="),
        (["--image-size", "96"], "--set input_size=96"),
        (["--dropout", "0.5"], "--set dropout=0.5"),
        (["--optimizer", "sgd"], "--set optimizer.name=sgd"),
        (["--gpu", "0"], "CUDA_VISIBLE_DEVICES"),
        (["--dataset-path", "x"], "--data-dir"),
        (["--output-dir", "x"], "--results-dir"),
        (["report", "--output-dir", "x"], "--results-dir"),
        (["prepare", "--dataset-path", "x"], "--data-dir"),
        (["train", "--models", "cnn"], "--model"),
        (["--arch", "cnn"], "--models"),
        (["--batch_size", "8"], "--batch-size"),
        (["--skip-bad"], "--skip-invalid"),
        (["evaluate", "--weights", "x.h5"], "--model-file"),
        (["evaluate", "--model", "cnn", "--lr", "1"], "setting of training"),
        (["train", "--model", "cnn", "--weights", "x.h5"], "evaluate --model-file"),
        (["report", "--keep-models"], "`sweep`, `train`"),
        (["--models", "cnn", "--set", "lr=0.1"], "optimizer.learning_rate"),
        (["--models", "cnn", "--set", "optimizer=sgd"], "optimizer.name=sgd"),
    ],
)
def test_flags_of_other_programs(run, working_dir, arguments, words):
    with pytest.raises(UserError) as raised:
        run(*arguments)
    message = str(raised.value)
    assert words in message and "\n" not in message and message.endswith(".")
    assert not (working_dir / "results").exists()


def test_a_sweep_understands_the_options_that_messages_name(run):
    output = run("--model", "cnn_small", "--dataset", "synthetic", "--protocol", "official", "--dry-run")
    assert "cnn_small" in output and "synthetic" in output


def test_other_unknown_options_are_refused_as_usual(run):
    assert "No such option" in run("list", "--quite-unknown", status=2)


@pytest.mark.parametrize("setting", sorted(set(SETTINGS.values())))
def test_every_setting_exists(setting):
    key, _, value = setting.partition("=")
    number = value.replace(".", "").replace("e-", "").isdigit()
    if key != "optimizer.nesterov":
        resolve({key: float(value) if "." in value or "e-" in value else int(value) if number else value})


def test_every_option_exists():
    known = {option for command in cli.commands.values() for parameter in command.params for option in parameter.opts}
    assert {option for names in OPTIONS.values() for option in names} <= known


def test_hints_are_only_for_what_a_command_lacks():
    assert hint("--surely-unknown", cli.commands["train"], cli.commands) is None
    assert setting_hint("dropout", 0.5) is None and setting_hint("optimizer", {"name": "sgd"}) is None
