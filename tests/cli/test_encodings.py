"""Every command prints on a console of any encoding, and into a pipe that closes early."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fer_bench.cli import cli
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
