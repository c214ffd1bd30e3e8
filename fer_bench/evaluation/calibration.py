"""Calibration: whether a model is correct as often as its top probability says, in bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_bench.evaluation.checks import validated_predictions

NUM_BINS = 15  # as in Guo et al. and most papers since


@dataclass(frozen=True)
class Reliability:
    """Samples in equal-width bins of the top probability, from 0 to 1; a bin includes its upper edge.

    Attributes:
        confidence: Mean top probability, (bins,) float; NaN in an empty bin.
        accuracy: Fraction of correct samples, (bins,) float; NaN in an empty bin.
        count: Number of samples, (bins,) int.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error: the mean over samples of |accuracy − confidence| of their bin."""
        return float(np.nansum(self.count * np.abs(self.accuracy - self.confidence)) / self.count.sum())


def reliability(labels: np.ndarray, probabilities: np.ndarray) -> Reliability:
    """Return the bins of labels (samples,) int and probabilities (samples, classes) float.

    Guo et al., On Calibration of Modern Neural Networks, ICML 2017. Raises ValueError as `validated_predictions`.
    """
    labels, probabilities = validated_predictions(labels, probabilities)
    return bin_by_confidence(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels)


def bin_by_confidence(confidence: np.ndarray, correct: np.ndarray, num_bins: int = NUM_BINS) -> Reliability:
    """Return the bins of top probabilities (samples,) and whether their class is the true one, (samples,) bool."""
    bin_numbers = np.searchsorted(np.linspace(0, 1, num_bins + 1)[1:-1], confidence)
    count = np.bincount(bin_numbers, minlength=num_bins)
    divisor = np.where(count, count, np.nan)
    return Reliability(
        confidence=np.bincount(bin_numbers, weights=confidence, minlength=num_bins) / divisor,
        accuracy=np.bincount(bin_numbers, weights=correct, minlength=num_bins) / divisor,
        count=count,
    )
