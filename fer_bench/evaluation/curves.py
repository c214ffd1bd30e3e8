"""ROC curves at given false positive rates, small enough for a web page."""

from __future__ import annotations

import numpy as np

from fer_bench.evaluation.checks import validated_predictions


def roc_curves(
    labels: np.ndarray, probabilities: np.ndarray, false_positive_rates: np.ndarray
) -> list[np.ndarray | None]:
    """Return the one-vs-rest ROC curve of each class: true positive rates at the given false positive rates.

    Each curve is (points,) float: exact, linear between two thresholds, the upper end if the curve is vertical; or None
    for a class that no sample has, or that all samples have. Raises ValueError as `validated_predictions`.

    Args:
        labels: (samples,) int.
        probabilities: (samples, classes) float.
        false_positive_rates: (points,) from 0 to 1.
    """
    labels, probabilities = validated_predictions(labels, probabilities)
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    return [
        np.interp(false_positive_rates, *_rates(labels == c, probabilities[:, c])) if 0 < count < len(labels) else None
        for c, count in enumerate(counts)
    ]


def _rates(positive: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false and true positive rates at every threshold, highest first; equal probabilities share a threshold."""
    order = np.argsort(probability)[::-1]
    last_of_equal = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)
    true_positives = np.append(0, np.cumsum(positive[order])[last_of_equal])
    false_positives = np.append(0, last_of_equal + 1) - true_positives
    return false_positives / false_positives[-1], true_positives / true_positives[-1]
