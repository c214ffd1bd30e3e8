"""ROC curves, small enough for a page."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_bench.evaluation.checks import checked

POINTS = 100
UNSEEN = 0.002  # how far from the line a point may be left away: half a pixel, 300 pixels wide


@dataclass(frozen=True)
class Roc:
    """One-vs-rest ROC curve of a class: rates of false and true positives, (points,) each, from (0, 0) to (1, 1)."""

    false_positive: np.ndarray
    true_positive: np.ndarray


def roc(labels: np.ndarray, probabilities: np.ndarray, points: int = POINTS) -> list[Roc | None]:
    """One curve for each class, of at most `points` points; None for a class that no sample has, or that all have.

    labels: (samples,) int; probabilities: (samples, classes) float. Points that would not be seen are left away.
    ValueError as for `checked`.
    """
    labels, probabilities = checked(labels, probabilities)
    counts = np.bincount(labels, minlength=probabilities.shape[1])
    return [
        _thinned(*_rates(labels == c, probabilities[:, c]), points) if 0 < count < len(labels) else None
        for c, count in enumerate(counts)
    ]


def _rates(mine: np.ndarray, probability: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rates of false and true positives at every threshold, the highest first; equal probabilities fall together."""
    order = np.argsort(-probability, kind="stable")
    falls = np.append(np.flatnonzero(np.diff(probability[order])), len(order) - 1)
    true = np.append(0, np.cumsum(mine[order])[falls])
    false = np.append(0, falls + 1) - true
    return false / false[-1], true / true[-1]


def _thinned(false: np.ndarray, true: np.ndarray, points: int) -> Roc:
    """From the two ends, ever the point furthest from the line so far (Ramer, Douglas and Peucker)."""
    along, height = false + true, true - false  # turned by 45°: one height at each place, however steep the curve
    kept = np.array([0, len(along) - 1])
    while len(kept) < min(points, len(along)):
        gaps = np.abs(height - np.interp(along, along[kept], height[kept]))
        furthest = int(gaps.argmax())
        if gaps[furthest] < UNSEEN * np.sqrt(2):
            break
        kept = np.insert(kept, np.searchsorted(kept, furthest), furthest)
    return Roc(false[kept], true[kept])
