"""Several devices per trial: each takes its share of every batch, and all hold the weights. JAX only."""

from __future__ import annotations

import math

import keras


def enable_data_parallel() -> None:
    """Share each batch between all devices that this process sees."""
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def num_replicas() -> int:
    """Return how many devices share a batch."""
    distribution = keras.distribution.distribution()
    return distribution.num_model_replicas if distribution else 1


def round_up_to_replicas(batch_size: int) -> int:
    """Return the smallest multiple of the number of replicas that is at least `batch_size`."""
    return math.ceil(batch_size / num_replicas()) * num_replicas()
