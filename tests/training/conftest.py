"""Fixtures of the training tests."""

import os
from collections.abc import Callable

import pytest

LOOPS = ["host", "device"] if os.environ["KERAS_BACKEND"] == "jax" else ["host"]


@pytest.fixture(params=LOOPS)
def fit(request) -> Callable:
    """Each training loop of the backend. `test_jax_backend.py` runs the loop on the device in another process."""
    if request.param == "device":
        from fer_bench.training import jax_loop

        return jax_loop.fit
    from fer_bench.training import loop

    return loop.fit
