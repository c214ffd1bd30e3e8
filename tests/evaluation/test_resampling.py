"""Bootstrap intervals: the draws, and how often the interval covers the true value."""

import numpy as np
import pytest
from made_up_records import bootstrap_interval
from scipy.stats import bootstrap
from sklearn.metrics import balanced_accuracy_score, f1_score

from fer_bench.evaluation.metrics import METRICS
from fer_bench.evaluation.resampling import (
    bootstrap_weights,
    num_resampling_units,
    percentile_interval,
    resampled_means,
    resampled_metric,
)


def coverage(ends: tuple[np.ndarray, np.ndarray], truth: float) -> float:
    return float(np.mean((ends[0] <= truth) & (truth <= ends[1])))


def test_every_draw_has_as_many_samples_and_is_reproducible():
    weights = bootstrap_weights(30, n_resamples=50, seed=1)
    assert weights.shape == (50, 30)
    assert (weights.sum(axis=1) == 30).all()
    assert (weights == bootstrap_weights(30, n_resamples=50, seed=1)).all()
    assert (weights != bootstrap_weights(30, n_resamples=50, seed=2)).any()
    assert weights.mean(axis=0).std() < 0.3  # no sample is preferred


def test_subjects_are_drawn_whole():
    groups = np.array(["S2", "S1", "S2", "S3", "S3", "S3"])
    weights = bootstrap_weights(groups, n_resamples=200)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 3:] == weights[:, 3:4]).all()
    assert (weights[:, 0] + weights[:, 1] + weights[:, 3] == 3).all()
    assert num_resampling_units(6, groups) == 3


def test_an_empty_draw_is_an_error():
    with pytest.raises(ValueError, match="draw"):
        bootstrap_weights(0)


def test_the_interval_agrees_with_scipy():
    values = np.random.default_rng(0).random(400) < 0.7
    low, high = bootstrap_interval(values, n_resamples=20_000)
    reference = bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    assert (low, high) == pytest.approx(tuple(reference), abs=0.002)


def test_a_resampled_mean_is_the_mean_of_the_drawn_samples():
    weights = np.array([[2, 0, 1.0], [1, 1, 1]])
    assert resampled_means(np.array([1, 0, 0.5]), weights) == pytest.approx([2.5 / 3, 0.5])
    assert resampled_means(np.array([[1, 0, 0.5], [0, 1, 1]]), weights)[1] == pytest.approx([1 / 3, 2 / 3])


def test_integers_have_the_same_means_as_floats():
    counts = np.random.default_rng(0).integers(0, 4, (5, 400))
    weights = bootstrap_weights(400, n_resamples=100)
    np.testing.assert_allclose(
        resampled_means(counts, weights), resampled_means(counts.astype(float), weights), rtol=0, atol=1e-13
    )
    huge = counts + 10**9  # beyond the integers that float32 represents
    assert resampled_means(huge, weights) == pytest.approx(resampled_means(huge.astype(float), weights), rel=1e-15)


def test_a_resampled_metric_is_that_of_the_drawn_samples():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 4, 60), rng.integers(0, 4, (2, 60))
    labels[labels == 3] = 0
    labels[0] = 3  # a class that most draws do not contain
    weights = bootstrap_weights(60, n_resamples=20)
    probabilities = np.eye(4)[predicted]
    macro_f1, balanced_accuracy = (
        resampled_metric(METRICS[name], labels, probabilities, weights) for name in ("macro_f1", "balanced_accuracy")
    )
    for draw, counts in enumerate(weights.astype(int)):
        drawn = np.repeat(np.arange(60), counts)
        by_seed = [f1_score(labels[drawn], one[drawn], average="macro", zero_division=0) for one in predicted]
        assert macro_f1[draw] == pytest.approx(np.mean(by_seed), abs=1e-9)
    known = np.flatnonzero(weights[:, 0])[0]
    drawn = np.repeat(np.arange(60), weights[known].astype(int))
    by_seed = [balanced_accuracy_score(labels[drawn], one[drawn]) for one in predicted]
    assert balanced_accuracy[known] == pytest.approx(np.mean(by_seed), abs=1e-9)


@pytest.mark.parametrize(("samples", "truth"), [(213, 0.5), (300, 0.7), (1000, 0.9)])
def test_the_interval_covers_the_true_accuracy_95_times_in_100(samples, truth):
    simulated = np.random.default_rng(1).random((2000, samples)) < truth
    assert 0.93 <= coverage(bootstrap_interval(simulated), truth) <= 0.97


def test_the_interval_of_a_macro_f1_covers_the_true_value():
    rng = np.random.default_rng(2)
    class_fractions = np.array([0.6, 0.3, 0.1])
    transition = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.2, 0.2, 0.6]])
    joint = class_fractions[:, None] * transition
    truth = np.mean(2 * np.diag(joint) / (joint.sum(0) + joint.sum(1)))
    weights = bootstrap_weights(400, n_resamples=500)
    ends = []
    for _ in range(300):
        labels = rng.choice(3, 400, p=class_fractions)
        predicted = (rng.random((400, 1)) > transition[labels].cumsum(axis=1)).sum(axis=1).clip(max=2)
        draws = resampled_metric(METRICS["macro_f1"], labels, np.eye(3)[predicted][None], weights)
        ends.append(percentile_interval(draws, 400))
    assert 0.92 <= coverage(tuple(np.array(ends).T), truth) <= 0.98  # ± 1.3 points of noise in 300 simulations


def simulate_subjects(subjects: int, simulations: int) -> tuple[np.ndarray, np.ndarray]:
    """Simulated correctness (simulations, samples); some subjects are easier than others, and the accuracy is 2/3."""
    rng = np.random.default_rng(3)
    groups = np.repeat(np.arange(subjects), rng.integers(5, 40, subjects))
    easy = rng.beta(6, 3, (simulations, subjects))
    return rng.random((simulations, len(groups))) < easy[:, groups], groups


@pytest.mark.parametrize("subjects", [10, 30, 118])  # JAFFE has 10, CK+ 118
def test_the_interval_over_subjects_covers_the_true_value(subjects):
    simulated, groups = simulate_subjects(subjects, 2000)
    assert 0.93 <= coverage(bootstrap_interval(simulated, groups), 2 / 3) <= 0.97


def test_an_interval_over_images_of_the_same_subjects_is_too_narrow():
    simulated, _ = simulate_subjects(30, 500)
    assert coverage(bootstrap_interval(simulated), 2 / 3) < 0.8


def test_five_subjects_are_too_few_but_a_plain_percentile_would_be_worse():
    simulated, groups = simulate_subjects(5, 1000)
    draws = resampled_means(simulated, bootstrap_weights(groups))
    plain = np.quantile(draws, [0.025, 0.975], axis=-1)
    assert coverage(plain, 2 / 3) < 0.86 < 0.89 < coverage(bootstrap_interval(simulated, groups), 2 / 3)


def test_a_single_subject_has_no_interval():
    assert np.isnan(bootstrap_interval(np.array([1, 0, 1]), np.array(["S1"] * 3))).all()
