"""Class probabilities from a model, and the functions of them that every epoch needs."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np

from fer_bench.training.batches import PREDICTION_BATCH_SIZE, Images, padded_batches, tta_views
from fer_bench.training.devices import round_up_to_replicas


@dataclass(frozen=True)
class PredictionResult:
    """Probabilities and the costs of predicting them.

    Attributes:
        probabilities: (samples, classes) float32, averaged over the views.
        compile_seconds: Time that the first call took in addition to a usual call.
        images_per_second: Counts images, not views; None after a single call, which includes compilation.
    """

    probabilities: np.ndarray
    compile_seconds: float
    images_per_second: float | None


def predict(
    model: keras.Model, images: Images, tta: Literal["1", "flip", "ten-crop"] = "1", crop: int | None = None
) -> PredictionResult:
    """Predict images in their order, as the mean over their test-time views.

    Args:
        model: A compiled model that returns logits.
        images: (samples, [time,] height, width) uint8.
        tta: The views, see `batches.tta_views`.
        crop: Side of the crops in pixels.
    """
    batch_size = round_up_to_replicas(min(PREDICTION_BATCH_SIZE, len(images)))
    batches = ((tta_views(x, tta, crop), num_images) for x, num_images in padded_batches(images, batch_size))
    return _predict_batches(model, batches, batch_size)


def predict_features(head: keras.Model, features: np.ndarray) -> PredictionResult:
    """Predict features (samples, …) in their order."""
    batch_size = round_up_to_replicas(min(PREDICTION_BATCH_SIZE, len(features)))
    batches = (([x[..., 0]], num_images) for x, num_images in padded_batches(features, batch_size))
    return _predict_batches(head, batches, batch_size)


def _predict_batches(
    model: keras.Model, batches: Iterable[tuple[list[np.ndarray], int]], batch_size: int
) -> PredictionResult:
    probabilities: list[np.ndarray] = []
    seconds: list[float] = []
    for views, num_images in batches:
        by_view = []
        for view in views:
            began = time.perf_counter()
            logits = np.asarray(model.predict_on_batch(view), np.float32)
            seconds.append(time.perf_counter() - began)
            by_view.append(softmax(logits[:num_images]))
        probabilities.append(np.stack(by_view).mean(axis=0, dtype=np.float64).astype(np.float32))
    rate = batch_size / (len(by_view) * float(np.median(seconds[1:]))) if len(seconds) > 1 else None
    return PredictionResult(np.concatenate(probabilities), compile_overhead(seconds), rate)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return probabilities (samples, classes) float32, computed in float64."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    exponentials = np.exp(shifted)
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


def compile_overhead(seconds: list[float]) -> float:
    """Return how much longer the first call took than the median of the others, because it traced and compiled."""
    first, *others = seconds
    return max(0.0, first - float(np.median(others or [first])))


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return the mean of -ln of the label's probability, in nats."""
    chosen = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.maximum(chosen, 1e-12)).mean())
