"""Labels and class probabilities, checked once for all metrics."""

from __future__ import annotations

import numpy as np


def validated_predictions(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities as float64 in rows that sum to 1, each class's in one piece of memory.

    labels: (samples,) int; probabilities: (samples, classes) float, or (members, samples, classes).
    ValueError where the arrays do not fit each other or are empty, a label is out of range, or a row of probabilities
    is not finite, negative somewhere or zero throughout.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if labels.ndim != 1 or probabilities.ndim not in (2, 3) or len(labels) != probabilities.shape[-2]:
        raise ValueError(f"labels {labels.shape} and probabilities {probabilities.shape} do not fit each other")
    if not probabilities.size:
        raise ValueError("there are no samples")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be whole numbers, not {labels.dtype}")
    if labels.min() < 0 or labels.max() >= probabilities.shape[-1]:
        raise ValueError(f"a label is outside 0 to {probabilities.shape[-1] - 1}")
    # All that follows, here and in the metrics, is several times as fast class by class as along the short last axis.
    of_class = np.array(np.moveaxis(probabilities, -1, 0), dtype=np.float64, order="C")
    least = of_class.min()
    if not np.isfinite([least, of_class.max()]).all():
        raise ValueError("a probability is not finite")
    sums = of_class.sum(axis=0)
    if least < 0 or sums.min() <= 0:
        raise ValueError("a row is not a distribution over the classes")
    of_class /= sums  # float32 softmax rows miss 1 by more than some metrics allow
    return labels.astype(np.int64, copy=False), np.moveaxis(of_class, 0, -1)
