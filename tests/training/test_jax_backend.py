"""What must be tried with Keras on JAX, in processes with that backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")


@needs_jax
def test_what_holds_on_jax_too():
    """In one process, which takes its seconds to start."""
    of = [
        "test_freezing.py::test_unfreezing_goes_with_all_else",
        "test_checkpoint.py::test_it_comes_to_the_same[ema-plateau]",
        "test_checkpoint.py::test_it_comes_to_the_same[cached]",
        "test_devices.py",
    ]
    two = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    assert "5 passed" in on_jax(*(str(HERE / test) for test in of), **two)


@needs_jax
@pytest.mark.slow
def test_cached_features_train_as_the_plain_way_on_jax_too():
    plain = "test_features.py::test_without_augmentation_the_predictions_are_those_of_the_plain_way"
    assert "4 passed" in on_jax(str(HERE / plain))


@needs_jax
@pytest.mark.parametrize("which", ["not slow", pytest.param("slow", marks=pytest.mark.slow)])
def test_the_loop_on_the_device(which):
    out = on_jax("-m", which, str(HERE / "test_jax_loop.py"))
    assert " passed" in out and "skipped" not in out


def on_jax(*what: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *what],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", **environment},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout
