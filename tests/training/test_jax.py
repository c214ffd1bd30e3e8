"""What must be tried with Keras on JAX, in processes with that backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
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


def on_jax(what: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", what],
        env={**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout
