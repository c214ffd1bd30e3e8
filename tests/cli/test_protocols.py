"""Protocols on the command line."""

import pytest
from click.testing import CliRunner

from fer_bench.cli import cli
from fer_bench.cli import train as commands
from fer_bench.core.errors import UserError


@pytest.fixture
def asked(monkeypatch):
    """What experiment the flags amount to, without training."""
    seen = []

    def stop(experiment, *rest):
        seen.append(experiment)
        raise UserError("stopped by the test")

    monkeypatch.setattr(commands, "import_keras", lambda backend: None)
    monkeypatch.setattr("fer_bench.runner.sweep_and_report", stop)

    def run(*arguments: str):
        done = CliRunner().invoke(cli, [*arguments])
        assert str(done.exception) == "stopped by the test", done.output
        return seen[-1]

    return run


def test_protocols_of_a_sweep_and_of_one_model(asked):
    experiment = asked("--datasets", "synthetic", "--models", "cnn", "--protocols", "official, kfold")
    assert (experiment.datasets, experiment.protocols) == (["synthetic"], ["official", "kfold"])
    assert asked("train", "--model", "cnn", "--protocol", "kfold").protocols == ["kfold"]
    assert asked("train", "--model", "cnn").protocols == ["official"]


def test_a_cross_needs_no_dataset(asked):
    experiment = asked("train", "--model", "cnn", "--protocol", "cross:fer2013->synthetic")
    assert experiment.protocols == ["cross:fer2013->synthetic"]


@pytest.mark.parametrize(
    ("protocol", "sentence"),
    [
        ("kfolds", "Did you mean 'kfold"),
        ("cross:fer2013-", "in quotes: the shell takes > for itself"),
        ("cross:fer2013->jafe", "Unknown dataset 'jafe'"),
        ("file:nowhere.csv", "There is no split file nowhere.csv"),
    ],
)
def test_a_misspelt_protocol_is_said_before_keras_is_imported(monkeypatch, protocol, sentence):
    monkeypatch.setattr(commands, "import_keras", lambda backend: pytest.fail("Keras was imported"))
    done = CliRunner().invoke(cli, ["--models", "cnn", "--datasets", "synthetic", "--protocols", protocol])
    assert isinstance(done.exception, UserError) and sentence in str(done.exception)
