"""Protocols on the command line."""

from types import SimpleNamespace

import pytest

from fer_bench.core.errors import UserError


@pytest.fixture
def experiment_of(run, monkeypatch):
    """Return the experiment that a command line requests, without training."""
    experiments = []

    def fake_run(benchmark):
        experiments.append(benchmark.experiment)
        return SimpleNamespace(failed=0)

    monkeypatch.setattr("fer_bench.runner.Benchmark.run", fake_run)

    def read(*arguments: str):
        run(*arguments)
        return experiments[-1]

    return read


def test_protocols_of_a_sweep_and_of_one_model(experiment_of):
    experiment = experiment_of("--datasets", "synthetic", "--models", "cnn", "--protocols", "official, kfold")
    assert (experiment.datasets, experiment.protocols) == (["synthetic"], ["official", "kfold"])
    assert experiment_of("train", "--model", "cnn", "--protocol", "kfold").protocols == ["kfold"]
    assert experiment_of("train", "--model", "cnn").protocols == ["official"]


def test_a_cross_dataset_protocol_needs_no_dataset(experiment_of):
    experiment = experiment_of("train", "--model", "cnn", "--protocol", "cross:fer2013->synthetic")
    assert experiment.protocols == ["cross:fer2013->synthetic"]


@pytest.mark.parametrize(
    ("protocol", "reason"),
    [
        ("kfolds", "'kfold'"),
        ("cross:fer2013-", "quotes"),
        ("cross:fer2013->jafe", "'jafe'"),
        ("file:nowhere.csv", "nowhere.csv"),
    ],
)
def test_an_invalid_protocol_is_an_error_before_anything_runs(run, monkeypatch, protocol, reason):
    monkeypatch.setattr("fer_bench.runner.Benchmark.run", lambda *_: pytest.fail("the experiment ran"))
    with pytest.raises(UserError, match=reason):
        run("--models", "cnn", "--datasets", "synthetic", "--protocols", protocol)
