"""ROC curves: thinned without visible loss."""

import numpy as np
import pytest
from sklearn.metrics import auc, roc_auc_score, roc_curve

from fer_bench.evaluation.curves import roc


@pytest.fixture
def predictions():
    rng = np.random.default_rng(0)
    labels = rng.choice(7, 3589, p=[0.137, 0.015, 0.147, 0.245, 0.165, 0.116, 0.175])
    logits = rng.normal(0, 1, (3589, 7))
    logits[np.arange(3589), labels] += np.linspace(0.2, 3, 7)[labels]
    probabilities = np.exp(logits)
    return labels, probabilities / probabilities.sum(axis=1, keepdims=True)


def test_a_thinned_curve_stays_with_the_whole_one(predictions):
    labels, probabilities = predictions
    for c, curve in enumerate(roc(labels, probabilities)):
        assert len(curve.false_positive) <= 100
        assert (curve.false_positive[0], curve.true_positive[0]) == (0, 0)
        assert (curve.false_positive[-1], curve.true_positive[-1]) == (1, 1)
        # Turned by 45°, both are functions of the way along, and their distance is that of the lines.
        false, true, _ = roc_curve(labels == c, probabilities[:, c])
        drawn = np.interp(
            false + true,
            curve.false_positive + curve.true_positive,
            curve.true_positive - curve.false_positive,
        )
        assert np.abs(drawn - (true - false)).max() / np.sqrt(2) < 0.004
        area = roc_auc_score(labels == c, probabilities[:, c])
        assert auc(curve.false_positive, curve.true_positive) == pytest.approx(area, abs=0.001)


def test_a_short_curve_is_kept_whole():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.6, 0.4], [0.3, 0.7], [0.4, 0.6], [0.1, 0.9]])
    first, _ = roc(labels, probabilities)
    assert first.false_positive.tolist() == [0, 0, 0.5, 0.5, 1]
    assert first.true_positive.tolist() == [0, 0.5, 0.5, 1, 1]


def test_a_class_without_samples_has_no_curve():
    probabilities = np.full((4, 3), 1 / 3)
    assert [curve is None for curve in roc(np.array([0, 0, 1, 1]), probabilities)] == [False, False, True]
    assert roc(np.array([1, 1, 1, 1]), probabilities) == [None, None, None]
