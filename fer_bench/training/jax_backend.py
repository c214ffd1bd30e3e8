"""Functions for the JAX backend."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def make_deterministic() -> None:
    """Make GPU operations deterministic. Call this before JAX initializes its devices; later it has no effect."""
    flags = os.environ.get("XLA_FLAGS", "")
    if DETERMINISTIC not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {DETERMINISTIC}".strip()


def enable_compilation_cache(folder: Path) -> None:
    """Cache programs compiled for GPUs and TPUs in a folder, for other trials and processes.

    Nothing is cached on CPUs, because a program compiled for one processor may fail on another.
    """
    import jax

    if accelerators():
        jax.config.update("jax_compilation_cache_dir", str(folder))


def disable_cudnn_rnn(model: keras.Model) -> None:
    """Run recurrent layers as plain JAX on GPUs, too.

    The cuDNN kernels, as Keras 3.15 calls them, support neither bfloat16 nor vmap over several seeds.
    """
    for layer in model._flatten_layers():
        if hasattr(layer, "use_cudnn"):
            layer.use_cudnn = False


def accelerators() -> list[str]:
    """Return the names of the GPUs and TPUs that JAX sees."""
    make_deterministic()
    import jax

    return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
