"""What is special to the JAX backend."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def make_deterministic() -> None:
    """Same trial, same machine, same predictions, on GPUs too; without effect once JAX has looked at its devices."""
    flags = os.environ.get("XLA_FLAGS", "")
    if DETERMINISTIC not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {DETERMINISTIC}".strip()


def enable_compilation_cache(folder: Path) -> None:
    """Keep what is compiled for a GPU or TPU in a folder, and read it from there in other trials and processes.

    Not on CPUs: JAX warns there that what one processor compiled may fail on another that reads the same folder.
    """
    import jax

    if accelerators():
        jax.config.update("jax_compilation_cache_dir", str(folder))


def disable_cudnn_rnn(model: keras.Model) -> None:
    """Have recurrent layers run as plain JAX on GPUs too.

    cuDNN's recurrence, as Keras 3.15 calls it, takes neither bfloat16 nor several seeds at once.
    """
    for layer in model._flatten_layers():
        if hasattr(layer, "use_cudnn"):
            layer.use_cudnn = False


def accelerators() -> list[str]:
    """Names of the GPUs and TPUs that JAX sees."""
    make_deterministic()
    import jax

    return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
