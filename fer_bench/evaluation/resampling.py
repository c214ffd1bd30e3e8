"""Bootstrap intervals over the draw of the test samples; whole subjects are drawn where there are subjects.

Rows of one test set share one matrix of weights: the draws are then the same for all of them, so that differences
between rows are paired, and all rows' means are one matrix product.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, stdtrit

from fer_bench.evaluation.metrics import ConfusionMetric, Metric, MetricResults, SampleMetric

REPEATS = 2000
LEVEL = 0.95
EXACT = 2**24  # below it float32 holds every whole number


def bootstrap_weights(samples: int | np.ndarray, repeats: int = REPEATS, seed: int = 0) -> np.ndarray:
    """How often each draw with replacement holds each sample: counts (repeats, samples) float64.

    samples: their number, or the group of each (samples,), such as its subject: then whole groups are drawn, as many
    as there are. The same arguments give the same draws. ValueError where there are none.
    Efron & Tibshirani, An Introduction to the Bootstrap, 1993; for groups: Davison & Hinkley, 1997, section 3.8.
    """
    if isinstance(samples, (int, np.integer)):
        number, member = int(samples), None
    else:
        names, member = np.unique(np.asarray(samples), return_inverse=True)
        number = len(names)
    if number < 1 or repeats < 1:
        raise ValueError("there is nothing to draw")
    rng, counts = np.random.default_rng(seed), np.empty((repeats, number))
    for draw in counts:
        draw[:] = np.bincount(rng.integers(0, number, number), minlength=number)
    return counts if member is None else counts[:, member]


def resampled_means(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of each row's values in each draw: (rows, repeats), or (repeats,) for one row.

    values: (rows, samples) or (samples,), such as correctness or its mean over seeds; weights: `bootstrap_weights`.
    Many rows of whole numbers, such as how many seeds are right, take half the time.
    """
    values, drawn = np.asarray(values), weights.sum(axis=1)
    if values.dtype.kind in "biu" and np.abs(values).max(initial=0) * drawn.max() < EXACT:
        return (values.astype(np.float32) @ weights.astype(np.float32).T) / drawn
    return (values.astype(np.float64) @ weights.T) / drawn


def resampled_metric(metric: Metric, labels: np.ndarray, probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return a metric in each draw, as the mean over seeds: (repeats,).

    Args:
        metric: A metric with `has_interval`.
        labels: (samples,) int64, from `validated_predictions`.
        probabilities: (seeds, samples, classes) float64, from `validated_predictions`.
        weights: (repeats, samples), from `bootstrap_weights`.

    Raises:
        ValueError: The metric has no interval.
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
    """Return each sample's value of a metric, for each of several seeds: (seeds, samples) float or bool.

    labels: (samples,) int64; probabilities: (seeds, samples, classes) float64, both from `validated_predictions`.
    """
    return np.stack([metric.function(MetricResults(labels, one)) for one in probabilities])


def percentile_interval(resampled: np.ndarray, n_units: int, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end of the percentile interval: the shape of `resampled` (…, repeats) without its last axis.

    units: the number of samples, or of groups, that were drawn. Percentiles are taken a little further out for few of
    them, as Student's t is wider than the normal distribution and as the bootstrap's spread is too small by
    √((n − 1)/n); from some hundred on that changes nothing. Hesterberg, What Teachers Should Know About the Bootstrap,
    The American Statistician 69, 2015 (the expanded percentile interval). NaN where one group alone was drawn.
    """
    if n_units < 2:
        nothing = np.full(np.shape(resampled)[:-1], np.nan)
        return nothing, nothing
    tail = ndtr(np.sqrt(n_units / (n_units - 1)) * stdtrit(n_units - 1, (1 - level) / 2))
    low, high = np.quantile(resampled, [tail, 1 - tail], axis=-1)
    return low, high


def interval(
    values: np.ndarray,
    groups: np.ndarray | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
    level: float = LEVEL,
) -> tuple[np.ndarray, np.ndarray]:
    """Low and high end of the bootstrap interval of the mean of per-sample values; 95 % unless told otherwise.

    values: (samples,), or (rows, samples) for an interval each: correctness as 0 or 1, or its mean over seeds; groups:
    (samples,), such as subjects, which are then drawn whole. It covers the draw of the test samples, not the noise of
    training. Where all values are equal (no error at all, say) the interval has no width, and where errors are few it
    is too narrow; with few groups it holds the truth less often than it says: the tests measure how often.
    """
    weights = bootstrap_weights(np.shape(values)[-1] if groups is None else groups, repeats, seed)
    return percentile_interval(
        resampled_means(values, weights), num_resampling_units(np.shape(values)[-1], groups), level
    )


def num_resampling_units(samples: int, groups: np.ndarray | None = None) -> int:
    """What a draw is made of: the number of samples, or of groups where there are groups."""
    return samples if groups is None else len(np.unique(groups))
