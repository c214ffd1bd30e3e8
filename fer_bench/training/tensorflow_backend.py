"""Functions for the TensorFlow backend."""

from __future__ import annotations

import tensorflow as tf


def make_deterministic() -> None:
    """Make operations deterministic. The cost is not measurable on CPUs without XLA."""
    tf.config.experimental.enable_op_determinism()


def accelerators() -> list[str]:
    """Return the names of the GPUs and TPUs that TensorFlow sees."""
    devices = [d for kind in ("GPU", "TPU") for d in tf.config.list_physical_devices(kind)]
    return [tf.config.experimental.get_device_details(d).get("device_name", d.name) for d in devices]
