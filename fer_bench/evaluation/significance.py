"""Which of two models is better on a test set, and which rows of a table are tied with the best.

The tests cover the draw of the test samples: would another test set of the same kind rank the models differently? They
take the trained models as given. The noise of training is not covered; the ± over seeds shows it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import bdtr, stdtr

from fer_bench.evaluation.resampling import MAX_EXACT_FLOAT32

ALPHA = 0.05


def mcnemar_pairs(correct: Sequence[np.ndarray]) -> np.ndarray:
    """Return the two-sided p of McNemar's exact test for every two of many rows: (rows, rows).

    McNemar, Note on the sampling error of the difference between correlated proportions or percentages, Psychometrika
    12, 1947; exact: the binomial distribution with probability one half.

    If both rows have several seeds, the first seed of one is paired with the first of the other, and so on for k pairs,
    as many as the row with fewer seeds has. The p of the two rows is the p at which most of the pairs reject, corrected
    for choosing among them: k/m times the m-th smallest p, m = ⌊k/2⌋ + 1. This holds for any dependence between seeds
    (Rüger, Das maximale Signifikanzniveau des Tests „Lehne H0 ab, wenn k unter n gegebenen Tests zur Ablehnung führen“,
    Metrika 25, 1978). A pair of seeds whose difference has the opposite sign of the rows' mean difference has p = 1.

    correct: Per row (seeds, samples) bool, or (samples,).
    """
    rows = [np.atleast_2d(np.asarray(row, dtype=bool)) for row in correct]
    means = np.array([row.mean() for row in rows])
    signs = np.sign(means[:, None] - means[None, :])
    seeds = np.array([len(row) for row in rows])
    most = seeds.max()
    p = np.stack([_mcnemar_of_one_seed([row[min(k, len(row) - 1)] for row in rows], signs) for k in range(most)])
    pairs = np.minimum.outer(seeds, seeds)
    p[np.arange(most)[:, None, None] >= pairs] = np.inf  # seeds that only one of the two rows has
    majority = pairs // 2 + 1
    chosen = np.take_along_axis(np.sort(p, axis=0), majority[None] - 1, axis=0)[0]
    return np.minimum(1, chosen * pairs / majority)


def holm(p_values: np.ndarray) -> np.ndarray:
    """Return p-values (tests,) corrected for their number: rejecting those below α errs in at most α of all families.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def compare_all_pairs(
    values: np.ndarray, draws: np.ndarray, n_units: int, correct: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Test every two rows of a table; return two-sided p-values (rows, rows), Holm-corrected over all pairs.

    Both the paired bootstrap and, with `correct`, McNemar's test must reject: p is the larger one. McNemar's test
    ignores groups, so it rejects too easily if samples of one subject are alike; the bootstrap draws whole groups.

    Args:
        values: As for `bootstrap_p_values`, like the next two.
        draws: (rows, n_resamples) float.
        n_units: Number of samples, or of groups, in each draw.
        correct: As for `mcnemar_pairs`, if the values are fractions of correct samples.
    """
    p = bootstrap_p_values(values, draws, n_units)
    if len(correct):
        p = np.maximum(p, mcnemar_pairs(correct))
    upper = np.triu_indices(len(p), 1)
    corrected = np.ones_like(p)
    corrected[upper] = holm(p[upper])
    return np.minimum(corrected, corrected.T)


def bootstrap_p_values(values: np.ndarray, draws: np.ndarray, n_units: int) -> np.ndarray:
    """Return the paired bootstrap's two-sided p of every two rows: (rows, rows).

    p is the tail of Student's t beyond the difference divided by the bootstrap's standard error, with one degree of
    freedom less than there are units. Counting draws would end at 1/n_resamples, too coarse for a correction over many
    pairs. p is 1 if there is only one unit. Efron & Tibshirani, An Introduction to the Bootstrap, 1993, chapters 12 and
    16.

    Args:
        values: A metric of each row, its mean over seeds, (rows,) float.
        draws: (rows, n_resamples) float, the same metric in the same draws.
        n_units: Number of samples, or of groups, in each draw.
    """
    p = np.ones((len(values), len(values)))
    if n_units < 2:
        return p
    centered = draws - draws.mean(axis=1, keepdims=True)
    products = centered @ centered.T / (draws.shape[1] - 1)
    variances = np.diagonal(products)
    first, second = np.triu_indices(len(values), 1)
    # The bootstrap's variance is too small by (n − 1)/n.
    squared = (variances[first] + variances[second] - 2 * products[first, second]) * n_units / (n_units - 1)
    differences = np.abs(values[first] - values[second])
    error = np.sqrt(np.maximum(squared, 1e-15))  # equal predictions leave rounding errors instead of zero
    p[first, second] = p[second, first] = np.where(
        differences > 1e-12, 2 * stdtr(n_units - 1, -differences / error), 1.0
    )
    return p


def _mcnemar_of_one_seed(correct: list[np.ndarray], signs: np.ndarray) -> np.ndarray:
    """Return p of every two rows, one seed each; 1 if a difference contradicts the rows' mean, `signs` (rows, rows)."""
    table: np.ndarray = np.stack(correct).astype(np.float32 if len(correct[0]) < MAX_EXACT_FLOAT32 else np.float64)
    both = (table @ table.T).astype(np.int64)
    only_first = np.diagonal(both)[:, None] - both
    first, second = np.triu_indices(len(table), 1)
    b, c = only_first[first, second], only_first[second, first]
    p = np.ones(both.shape)
    p[first, second] = p[second, first] = np.minimum(1, 2 * bdtr(np.minimum(b, c, dtype=float), b + c, 0.5))
    return np.where(np.sign(only_first - only_first.T) * signs < 0, 1.0, p)
