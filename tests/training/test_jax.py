"""What must be tried with Keras on JAX, in processes with that backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PLUS = f"{HERE / 'test_checkpoint.py'}::test_it_comes_to_the_same[cached-[2, 3]]"
SAME = "::test_without_augmentation_the_predictions_are_those_of_the_plain_way"


needs_jax = pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")


@needs_jax
def test_training_on_jax_obeys_the_same_recipe():
    assert "1 passed" in on_jax(f"{HERE / 'test_freezing.py'}::test_unfreezing_goes_with_all_else")


@needs_jax
def test_cached_features_train_as_the_plain_way_on_jax_too():
    assert "4 passed" in on_jax(str(HERE / "test_features.py") + SAME)


@needs_jax
def test_the_loop_on_the_device():
    out = on_jax(str(HERE / "test_jax_loop.py"))
    assert " passed" in out and "skipped" not in out


@needs_jax
def test_two_devices_share_the_batches_of_one_trial():
    two = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2"}
    assert "2 passed" in on_jax(str(HERE / "test_devices.py"), **two)


@needs_jax
def test_a_trial_goes_on_from_its_checkpoint_on_jax_too():
    assert "2 passed" in on_jax(f"{HERE / 'test_checkpoint.py'}::test_it_comes_to_the_same[ema-plateau-[2, 3]]", PLUS)


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
