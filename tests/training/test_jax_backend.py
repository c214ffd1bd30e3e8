"""Tests that need Keras on JAX, in a process with that backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fer_bench.contract.checks import CHECKS

FOLDER = Path(__file__).parent
ROOT = FOLDER.parents[1]
# One architecture: compiling on JAX takes too long for all, which test_registry_table.py checks if slow tests run.
CONTRACT = f"{ROOT}/tests/architectures/test_registry_table.py::test_every_architecture_passes_every_check"
RESUME = "test_checkpoint.py::test_resumed_training_gives_the_same_result"
QUICK = [
    "test_jax_loop.py",
    "test_devices.py",
    "test_freezing.py::test_gradual_unfreezing_combines_with_other_options",
    f"{RESUME}[device-ema-plateau]",
    f"{RESUME}[device-patience]",
    f"{RESUME}[device-sizes]",
    f"{RESUME}[host-cached]",
    *(f"{CONTRACT}[cnn_lstm-{check}]" for check in CHECKS),
]
SLOW = [
    "test_jax_loop.py",
    "test_input_sizes.py",
    RESUME,
    "test_features.py::test_without_augmentation_cached_features_change_no_prediction",
]

pytestmark = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")


def test_training_on_jax(tmp_path):
    """One process runs all tests, because it takes seconds to start."""
    run_on_jax(tmp_path, "-m", "not slow", *QUICK)


@pytest.mark.slow
def test_more_training_on_jax(tmp_path):
    run_on_jax(tmp_path, "-m", "slow or not slow", *SLOW)


def run_on_jax(cache: Path, *arguments: str) -> None:
    """Run pytest with Keras on JAX and two devices; programs are compiled once and with few optimizations."""
    environment = {
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.3",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    selected = [str(FOLDER / argument) if argument.startswith("test_") else argument for argument in arguments]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", "--durations=15", *selected],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "skipped" not in done.stdout
