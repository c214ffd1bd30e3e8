"""Options that say how a sweep runs: durations, devices, budgets; and the command `status`."""

from functools import partial

import click
import pytest

from fer_bench.cli.train import parse_duration
from fer_bench.core.errors import UserError


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1.5h", 5400), ("0", None), (None, None)],
)
def test_durations_are_parsed(text, expected):
    assert parse_duration(None, None, text) == expected


@pytest.mark.parametrize("text", ["", " ", "soon", "-5m", "2 days", "1:30", "h", "1h30"])
def test_an_invalid_duration_is_an_error(text):
    with pytest.raises(click.BadParameter, match="duration"):
        parse_duration(None, None, text)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--devices-per-trial", "2"], "JAX"),
        (["--devices-per-trial", "3", "--backend", "jax"], "32"),
    ],
)
def test_devices_that_cannot_share_a_batch_are_refused(run, working_dir, arguments, reason, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    with pytest.raises(UserError, match=reason):
        run("--models", "cnn_small", "--datasets", "synthetic", "--epochs", "1", *arguments)


@pytest.fixture
def sweep(run, working_dir, architectures_file, data_dir):
    """Return a function that trains cli_tiny in this process."""
    files = ["--extra-architectures", architectures_file, "--data-dir", data_dir]
    return partial(run, "--models", "cli_tiny", "--executor", "in-process", *files)


def test_a_budget_skips_trials_and_status_lists_them(run, sweep):
    output = sweep("--seeds", "2", "--budget", "23s")
    assert "Measuring" in output
    assert "1 trial of 2 fit into" in output and "Skipped: cli_tiny (1 × 12 s)." in output
    status = run("status")
    assert "1 of 2 done, 0 failed, 0 running, 1 left" in status
    assert "left: cli_tiny on fer2013 (official, seed 1)" in status
    output = sweep("--seeds", "2", "--budget", "1h")
    assert "Measuring" not in output and "1 trial of 1 fit into" in output


def test_a_budget_that_fits_no_trial_is_no_error(sweep):
    assert "0 trials of 1 fit into" in sweep("--budget", "1s")


def test_status_without_a_sweep_is_an_error(run, working_dir):
    with pytest.raises(UserError, match="results"):
        run("status")
