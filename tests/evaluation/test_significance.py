"""Significance tests: against SciPy and by hand, and their error rates."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import binomtest, norm, ttest_rel

from fer_bench.evaluation.resampling import (
    bootstrap_weights,
    num_resampling_units,
    percentile_interval,
    resampled_means,
)
from fer_bench.evaluation.significance import (
    ALPHA,
    bootstrap_p_values,
    compare_all_pairs,
    holm,
    mcnemar_pairs,
)


def simulate_correct(*accuracies: float, samples: int = 1000, seed: int = 0) -> list[np.ndarray]:
    """Correctness of models of these accuracies, on samples of which some are harder for all models."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 1, samples)
    return [hard + rng.normal(0, 1, samples) < norm.ppf(accuracy) * np.sqrt(2) for accuracy in accuracies]


def mcnemar_exact(first: np.ndarray, second: np.ndarray) -> float:
    return mcnemar_pairs([first, second])[0, 1]


def paired_bootstrap(first: np.ndarray, second: np.ndarray, groups=None, n_resamples: int = 2000) -> SimpleNamespace:
    """The difference of two accuracies with its interval and p, as the leaderboard computes them."""
    units = len(first) if groups is None else groups
    draws = resampled_means(np.stack([first, second]).astype(float), bootstrap_weights(units, n_resamples))
    low, high = percentile_interval(draws[0] - draws[1], num_resampling_units(len(first), groups))
    accuracies = np.array([first.mean(), second.mean()])
    p = bootstrap_p_values(accuracies, draws, num_resampling_units(len(first), groups))[0, 1]
    return SimpleNamespace(difference=accuracies[0] - accuracies[1], low=low, high=high, p=p)


def test_mcnemar_by_hand():
    # They differ on 6 samples, on 5 of them the first is correct: (1 + 6) · 2 / 64.
    first, second = np.array([1, 1, 1, 1, 1, 0, 1, 0], bool), np.array([0, 0, 0, 0, 0, 1, 1, 0], bool)
    assert mcnemar_exact(first, second) == pytest.approx(14 / 64, abs=1e-12)
    assert mcnemar_exact(first, first) == 1


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_agrees_with_scipy(seed):
    first, second = simulate_correct(0.7, 0.66, samples=300, seed=seed)
    only, other = int((first & ~second).sum()), int((second & ~first).sum())
    assert mcnemar_exact(first, second) == pytest.approx(binomtest(only, only + other).pvalue, abs=1e-9)


def test_mcnemar_over_seeds_is_decided_by_the_majority():
    first = np.zeros((3, 40), bool)
    second = np.zeros((3, 40), bool)
    first[0, :10], first[1, :8], first[2, :5] = True, True, True  # p = 2 / 2^10, 2 / 2^8, 2 / 2^5
    assert mcnemar_exact(first, second) == pytest.approx(1.5 * 2 / 2**8)
    assert mcnemar_exact(first, second[:2]) == pytest.approx(2 / 2**8)  # two seeds: both must agree
    assert mcnemar_exact(first, second[0]) == pytest.approx(2 / 2**10)


def test_contradicting_seeds_are_not_significant():
    first, second = np.zeros((2, 40), bool), np.zeros((2, 40), bool)
    first[0, :20], second[1, :15] = True, True
    assert mcnemar_exact(first, second) == 1


def test_the_paired_bootstrap_agrees_with_students_test_on_the_differences():
    first, second = simulate_correct(0.72, 0.68, samples=500)
    found = paired_bootstrap(first, second, n_resamples=20_000)
    reference = ttest_rel(first.astype(float), second.astype(float))
    assert found.difference == pytest.approx(first.mean() - second.mean(), abs=1e-12)
    assert found.p == pytest.approx(reference.pvalue, rel=0.1)
    assert (found.low, found.high) == pytest.approx(tuple(reference.confidence_interval()), abs=0.003)
    assert paired_bootstrap(second, first).low == pytest.approx(-paired_bootstrap(first, second).high)


def test_p_is_not_limited_by_the_number_of_draws():
    first, second, third = simulate_correct(0.9, 0.7, 0.5, samples=2000)
    assert 0 < paired_bootstrap(first, third).p < paired_bootstrap(first, second).p < 1e-20


