"""Bootstrap intervals over the draw of the test samples; if subjects are known, whole subjects are drawn.

All rows of one test set share one matrix of weights. So differences between rows are paired, and the means of all rows
are one matrix product. The intervals do not cover the noise of training. They have no width if all values are equal
(such as no error at all), and are too narrow if errors are rare or groups are few; the tests measure how much.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtrit

from fer_bench.evaluation.metrics import ConfusionMetric, Metric, MetricResults, SampleMetric

NUM_RESAMPLES = 2000
CONFIDENCE_LEVEL = 0.95
MAX_EXACT_FLOAT32 = 2**24  # float32 represents every integer below it


def bootstrap_weights(samples: int | np.ndarray, n_resamples: int = NUM_RESAMPLES, seed: int = 0) -> np.ndarray:
    """Count how often each sample occurs in each draw with replacement.

    Efron & Tibshirani, An Introduction to the Bootstrap, 1993; for groups: Davison & Hinkley, 1997, section 3.8.

    Args:
        samples: The number of samples, or the group (such as the subject) of each sample, (samples,). With groups,
            whole groups are drawn, as many as there are.
        n_resamples: Number of draws.
        seed: Equal arguments give equal draws.

    Returns:
        Counts, (n_resamples, samples) float64.

    Raises:
        ValueError: There is nothing to draw.
    """
    if isinstance(samples, (int, np.integer)):
        n_units, group_index = int(samples), None
    else:
        names, group_index = np.unique(np.asarray(samples), return_inverse=True)
        n_units = len(names)
    if n_units < 1 or n_resamples < 1:
        raise ValueError("there is nothing to draw")
    rng, counts = np.random.default_rng(seed), np.empty((n_resamples, n_units))
    for draw in counts:
        draw[:] = np.bincount(rng.integers(0, n_units, n_units), minlength=n_units)
    return counts if group_index is None else counts[:, group_index]


def resampled_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean of each row's values in each draw: (rows, n_resamples), or (n_resamples,) for one row.

    values: (rows, samples) or (samples,); many rows of integers, such as the number of correct seeds, take half the
    time. weights: From `bootstrap_weights`.
    """
    values, totals = np.asarray(values), weights.sum(axis=1)
    if values.dtype.kind in "biu" and np.abs(values).max(initial=0) * totals.max() < MAX_EXACT_FLOAT32:
        return (values.astype(np.float32) @ weights.astype(np.float32).T) / totals
    return (values.astype(np.float64) @ weights.T) / totals


def resampled_metric(metric: Metric, labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return the mean over seeds of a metric in each draw: (n_resamples,) float64.

    Args:
        metric: A metric with `has_interval`; ValueError for others.
        labels: (samples,) int64, from `validated_predictions`.
        probabilities: (seeds, samples, classes) float64, from `validated_predictions`.
        weights: (n_resamples, samples), from `bootstrap_weights`.
    """
    if isinstance(metric, SampleMetric):
        return resampled_means(sample_values(metric, labels, probabilities).mean(axis=0), weights)
    if not isinstance(metric, ConfusionMetric):
        raise ValueError(f"{metric.name} cannot be resampled")
    classes = probabilities.shape[-1]
    cell_numbers = np.arange(classes * classes)
    values = []
    for predicted in probabilities.argmax(axis=-1):
        cells = (labels * classes + predicted)[:, None] == cell_numbers
        counts = (weights @ cells.astype(np.float64)).reshape(-1, classes, classes)
        values.append(metric.function(counts))
    return np.mean(values, axis=0)


def sample_values(metric: SampleMetric, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return each sample's value of a metric for each of several seeds: (seeds, samples) float or bool.

    labels: (samples,) int64; probabilities: (seeds, samples, classes) float64, both from `validated_predictions`.
    """
    return np.stack([metric.function(MetricResults(labels, one)) for one in probabilities])


def percentile_interval(resampled: np.ndarray, n_units: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the low and the high end of the expanded 95 % percentile interval.

    If few units were drawn, the percentiles are taken further out: Student's t is wider than the normal distribution,
    and the bootstrap's spread is too small by √((n − 1)/n). With some hundred units the correction vanishes.
    Hesterberg, What Teachers Should Know About the Bootstrap, The American Statistician 69, 2015.

    Args:
        resampled: (…, n_resamples) float.
        n_units: Number of samples, or of groups, in each draw.

    Returns:
        Two arrays (…); NaN if there is only one group to draw.
    """
    if n_units < 2:
        undefined = np.full(np.shape(resampled)[:-1], np.nan)
        return undefined, undefined
    tail = ndtr(np.sqrt(n_units / (n_units - 1)) * stdtrit(n_units - 1, (1 - CONFIDENCE_LEVEL) / 2))
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=-1)
    return low, high


def num_resampling_units(samples: int, groups: np.ndarray | None = None) -> int:
    """Return how many units a draw consists of: the number of groups if there are groups, else of samples."""
    return samples if groups is None else len(np.unique(groups))
