"""What a trained model costs to use: operations, size on disk, latency of a single image.

Measured when everything else of a trial is done, so that no time of it contains this one.
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

NUM_WARMUP_CALLS = 3  # calls; the first of them is traced and compiled
MAX_CALLS, MIN_CALLS = 100, 20
TARGET_SECONDS, MAX_SECONDS = 1.0, 5.0  # after the first, a large model makes do with the fewest calls


@dataclass(frozen=True)
class Latency:
    """Seconds from one image in NumPy to its logits in NumPy; p95 None where too few calls were timed to say."""

    p50_seconds: float
    p95_seconds: float | None


def measure_inference_costs(model: keras.Model, model_file: Path | None = None) -> dict[str, Any]:
    """The fields flops, model_bytes, latency_p50_seconds and latency_p95_seconds of `Costs`, None where one fails.

    The model is kept as `model_file` where one is named; that it cannot be saved is a warning.
    """
    latency = _or_none(measure_latency, model)
    return {
        "flops": _or_none(count_flops, model),
        "model_bytes": _or_none(_saved_bytes, model) if model_file is None else _save_or_warn(model, model_file),
        "latency_p50_seconds": latency and latency.p50_seconds,
        "latency_p95_seconds": latency and latency.p95_seconds,
    }


def measure_latency(model: keras.Model) -> Latency:
    """Latency of `predict_on_batch` on one image of random pixels, warmed up, on Keras' default device."""
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
    enough = len(seconds) >= MIN_CALLS
    return Latency(float(np.median(seconds)), float(np.percentile(seconds, 95)) if enough else None)


def save_model(model: keras.Model, file: Path) -> int:
    """Save a model for predicting alone, without optimizer and loss, as a .keras file; its size in bytes.

    The file's folder is made where there is none.
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
    except Exception as error:  # whatever a layer of its own gets wrong, or the disk
        with suppress(OSError):
            file.unlink()  # what of it was written
        said = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        logging.getLogger("fer_bench").warning("fer-bench: warning: '%s' cannot be kept: %s", model.name, said)
        return None


def _or_none(measure: Callable[[keras.Model], Any], model: keras.Model) -> Any:
    """A trial that is trained and predicted does not fail since one of its costs cannot be had."""
    try:
        return measure(model)
    except Exception:
        return None
