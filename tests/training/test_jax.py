"""On the JAX backend training obeys the same recipe: one test of all at once, in a process with that backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

TEST = Path(__file__).with_name("test_freezing.py")


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_training_on_jax():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{TEST}::test_unfreezing_goes_with_all_else"],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        cwd=TEST.parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "1 passed" in done.stdout
