"""The Keras backend: chosen before Keras is imported."""

from __future__ import annotations

import logging
import os
import platform

from fer_bench.core.errors import UserError
from fer_bench.core.stderr import suppress_stderr

BACKENDS = ("tensorflow", "jax", "torch")
ONEDNN_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


def choose_backend(backend: str | None = None) -> str:
    """Set the backend for every later import of Keras, in this process and in its workers, and return it.

    Without a backend, KERAS_BACKEND counts, or else TensorFlow. Raise UserError for an unknown one.

    TensorFlow's convolutions use oneDNN, unless TF_ENABLE_ONEDNN_OPTS=0. By default TensorFlow does so only on
    processors with AVX-512 VNNI. Without it, a training step on a processor with AVX2 takes two to five times as long.
    """
    chosen = backend or os.environ.get("KERAS_BACKEND", BACKENDS[0])
    if chosen not in BACKENDS:
        raise UserError(f"Unknown Keras backend '{chosen}'. Choose from: {', '.join(BACKENDS)}.")
    os.environ["KERAS_BACKEND"] = chosen
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if platform.machine().lower() in ("x86_64", "amd64"):
        os.environ.setdefault(ONEDNN_VARIABLE, "1")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    return chosen


def import_keras(backend: str | None = None) -> None:
    """Import Keras on a backend, without TensorFlow's start-up log. Raises UserError if the import fails."""
    chosen = choose_backend(backend)
    try:
        with suppress_stderr():
            import keras  # noqa: F401
    except ImportError as error:
        raise UserError(f"Keras cannot start on the backend '{chosen}': {error}.") from None
