"""The inference costs of a trained model: FLOPs, size on disk, latency of a single image.

They are measured at the end of a trial, so that no other time contains this one.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_bench.training.flops import count_flops

NUM_WARMUP_CALLS = 3  # the first call traces and compiles
MAX_CALLS, MIN_CALLS = 100, 20
TARGET_SECONDS, MAX_SECONDS = 1.0, 5.0  # after the first, MIN_CALLS suffice; after the second, even fewer


@dataclass(frozen=True)
class Latency:
    """Seconds from one image in NumPy to its logits in NumPy; p95 is None after fewer than MIN_CALLS calls."""

    p50_seconds: float
    p95_seconds: float | None


def measure_inference_costs(model: keras.Model, model_file: Path | None = None) -> dict[str, Any]:
    """Measure the fields flops, model_bytes, latency_p50_seconds and latency_p95_seconds of `Costs`.

    Args:
        model: The trained model.
        model_file: File in which the model is saved; None saves nothing. A failure to save is a warning.

    Returns:
        The fields by name; None for a cost that cannot be measured.
    """
    latency = _or_none(measure_latency, model)
    return {
        "flops": _or_none(count_flops, model),
        "model_bytes": _or_none(_saved_bytes, model) if model_file is None else _save_or_warn(model, model_file),
        "latency_p50_seconds": latency and latency.p50_seconds,
        "latency_p95_seconds": latency and latency.p95_seconds,
    }


def measure_latency(model: keras.Model) -> Latency:
    """Measure `predict_on_batch` on one image of random pixels, after warm-up, on the default device of Keras."""
    pixels = np.random.default_rng(0).integers(0, 256, (1, *model.input_shape[1:]), dtype=np.uint8)
    for _ in range(NUM_WARMUP_CALLS):
        model.predict_on_batch(pixels)
    seconds: list[float] = []
    began = time.perf_counter()
    while len(seconds) < MAX_CALLS:
        called = time.perf_counter()
        model.predict_on_batch(pixels)
        ended = time.perf_counter()
        seconds.append(ended - called)
        if ended - began > (TARGET_SECONDS if len(seconds) >= MIN_CALLS else MAX_SECONDS):
            break
    p95 = float(np.percentile(seconds, 95)) if len(seconds) >= MIN_CALLS else None
    return Latency(float(np.median(seconds)), p95)


def save_model(model: keras.Model, file: Path) -> int:
    """Save a model for inference, without optimizer and loss, as a .keras file; return its size in bytes.

    A missing folder is created.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    keras.Model(model.inputs, model.outputs, name=model.name).save(file)
    return file.stat().st_size


def _saved_bytes(model: keras.Model) -> int:
    with tempfile.TemporaryDirectory() as folder:
        return save_model(model, Path(folder) / "model.keras")


def _save_or_warn(model: keras.Model, file: Path) -> int | None:
    try:
        return save_model(model, file)
    except Exception as error:  # of a custom layer, or of the disk
        with suppress(OSError):
            file.unlink()  # an incomplete file
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        logging.getLogger("fer_bench").warning("fer-bench: warning: '%s' cannot be saved: %s", model.name, reason)
        return None


def _or_none(measure: Callable[[keras.Model], Any], model: keras.Model) -> Any:
    """Return a cost, or None if measuring it fails: a trained trial does not fail because of its costs."""
    try:
        return measure(model)
    except Exception:
        return None
