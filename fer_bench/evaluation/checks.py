"""Validation of labels and class probabilities, done once before all metrics."""

from __future__ import annotations

import numpy as np


def validated_predictions(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return int64 labels, and float64 probabilities whose rows sum to 1.

    Args:
        labels: (samples,) int.
        probabilities: (samples, classes) float, or (members, samples, classes).

    Raises:
        ValueError: The shapes do not match, there are no samples, a label is out of range, or a row of probabilities
            has a negative or non-finite value or is all zero.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if labels.ndim != 1 or probabilities.ndim not in (2, 3) or len(labels) != probabilities.shape[-2]:
        raise ValueError(f"the shapes of labels {labels.shape} and probabilities {probabilities.shape} do not match")
    if not probabilities.size:
        raise ValueError("there are no samples")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be integers, not {labels.dtype}")
    if labels.min() < 0 or labels.max() >= probabilities.shape[-1]:
        raise ValueError(f"a label is outside 0 to {probabilities.shape[-1] - 1}")
    # Each class is contiguous in memory, which makes this and the metrics several times faster.
    by_class = np.array(np.moveaxis(probabilities, -1, 0), dtype=np.float64, order="C")
    lowest = by_class.min()
    if not np.isfinite([lowest, by_class.max()]).all():
        raise ValueError("a probability is not finite")
    sums = by_class.sum(axis=0)
    if lowest < 0 or sums.min() <= 0:
        raise ValueError("a row is not a distribution over the classes")
    by_class /= sums  # float32 softmax rows miss 1 by more than some metrics allow
    return labels.astype(np.int64, copy=False), np.moveaxis(by_class, 0, -1)
