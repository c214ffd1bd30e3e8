"""A sweep that is killed or interrupted loses at most the trial in progress."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fer_bench import records

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "Ctrl-C"])
def test_a_stopped_sweep_goes_on_where_it_stopped(place, outside, data_dir, how, contents):
    command = [sys.executable, str(ROOT / "benchmark.py"), "--models", "cli_tiny", "--seeds", "30"]
    command += ["--architectures", str(outside), "--data-dir", str(data_dir), "--epochs", "25"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    sweep = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    deadline = time.monotonic() + 120
    while len(records.load("results")) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    sweep.send_signal(how)
    out, _ = sweep.communicate(timeout=60)
    if how == signal.SIGINT:
        assert sweep.returncode == 130 and "goes on from there" in out and "Traceback" not in out
    kept = contents(place / "results/records")
    done = len(records.load("results"))
    assert 2 <= done < 30

    again = subprocess.run(
        [*command[:4], "--seeds", str(done + 1), *command[6:]], capture_output=True, text=True, env=environment
    )
    assert again.returncode == 0, again.stderr
    assert f"{done} recorded already" in again.stdout and "1 to run" in again.stdout
    whole = {path: data for path, data in kept.items() if ".part-" not in str(path)}
    now = contents(place / "results/records")
    assert {path: now[path] for path in whole} == whole
