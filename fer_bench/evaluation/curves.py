"""ROC curves, small enough for a page."""

from __future__ import annotations

import numpy as np

from fer_bench.evaluation.checks import validated_predictions


def roc(labels: np.ndarray, probabilities: np.ndarray, false_positive: np.ndarray) -> list[np.ndarray | None]:
    """One-vs-rest ROC curve of each class: its rates of true positives at the given rates of false positives.

    labels: (samples,) int; probabilities: (samples, classes) float; false_positive: (points,), from 0 to 1. Arrays
    (points,), exact, linear between two thresholds, the upper end where a curve is vertical; None for a class that no
    sample has, or that all have. ValueError as for `checked`.
    """
    labels, probabilities = validated_predictions(labels, probabilities)
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    return [
        np.interp(false_positive, *_rates(labels == c, probabilities[:, c])) if 0 < count < len(labels) else None
        for c, count in enumerate(counts)
    ]


def _rates(mine: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates of false and true positives at every threshold, the highest first; equal probabilities fall together."""
    order = np.argsort(probability)[::-1]
    falls = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)
    true = np.append(0, np.cumsum(mine[order])[falls])
    false = np.append(0, falls + 1) - true
    return false / false[-1], true / true[-1]
