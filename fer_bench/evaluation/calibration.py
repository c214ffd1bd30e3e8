"""Whether a model is right as often as it is sure: reliability of the top probability, in bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_bench.evaluation.checks import validated_predictions

NUM_BINS = 15  # as Guo et al. have it, and most who report the error since


@dataclass(frozen=True)
class Reliability:
    """Samples in equal-width bins of the top probability, from 0 to 1; a bin holds its upper edge.

    confidence: mean top probability, (bins,), NaN in an empty bin; accuracy: share of right ones, (bins,), the same;
    count: samples, (bins,) int.
    """

    confidence: np.ndarray
    accuracy: np.ndarray
    count: np.ndarray

    @property
    def ece(self) -> float:
        """Expected calibration error: the mean over samples of |accuracy − confidence| of their bin."""
        return float(np.nansum(self.count * np.abs(self.accuracy - self.confidence)) / self.count.sum())


def reliability(labels: np.ndarray, probabilities: np.ndarray, bins: int = NUM_BINS) -> Reliability:
    """Confidence, accuracy and count in `bins` equal-width bins of the top probability.

    labels: (samples,) int; probabilities: (samples, classes) float. ValueError as for `checked`.
    Guo et al., On Calibration of Modern Neural Networks, ICML 2017.
    """
    labels, probabilities = validated_predictions(labels, probabilities)
    return bin_by_confidence(probabilities.max(axis=1), probabilities.argmax(axis=1) == labels, bins)


def bin_by_confidence(confidence: np.ndarray, correct: np.ndarray, bins: int = NUM_BINS) -> Reliability:
    """As `reliability`, of top probabilities (samples,) and whether their class was the true one (samples,) bool."""
    bin_of = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence)
    count = np.bincount(bin_of, minlength=bins)
    some = np.where(count, count, np.nan)
    return Reliability(
        confidence=np.bincount(bin_of, weights=confidence, minlength=bins) / some,
        accuracy=np.bincount(bin_of, weights=correct, minlength=bins) / some,
        count=count,
    )
