"""Which of two models is better on a test set, and which of many cannot be told apart.

The tests cover the draw of the test samples: would another test set of the same kind have put the models in another
order? They take the trained models as they are. The noise of training is not in them: the ± over seeds shows that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr, stdtr

from fer_bench.evaluation.resampling import (
    EXACT,
    REPEATS,
    bootstrap_weights,
    num_resampling_units,
    percentile_interval,
    resampled_means,
)

ALPHA = 0.05


@dataclass(frozen=True)
class Comparison:
    """The paired bootstrap of one pair: difference of the accuracies, its 95 % interval and a two-sided p."""

    difference: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Pairs:
    """All pairs of the rows of a table: arrays (rows, rows), p-values two-sided, 1 on the diagonal.

    difference: accuracy of the first (row of the matrix) less that of the second.
    p: the greater of bootstrap and mcnemar, so that both must reject, corrected after Holm over all pairs.
    """

    difference: np.ndarray
    bootstrap: np.ndarray
    mcnemar: np.ndarray
    p: np.ndarray


def mcnemar_exact(right_a: np.ndarray, right_b: np.ndarray) -> float:
    """Two-sided exact p of the hypothesis that two models are right equally often, from the samples they differ on.

    right_a, right_b: whether each model is right, (samples,) bool, on the same samples. For models of several seeds,
    (seeds, samples): see `mcnemar_pairs`. McNemar, Note on the sampling error of the difference between correlated
    proportions or percentages, Psychometrika 12, 1947; exact: the binomial distribution with one half.
    """
    return float(mcnemar_pairs([_by_seed(right_a), _by_seed(right_b)])[0, 1])


def mcnemar_pairs(correct: Sequence[np.ndarray]) -> np.ndarray:
    """McNemar's exact p for every two of many rows: (rows, rows).

    correct: for each row (seeds, samples) bool, or (samples,). Where both rows have several seeds, the first seed of
    one meets the first of the other, and so on for k pairs, as many as the row with fewer seeds has. The p of the two
    rows is that at which most of the pairs reject, with the price of choosing among them: k/m times the m-th smallest
    p, m = ⌊k/2⌋ + 1, which holds whatever the dependence between seeds (Rüger, Das maximale Signifikanzniveau des Tests
    „Lehne H0 ab, wenn k unter n gegebenen Tests zur Ablehnung führen“, Metrika 25, 1978). A pair of seeds whose
    difference points the other way than the rows' mean accuracies counts as p = 1.
    """
    seeds = [_by_seed(right) for right in correct]
    leading = np.sign(_differences(seeds))
    numbers = np.array([len(right) for right in seeds])
    most = numbers.max()
    p = np.stack([_mcnemar_of_seed([right[min(k, len(right) - 1)] for right in seeds], leading) for k in range(most)])
    pairs = np.minimum.outer(numbers, numbers)
    p[np.arange(most)[:, None, None] >= pairs] = np.inf  # seeds that only one of the two has
    majority = pairs // 2 + 1
    chosen = np.take_along_axis(np.sort(p, axis=0), majority[None] - 1, axis=0)[0]
    return np.minimum(1, chosen * pairs / majority)


def paired_bootstrap(
    right_a: np.ndarray,
    right_b: np.ndarray,
    groups: np.ndarray | None = None,
    repeats: int = REPEATS,
    seed: int = 0,
) -> Comparison:
    """Difference of two accuracies on the same samples (first less second), its 95 % interval, and a two-sided p.

    right_a, right_b: (samples,) bool or share of seeds that are right, or (seeds, samples), of which the mean is taken;
    groups: (samples,), such as subjects, which are then drawn whole. Both models are scored on the same draws. p is the
    tail of Student's t, with as many degrees of freedom as there are samples (or groups) less one, beyond the
    difference divided by the bootstrap's standard error: counting draws would end at 1/repeats, too coarse to survive a
    correction for many pairs. 1 where nothing was drawn but one group. Efron & Tibshirani, 1993, chapters 12 and 16.
    """
    both = np.stack([_mean_over_seeds(right_a), _mean_over_seeds(right_b)])
    draws = resampled_means(both, bootstrap_weights(both.shape[1] if groups is None else groups, repeats, seed))
    units = num_resampling_units(both.shape[1], groups)
    low, high = percentile_interval(draws[0] - draws[1], units)
    p = bootstrap_p(both.mean(axis=1), draws, units)
    return Comparison(float(both[0].mean() - both[1].mean()), float(low), float(high), float(p[0, 1]))


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values (tests,) corrected for their number: rejecting those below α errs in α of all families at most.

    Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def all_pairs(
    correct: Sequence[np.ndarray],
    groups: np.ndarray | None = None,
    draws: np.ndarray | None = None,
) -> Pairs:
    """Both tests on every two rows of a table on the same test samples, Holm-corrected over all pairs.

    correct: for each row (seeds, samples) bool, or (samples,); groups: (samples,), such as subjects; draws: the rows'
    `resampled_means` of their mean over seeds, where they are known already. McNemar's test knows no groups: where
    samples of a subject are alike it rejects too easily, and the bootstrap, which must reject too, does not.
    ValueError where rows differ in their samples.
    """
    means = np.stack([_mean_over_seeds(right) for right in correct])
    if draws is None:
        draws = resampled_means(means, bootstrap_weights(means.shape[1] if groups is None else groups))
    accuracies = means.mean(axis=1)
    bootstrap = bootstrap_p(accuracies, draws, num_resampling_units(means.shape[1], groups))
    mcnemar = mcnemar_pairs(correct)
    p = np.ones_like(bootstrap)
    upper = np.triu_indices(len(means), 1)
    p[upper] = holm(np.maximum(bootstrap, mcnemar)[upper])
    return Pairs(accuracies[:, None] - accuracies[None, :], bootstrap, mcnemar, np.minimum(p, p.T))


def tied_rows(correct: Sequence[np.ndarray], groups: np.ndarray | None = None, alpha: float = ALPHA) -> np.ndarray:
    """Which rows of a table cannot be told from the best one: (rows,) bool, the best itself among them.

    correct: for each row (seeds, samples) bool, or (samples,), all on the same samples; groups: (samples,), such as
    subjects. A row is told from the best (of the highest mean accuracy over seeds, the first of equals) only where the
    paired bootstrap and McNemar's test both reject at `alpha` after Holm's correction over all pairs of the table; see
    `all_pairs`. What is covered is the draw of test samples; the noise of training is not.
    """
    return tied_with_best(all_pairs(correct, groups), alpha)


def tied_with_best(pairs: Pairs, alpha: float = ALPHA) -> np.ndarray:
    """As `indistinguishable`, from pairs that have been tested already."""
    best = int(pairs.difference[:, 0].argmax())
    return pairs.p[best] > alpha


def average_ranks(table: np.ndarray) -> np.ndarray:
    """Mean rank of each row over datasets: (rows,), 1 the best, ties share the mean of their ranks.

    table: (rows, datasets), higher is better, NaN where missing. A row that misses a dataset gets NaN and is no rival
    to the others: ranks among different rivals cannot be averaged. Demšar, Statistical Comparisons of Classifiers over
    Multiple Data Sets, JMLR 7, 2006.
    """
    table = np.asarray(table, dtype=np.float64)
    whole = ~np.isnan(table).any(axis=1)
    ranks = np.full(len(table), np.nan)
    rivals = table[whole]
    better = (rivals[None] > rivals[:, None]).sum(axis=1)
    equal = (rivals[None] == rivals[:, None]).sum(axis=1)
    ranks[whole] = (better + (equal + 1) / 2).mean(axis=1)
    return ranks


def _by_seed(right: np.ndarray) -> np.ndarray:
    return np.atleast_2d(np.asarray(right, dtype=bool))


def _mean_over_seeds(right: np.ndarray) -> np.ndarray:
    return np.atleast_2d(np.asarray(right, dtype=np.float64)).mean(axis=0)


def _differences(seeds: list[np.ndarray]) -> np.ndarray:
    means = np.array([right.mean() for right in seeds])
    return means[:, None] - means[None, :]


def _mcnemar_of_seed(right: list[np.ndarray], leading: np.ndarray) -> np.ndarray:
    """p of every two rows, one seed each; 1 where the difference points against `leading` (rows, rows) of signs."""
    table = np.stack(right).astype(np.float32 if len(right[0]) < EXACT else np.float64)
    both = (table @ table.T).astype(np.int64)
    only_first = np.diagonal(both)[:, None] - both
    first, second = np.triu_indices(len(table), 1)
    one, other = only_first[first, second], only_first[second, first]
    p = np.ones(both.shape)
    p[first, second] = p[second, first] = np.minimum(1, 2 * bdtr(np.minimum(one, other, dtype=float), one + other, 0.5))
    return np.where(np.sign(only_first - only_first.T) * leading < 0, 1.0, p)


def bootstrap_p(accuracies: np.ndarray, draws: np.ndarray, n_units: int) -> np.ndarray:
    """p of every two rows from their means in the same draws (rows, repeats): (rows, rows)."""
    p = np.ones((len(accuracies), len(accuracies)))
    if n_units < 2:
        return p
    centred = draws - draws.mean(axis=1, keepdims=True)
    products = centred @ centred.T / (draws.shape[1] - 1)
    variances = np.diagonal(products)
    first, second = np.triu_indices(len(accuracies), 1)
    # The bootstrap's variance is too small by (n − 1)/n.
    squared = (variances[first] + variances[second] - 2 * products[first, second]) * n_units / (n_units - 1)
    differences = np.abs(accuracies[first] - accuracies[second])
    # Equal predictions leave rounding errors in place of zero.
    error = np.sqrt(np.maximum(squared, 1e-15))
    found = np.where(differences > 1e-12, 2 * stdtr(n_units - 1, -differences / error), 1.0)
    p[first, second] = p[second, first] = found
    return p
