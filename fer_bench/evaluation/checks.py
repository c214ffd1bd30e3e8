"""Labels and class probabilities, checked once for all metrics."""

from __future__ import annotations

import numpy as np


def checked(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities as float64 in rows that sum to 1.

    labels: (samples,) int; probabilities: (samples, classes) float, or (members, samples, classes).
    ValueError where the arrays do not fit each other or are empty, a label is out of range, or a row of probabilities
    is not finite, negative somewhere or zero throughout.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if labels.ndim != 1 or probabilities.ndim not in (2, 3) or len(labels) != probabilities.shape[-2]:
        raise ValueError(f"labels {labels.shape} and probabilities {probabilities.shape} do not fit each other")
    if not probabilities.size:
        raise ValueError("there are no samples")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"labels must be whole numbers, not {labels.dtype}")
    if labels.min() < 0 or labels.max() >= probabilities.shape[-1]:
        raise ValueError(f"a label is outside 0 to {probabilities.shape[-1] - 1}")
    if not np.isfinite(probabilities).all():
        raise ValueError("a probability is not finite")
    # Several times as fast as a sum along the short last axis.
    sums = np.ascontiguousarray(np.moveaxis(probabilities, -1, 0)).sum(axis=0)[..., None]
    if probabilities.min() < 0 or sums.min() <= 0:
        raise ValueError("a row is not a distribution over the classes")
    # float32 softmax rows miss 1 by more than some metrics allow.
    return labels.astype(np.int64, copy=False), probabilities / sums
