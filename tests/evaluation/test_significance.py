"""Tests between models: against SciPy and by hand, and how often they err."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm, rankdata, ttest_rel

from fer_bench.evaluation.resampling import bootstrap_weights, resampled_means
from fer_bench.evaluation.significance import (
    all_pairs,
    average_ranks,
    holm,
    mcnemar_exact,
    paired_bootstrap,
    tied_rows,
)


def rights(*shares: float, samples: int = 1000, seed: int = 0) -> list[np.ndarray]:
    """Correctness of models of these accuracies, on samples of which some are harder for all of them."""
    rng = np.random.default_rng(seed)
    hard = rng.normal(0, 1, samples)
    return [hard + rng.normal(0, 1, samples) < norm.ppf(share) * np.sqrt(2) for share in shares]


def test_mcnemar_by_hand():
    # Differing on 6 samples, 5 of them for the first: (1 + 6) · 2 / 64.
    first, second = np.array([1, 1, 1, 1, 1, 0, 1, 0], bool), np.array([0, 0, 0, 0, 0, 1, 1, 0], bool)
    assert mcnemar_exact(first, second) == pytest.approx(14 / 64, abs=1e-12)
    assert mcnemar_exact(first, first) == 1


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_agrees_with_scipy(seed):
    first, second = rights(0.7, 0.66, samples=300, seed=seed)
    only, other = int((first & ~second).sum()), int((second & ~first).sum())
    assert mcnemar_exact(first, second) == pytest.approx(binomtest(only, only + other).pvalue, abs=1e-9)


def test_mcnemar_over_seeds_takes_what_most_of_them_say():
    first = np.zeros((3, 40), bool)
    second = np.zeros((3, 40), bool)
    first[0, :10], first[1, :8], first[2, :5] = True, True, True  # p = 2 / 2^10, 2 / 2^8, 2 / 2^5
    assert mcnemar_exact(first, second) == pytest.approx(1.5 * 2 / 2**8)
    assert mcnemar_exact(first, second[:2]) == pytest.approx(2 / 2**8)  # two seeds: both must agree
    assert mcnemar_exact(first, second[0]) == pytest.approx(2 / 2**10)


def test_seeds_that_contradict_each_other_prove_nothing():
    first, second = np.zeros((2, 40), bool), np.zeros((2, 40), bool)
    first[0, :20], second[1, :15] = True, True
    assert mcnemar_exact(first, second) == 1


def test_the_paired_bootstrap_agrees_with_students_test_on_the_differences():
    first, second = rights(0.72, 0.68, samples=500)
    found = paired_bootstrap(first, second, repeats=20_000)
    theirs = ttest_rel(first.astype(float), second.astype(float))
    assert found.difference == pytest.approx(first.mean() - second.mean(), abs=1e-12)
    assert found.p == pytest.approx(theirs.pvalue, rel=0.1)
    assert (found.low, found.high) == pytest.approx(tuple(theirs.confidence_interval()), abs=0.003)
    assert paired_bootstrap(second, first).low == pytest.approx(-paired_bootstrap(first, second).high)


def test_a_p_far_below_one_in_the_number_of_draws_still_has_a_size():
    first, second, third = rights(0.9, 0.7, 0.5, samples=2000)
    assert 0 < paired_bootstrap(first, third).p < paired_bootstrap(first, second).p < 1e-20


def test_equal_predictions_differ_in_nothing():
    (first,) = rights(0.7)
    found = paired_bootstrap(first, first)
    assert (found.difference, found.low, found.high, found.p) == (0, 0, 0, 1)


def test_subjects_count_and_not_their_images():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(12), 50)
    better = np.arange(12)[:, None] < 8  # the first model is better on these persons, the second on the others
    first = (rng.random((12, 50)) < np.where(better, 0.9, 0.4)).ravel()
    second = (rng.random((12, 50)) < np.where(better, 0.4, 0.9)).ravel()
    by_image, by_person = paired_bootstrap(first, second), paired_bootstrap(first, second, groups)
    assert by_image.difference == by_person.difference
    assert by_image.p < 0.001 < 0.05 < by_person.p
    assert by_person.low < 0 < by_image.low


def test_one_subject_alone_proves_nothing():
    found = paired_bootstrap(np.ones(50), np.zeros(50), np.zeros(50))
    assert (found.difference, found.p) == (1, 1) and np.isnan(found.low)


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert holm([]).shape == (0,)


def test_all_pairs_are_those_one_by_one():
    rows = rights(0.8, 0.75, 0.6, samples=400)
    found = all_pairs(rows)
    both = {}
    for i, j in ((0, 1), (0, 2), (1, 2)):
        one = paired_bootstrap(rows[i], rows[j])
        assert found.bootstrap[i, j] == found.bootstrap[j, i] == pytest.approx(one.p, rel=1e-6)
        assert found.mcnemar[i, j] == found.mcnemar[j, i] == pytest.approx(mcnemar_exact(rows[i], rows[j]))
        assert found.difference[i, j] == -found.difference[j, i] == pytest.approx(one.difference)
        both[i, j] = max(one.p, found.mcnemar[i, j])
    corrected = dict(zip(both, holm(list(both.values())), strict=True))
    assert {pair: found.p[pair] for pair in both} == pytest.approx(corrected, rel=1e-6)
    assert (np.diag(found.p) == 1).all()


def test_the_group_of_the_best_is_found():
    models = rights(*np.repeat([0.60, 0.70, 0.695, 0.50], 3), samples=3589)
    rows = [np.stack(models[i : i + 3]) for i in range(0, 12, 3)]  # three seeds each
    assert tied_rows(rows).tolist() == [False, True, True, False]
    assert tied_rows([row[0] for row in rows]).tolist() == [False, True, True, False]
    assert tied_rows(rows[:1]).tolist() == [True]


def test_rows_may_have_different_numbers_of_seeds():
    good, poor = rights(0.8, 0.5)
    assert tied_rows([good, np.stack([good, poor]), np.stack([poor, poor, poor])]).tolist() == [
        True,
        True,
        False,
    ]


def family_errors(simulate, families: int, groups: np.ndarray | None = None, samples: int = 400) -> float:
    """Share of tables of equally good models in which any two rows are told apart."""
    weights = bootstrap_weights(samples if groups is None else groups, repeats=500)
    errors = 0
    for seed in range(families):
        rows = simulate(np.random.default_rng(seed))
        draws = resampled_means(np.stack([row.mean(axis=0) for row in rows]), weights)
        errors += all_pairs(rows, groups, draws).p.min() <= 0.05
    return errors / families


@pytest.mark.parametrize("seeds", [1, 3])
def test_equal_models_are_told_apart_in_5_of_100_tables_at_most(seeds):
    def simulate(rng):
        hard = rng.normal(0, 1, 400)
        return [hard + rng.normal(0, 1, (seeds, 400)) < 0.6 for _ in range(6)]

    assert family_errors(simulate, 300) <= 0.05


def test_models_that_are_equal_over_persons_are_told_apart_in_5_of_100_tables_at_most():
    """Each model is better on some persons; McNemar's test alone takes their many images for proof."""
    groups = np.repeat(np.arange(20), 20)

    def simulate(rng):
        liking = rng.normal(0, 1, (4, 20))
        return [liking[i, groups] + rng.normal(0, 1, (1, 400)) < 0.6 for i in range(4)]

    assert family_errors(simulate, 300, groups) <= 0.05
    alone = sum(mcnemar_exact(*simulate(np.random.default_rng(seed))[:2]) < 0.05 for seed in range(200))
    assert alone > 40


def test_average_ranks_by_hand():
    table = np.array([[0.9, 0.8, 0.7], [0.8, 0.8, 0.9], [0.7, 0.6, 0.8]])
    assert average_ranks(table) == pytest.approx([(1 + 1.5 + 3) / 3, (2 + 1.5 + 1) / 3, (3 + 3 + 2) / 3])
    assert average_ranks(table) == pytest.approx(rankdata(-table, axis=0).mean(axis=1))


def test_a_row_that_misses_a_dataset_has_no_average_rank_and_changes_no_others():
    table = np.array([[0.9, 0.8], [0.95, np.nan], [0.7, 0.9]])
    assert average_ranks(table) == pytest.approx([1.5, np.nan, 1.5], nan_ok=True)
    assert np.isnan(average_ranks(np.full((2, 2), np.nan))).all()
