"""Devices that share each batch give the result of a single device.

Keras must run on JAX with two devices here: test_jax_backend.py runs this file in another process.
"""

import keras
import numpy as np
import pytest

if keras.backend.backend() != "jax":
    pytest.skip("Keras runs on another backend", allow_module_level=True)

import jax
from test_jax_loop import DATA, PLAIN, SGD, assert_results_agree, convolutional

from fer_bench.config.recipe import resolve
from fer_bench.training import devices, loop
from fer_bench.training.predict import predict

if len(jax.devices()) < 2:
    pytest.skip("There is one device", allow_module_level=True)


@pytest.fixture
def no_distribution():
    yield
    keras.distribution.set_distribution(None)


def test_two_devices_give_the_result_of_one(no_distribution):
    resolved = resolve(PLAIN, SGD, {"tta": "flip"})
    alone = loop.fit(convolutional(5), *DATA, resolved, 3)
    assert devices.num_replicas() == 1 and devices.round_up_to_replicas(21) == 21
    devices.enable_data_parallel()
    assert devices.num_replicas() == 2 and devices.round_up_to_replicas(21) == 22
    model = convolutional(5)
    together = loop.fit(model, *DATA, resolved, 3)
    assert_results_agree(together, alone, 1e-4)
    assert len(model.trainable_variables[0].value.devices()) == 2
    assert np.isfinite(predict(model, DATA[2]).probabilities).all()
