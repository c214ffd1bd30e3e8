"""Probabilities from a model, and what is computed of them in every epoch."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from fer_bench.training.batches import PREDICTION_BATCH_SIZE, padded_batches, test_time_views
from fer_bench.training.devices import round_up_to_replicas


@dataclass(frozen=True)
class PredictionResult:
    """Probabilities (samples, classes) float32, averaged over the views, with the prediction's own costs."""

    probabilities: np.ndarray
    compile_seconds: float
    images_per_second: float | None  # images, not views; None where a single call leaves nothing to time


def predict(
    model: keras.Model, images: np.ndarray, tta: Literal["1", "flip", "ten-crop"] = "1", crop: int | None = None
) -> PredictionResult:
    """Probabilities of images (samples, [time,] height, width) uint8, in their order: the mean over their views."""
    batch = round_up_to_replicas(min(PREDICTION_BATCH_SIZE, len(images)))
    made = ((test_time_views(x, tta, crop), real) for x, real in padded_batches(images, batch))
    return _predicted(model, made, batch)


def predict_features(head: keras.Model, features: np.ndarray) -> PredictionResult:
    """Probabilities from features (samples, …), in their order."""
    batch = round_up_to_replicas(min(PREDICTION_BATCH_SIZE, len(features)))
    return _predicted(head, (([x[..., 0]], real) for x, real in padded_batches(features, batch)), batch)


def _predicted(model: keras.Model, made: Iterable[tuple[list[np.ndarray], int]], batch: int) -> PredictionResult:
    probabilities: list[np.ndarray] = []
    seconds: list[float] = []
    for views, real in made:
        seen = []
        for view in views:
            began = time.perf_counter()
            logits = np.asarray(model.predict_on_batch(view), np.float32)
            seconds.append(time.perf_counter() - began)
            seen.append(softmax(logits[:real]))
        probabilities.append(np.stack(seen).mean(axis=0, dtype=np.float64).astype(np.float32))
    rate = batch / (len(seen) * float(np.median(seconds[1:]))) if len(seconds) > 1 else None
    return PredictionResult(np.concatenate(probabilities), compile_overhead(seconds), rate)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities (samples, classes) float32, summed in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


def compile_overhead(seconds: list[float]) -> float:
    """What the first of some steps took beyond a usual one: it is traced and compiled, which is not training."""
    first, *others = seconds
    return max(0.0, first - float(np.median(others or [first])))


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over samples of -ln of the label's probability, in nats."""
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())
