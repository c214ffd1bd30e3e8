"""Options that say how a sweep runs: durations, devices, budgets; and the command `status`."""

import click
import pytest
from click.testing import CliRunner

from fer_bench.cli import cli
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
def test_devices_that_cannot_share_a_batch_are_refused(working_dir, arguments, reason, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    request = ["--models", "cnn_small", "--datasets", "synthetic", "--epochs", "1", *arguments]
    done = CliRunner().invoke(cli, request)
    assert isinstance(done.exception, UserError) and reason in str(done.exception)


def test_a_budget_skips_trials_and_status_lists_them(working_dir, architectures_file, data_dir):
    files = ["--extra-architectures", str(architectures_file), "--data-dir", str(data_dir)]
    request = ["--models", "cli_tiny", "--seeds", "2", *files]
    done = CliRunner().invoke(cli, [*request, "--budget", "23s", "--executor", "in-process"])
    assert done.exit_code == 0, done.output
    assert "Measuring" in done.output
    assert "1 trial of 2 fit into" in done.output and "Skipped: cli_tiny (1 × 12 s)." in done.output
    status = CliRunner().invoke(cli, ["status"])
    assert "1 of 2 done, 0 failed, 0 running, 1 left" in status.output
    assert "left: cli_tiny on fer2013 (official, seed 1)" in status.output
    again = CliRunner().invoke(cli, [*request, "--executor", "in-process", "--budget", "1h"])
    assert "Measuring" not in again.output and "1 trial of 1 fit into" in again.output


def test_a_budget_that_fits_no_trial_is_no_error(working_dir, architectures_file, data_dir):
    request = ["--models", "cli_tiny", "--extra-architectures", str(architectures_file), "--data-dir", str(data_dir)]
    done = CliRunner().invoke(cli, [*request, "--budget", "1s", "--executor", "in-process"])
    assert done.exit_code == 0 and "0 trials of 1 fit into" in done.output, done.output


def test_status_without_a_sweep_is_an_error(working_dir):
    done = CliRunner().invoke(cli, ["status"])
    assert isinstance(done.exception, UserError) and "results" in str(done.exception)
