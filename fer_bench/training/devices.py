"""Several devices to one trial: each takes its part of every batch, and all have the weights. JAX alone."""

from __future__ import annotations

import math

import keras


def enable_data_parallel() -> None:
    """From now on all devices that this process sees share each batch."""
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def num_replicas() -> int:
    """How many devices share a batch."""
    distribution = keras.distribution.distribution()
    return distribution.num_model_replicas if distribution else 1


def round_up_to_replicas(batch: int) -> int:
    """The least number of images from `batch` on that the devices share evenly."""
    return math.ceil(batch / num_replicas()) * num_replicas()
