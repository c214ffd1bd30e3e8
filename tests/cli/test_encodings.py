"""Every command prints on a console of any encoding, and into a pipe that closes early."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_bench.cli import cli, main
from fer_bench.core.errors import UserError

ROOT = Path(__file__).parents[2]
COMMANDS = [
    ("--help", "cp437"),
    ("list", "ascii"),
    ("list", "cp1252"),
    ("list vgg19 cnn", "cp437"),
    ("data list synthetic fer2013", "ascii"),
    ("data download ckplus", "cp1252"),
    pytest.param("--models cnn --datasets synthetic --dry-run", "ascii", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("command", "encoding"), COMMANDS)
def test_commands_print_on_any_console(working_dir, encoding, command):
    done = CliRunner(charset=encoding).invoke(cli, command.split())
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    assert len(done.stdout_bytes.decode(encoding)) > 100


def test_errors_print_on_any_console(working_dir):
    (working_dir / "é漢").mkdir()
    with pytest.raises(UserError, match="FER2013"):
        CliRunner(charset="ascii").invoke(cli, ["prepare", "fer2013", "--data-dir", "é漢"], catch_exceptions=False)


@pytest.mark.parametrize("command", ["list", "list nothing-é"])
def test_a_real_console(tmp_path, command):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LANG": "C", "LC_ALL": "C"}
    arguments = [sys.executable, ROOT / "benchmark.py", *command.split()]
    done = subprocess.run(arguments, cwd=tmp_path, env=environment, capture_output=True)
    assert b"Traceback" not in done.stderr and done.returncode == (2 if "nothing" in command else 0)
    assert done.stdout.isascii() and len(done.stdout + done.stderr) > 100


def test_a_pipe_that_closes_early_is_no_traceback(tmp_path):
    arguments = [sys.executable, ROOT / "benchmark.py", "list"]
    with subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()  # as `| head -0`
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize("option", ["--results-dir", "--model-file"])
def test_a_path_that_is_too_long_is_a_sentence(option, tmp_path, monkeypatch, capsys):
    (tmp_path / "face.png").touch()
    monkeypatch.setattr(sys, "argv", ["fer-bench", "predict", str(tmp_path / "face.png"), option, "x" * 5000])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("fer-bench: File name too long: xxx")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--models", "cnn"], "Interrupted. Recorded trials are kept; run the same command to resume."),
        (["predict", "face.png"], "Interrupted."),
    ],
)
def test_only_a_sweep_can_be_resumed(arguments, message, monkeypatch, capsys):
    def interrupt(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "main", interrupt)
    monkeypatch.setattr(sys, "argv", ["fer-bench", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 130
    assert capsys.readouterr().err.strip() == message
