"""ROC curves at given false positive rates."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score, roc_curve

from fer_bench.evaluation.curves import roc_curves


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    labels = rng.choice(7, 3589, p=[0.137, 0.015, 0.147, 0.245, 0.165, 0.116, 0.175])
    logits = rng.normal(0, 1, (3589, 7))
    logits[np.arange(3589), labels] += np.linspace(0.2, 3, 7)[labels]
    probabilities = np.exp(logits)
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def test_curves_agree_with_scikit_learn(predictions):
    labels, probabilities = predictions
    rates = np.linspace(0, 1, 41) ** 2
    for c, curve in enumerate(roc_curves(labels, probabilities, rates)):
        false, true, _ = roc_curve(labels == c, probabilities[:, c])
        np.testing.assert_allclose(curve, np.interp(rates, false, true), rtol=0, atol=1e-12)


def test_the_area_under_a_fine_curve_is_the_auc(predictions):
    labels, probabilities = predictions
    rates = np.linspace(0, 1, 4000)
    for c, curve in enumerate(roc_curves(labels, probabilities, rates)):
        assert np.trapezoid(curve, rates) == pytest.approx(roc_auc_score(labels == c, probabilities[:, c]), abs=5e-4)


def test_a_curve_by_hand():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7], [0.4, 0.6], [0.1, 0.9]])
    first, second = roc_curves(labels, probabilities, np.array([0, 0.25, 0.5, 1]))
    # Class 0 by descending probability: positive, negative, positive, negative.
    assert first.tolist() == [0.5, 0.5, 1, 1]
    assert second.tolist() == [0.5, 0.5, 1, 1]


def test_equal_probabilities_share_a_threshold():
    labels, rates = np.array([0, 0, 1, 1]), np.array([0, 0.5, 1])
    first, _ = roc_curves(labels, np.full((4, 2), 0.5), rates)
    assert first.tolist() == [0, 0.5, 1]


def test_a_class_without_samples_has_no_curve():
    rates, probabilities = np.array([0, 1]), np.full((4, 3), 1 / 3)
    assert [curve is None for curve in roc_curves(np.array([0, 0, 1, 1]), probabilities, rates)] == [False, False, True]
    assert roc_curves(np.array([1, 1, 1, 1]), probabilities, rates) == [None, None, None]
