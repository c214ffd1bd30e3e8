"""An exported model in its own runtime: whether it agrees with Keras, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import percent, plural
from fer_bench.inference.export.record import size_of
from fer_bench.inference.formats.classifier import Classifier

MAX_DIFFERENCE = 1e-3  # of a probability from Keras: float32 in another order of operations
MIN_INT8_AGREEMENT = 0.8  # of the labels of an 8-bit model with those of Keras


@dataclass(frozen=True)
class RuntimeModel:
    """A loaded file with the part of a Keras model's interface that predictions and latency need."""

    classifier: Classifier
    input_shape: tuple[int | None, ...]

    def predict_on_batch(self, pixels: np.ndarray) -> np.ndarray:
        """Return the logits of a batch, in parts of the batch size that the file fixes if it does."""
        size, batch = self.classifier.input_shape[0] or len(pixels), pixels.astype(np.float32)
        parts = [np.asarray(self.classifier.predict(batch[i : i + size])) for i in range(0, len(batch), size)]
        return np.concatenate(parts)


@dataclass(frozen=True)
class Agreement:
    """How far an exported model agrees with Keras on some test images.

    Attributes:
        num_images: Number of images.
        max_difference: The largest difference of a probability.
        same_labels: The share of images with the same label.
    """

    num_images: int
    max_difference: float
    same_labels: float


def compare(found: np.ndarray, expected: np.ndarray) -> Agreement:
    """Compare probabilities (images, classes) of an exported model with those of Keras."""
    return Agreement(
        num_images=len(found),
        max_difference=float(np.abs(found - expected).max()),
        same_labels=float((found.argmax(axis=1) == expected.argmax(axis=1)).mean()),
    )


def check_agreement(agreement: Agreement, architecture: str, file_format: str, int8: bool) -> None:
    """Raise UserError if an exported model does not predict what Keras predicts."""
    a = agreement
    if a.same_labels >= MIN_INT8_AGREEMENT if int8 else a.max_difference <= MAX_DIFFERENCE:
        return
    raise UserError(
        f"The {file_format} file of {architecture} is deleted because it disagrees with Keras: on "
        f"{plural(a.num_images, 'test image')}, probabilities differ by up to {a.max_difference:.2g} and "
        f"{percent(a.same_labels)} % of the labels agree. Choose another format"
        f"{' or export without --int8' * int8}."
    )


def measure_costs(runtime: Any, file: Path, images_per_second: float | None) -> dict[str, Any]:
    """Return the fields of `Costs` that depend on format and runtime."""
    from fer_bench.training.cost import measure_latency

    latency = measure_latency(runtime)
    return {
        "predict_images_per_second": images_per_second,
        "model_bytes": size_of(file),
        "latency_p50_seconds": latency.p50_seconds,
        "latency_p95_seconds": latency.p95_seconds,
    }
