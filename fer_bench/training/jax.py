"""What is special to the JAX backend."""

from __future__ import annotations

import os

DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def make_deterministic() -> None:
    """Same trial, same machine, same predictions, on GPUs too; without effect once JAX has looked at its devices."""
    flags = os.environ.get("XLA_FLAGS", "")
    if DETERMINISTIC not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {DETERMINISTIC}".strip()


def accelerators() -> list[str]:
    """Names of the GPUs and TPUs that JAX sees."""
    make_deterministic()
    import jax

    return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
