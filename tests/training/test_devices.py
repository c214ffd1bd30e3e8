"""Devices that share each batch train as one does.

Keras must run on JAX with two devices here: test_jax.py runs this file in a process of its own.
"""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "jax":
    pytest.skip("Keras runs on another backend", allow_module_level=True)

import jax
from test_jax_loop import DATA, PLAIN, SGD, agree, convolutions

from fer_bench.config.recipe import resolve
from fer_bench.training import devices, loop
from fer_bench.training.predict import predict

if len(jax.devices()) < 2:
    pytest.skip("There is one device", allow_module_level=True)


@pytest.fixture
def shared():
    devices.enable_data_parallel()
    yield
    keras.distribution.set_distribution(None)


@pytest.mark.parametrize("views", ["1", "flip"])
def test_two_train_as_one_does(views, request):
    resolved = resolve(PLAIN, SGD, {"tta": views})
    alone = loop.fit(convolutions(5), *DATA, resolved, 3)
    assert devices.num_replicas() == 1 and devices.round_up_to_replicas(21) == 21
    request.getfixturevalue("shared")
    assert devices.num_replicas() == 2 and devices.round_up_to_replicas(21) == 22
    model = convolutions(5)
    together = loop.fit(model, *DATA, resolved, 3)
    agree(together, alone, 1e-4)
    assert len(model.trainable_variables[0].value.devices()) == 2
    assert np.isfinite(predict(model, DATA[2]).probabilities).all()