def test_equal_predictions_have_no_difference():
    (first,) = simulate_correct(0.7)
    found = paired_bootstrap(first, first)
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_whole_subjects_are_resampled():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 50)
    better = np.arange(12)[:, None] < 8  # the first model is better on these subjects, the second on the others
    first = (rng.random((12, 50)) < np.where(better, 0.9, 0.4)).ravel()
    second = (rng.random((12, 50)) < np.where(better, 0.4, 0.9)).ravel()
    by_image, by_subject = paired_bootstrap(first, second), paired_bootstrap(first, second, groups)
    assert by_image.difference == by_subject.difference
    assert by_image.p < 0.001 < 0.05 < by_subject.p
    assert by_subject.low < 0 < by_image.low


def test_a_single_subject_is_never_significant():
    found = paired_bootstrap(np.ones(50), np.zeros(50), np.zeros(50))
    assert (found.difference, found.p) == (1, 1) and np.isnan(found.low)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert holm([]).shape == (0,)


def pairwise_p(rows: list[np.ndarray], weights: np.ndarray, groups=None) -> np.ndarray:
    means = np.stack([np.atleast_2d(row).mean(axis=0) for row in rows])
    units = num_resampling_units(means.shape[1], groups)
    return compare_all_pairs(means.mean(axis=1), resampled_means(means, weights), units, rows)


def test_all_pairs_agree_with_single_comparisons():
    rows = simulate_correct(0.8, 0.75, 0.6, samples=400)
    found = pairwise_p(rows, bootstrap_weights(400))
    pairs = ((0, 1), (0, 2), (1, 2))
    larger = [max(paired_bootstrap(rows[i], rows[j]).p, mcnemar_exact(rows[i], rows[j])) for i, j in pairs]
    assert [found[pair] for pair in pairs] == pytest.approx(holm(larger), rel=1e-6)
    np.testing.assert_array_equal(found, found.T)
    assert (np.diag(found) == 1).all()


def tied(rows: list[np.ndarray]) -> list[bool]:
    """Whether each row is tied with the best one."""
    best = int(np.argmax([row.mean() for row in rows]))
    return (pairwise_p(rows, bootstrap_weights(rows[0].shape[-1]))[best] > ALPHA).tolist()


def test_the_rows_tied_with_the_best_are_found():
    models = simulate_correct(*np.repeat([0.60, 0.70, 0.695, 0.50], 3), samples=3589)
    rows = [np.stack(models[i : i + 3]) for i in range(0, 12, 3)]  # three seeds each
    assert tied(rows) == [False, True, True, False]
    assert tied([row[0] for row in rows]) == [False, True, True, False]
    assert tied(rows[:1]) == [True]


def test_rows_may_have_different_numbers_of_seeds():
    good, poor = simulate_correct(0.8, 0.5)
    assert tied([good, np.stack([good, poor]), np.stack([poor, poor, poor])]) == [True, True, False]


FAMILIES = [100, pytest.param(300, marks=pytest.mark.slow)]  # simulated tables


def family_errors(simulate, families: int, groups: np.ndarray | None = None, samples: int = 400) -> float:
    """Fraction of tables of equally good models in which any two rows differ significantly."""
    weights = bootstrap_weights(samples if groups is None else groups, n_resamples=500)
    errors = 0
    for seed in range(families):
        errors += pairwise_p(simulate(np.random.default_rng(seed)), weights, groups).min() <= 0.05
    return errors / families


@pytest.mark.parametrize("families", FAMILIES)
@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_models_differ_in_5_of_100_tables_at_most(seeds, families):
    def simulate(rng):
        hard = rng.normal(0, 1, 400)
        return [hard + rng.normal(0, 1, (seeds, 400)) < 0.6 for _ in range(6)]

    assert family_errors(simulate, families) <= 0.05


@pytest.mark.parametrize("families", FAMILIES)
def test_models_equal_over_subjects_differ_in_5_of_100_tables_at_most(families):
    """Each model is better on some subjects; McNemar's test alone rejects because of their many images."""
    groups = np.repeat(np.arange(20), 20)

    def simulate(rng):
        skill = rng.normal(0, 1, (4, 20))
        return [skill[i, groups] + rng.normal(0, 1, (1, 400)) < 0.6 for i in range(4)]

    assert family_errors(simulate, families, groups) <= 0.05
    alone = sum(mcnemar_exact(*simulate(np.random.default_rng(seed))[:2]) < 0.05 for seed in range(families))
    assert alone > families / 5
