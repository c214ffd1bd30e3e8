"""Several devices to one trial: each takes its part of every batch, and all have the weights. JAX alone."""

from __future__ import annotations

import math

import keras


def share_batches() -> None:
    """From now on all devices that this process sees share each batch."""
    keras.distribution.set_distribution(keras.distribution.DataParallel(auto_shard_dataset=False))


def sharing() -> int:
    """How many devices share a batch."""
    distribution = keras.distribution.distribution()
    return distribution.num_model_replicas if distribution else 1


def divisible(batch: int) -> int:
    """The least number of images from `batch` on that the devices share evenly."""
    return math.ceil(batch / sharing()) * sharing()
