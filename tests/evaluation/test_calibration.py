"""Calibration bins against hand-computed values and scikit-learn."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from fer_bench.evaluation.calibration import bin_by_confidence, reliability


def test_reliability_by_hand():
    found = bin_by_confidence(np.array([0.6, 0.7, 0.8, 1, 0.5]), np.array([True, False, True, True, False]), num_bins=5)
    # (0.4, 0.6]: 0.6 correct and 0.5 wrong; (0.6, 0.8]: 0.7 wrong and 0.8 correct; (0.8, 1]: 1 correct.
    assert found.count.tolist() == [0, 0, 2, 2, 1]
    assert found.confidence == pytest.approx([np.nan, np.nan, 0.55, 0.75, 1], nan_ok=True)
    assert found.accuracy == pytest.approx([np.nan, np.nan, 0.5, 0.5, 1], nan_ok=True)
    assert found.ece == pytest.approx((2 * 0.05 + 2 * 0.25 + 0) / 5)


def test_reliability_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(7), 500)
    labels = rng.integers(0, 7, 500)
    found = reliability(labels, probabilities)
    accuracy, confidence = calibration_curve(probabilities.argmax(1) == labels, probabilities.max(1), n_bins=15)
    filled = found.count > 0
    np.testing.assert_allclose(found.accuracy[filled], accuracy, atol=1e-9)
    np.testing.assert_allclose(found.confidence[filled], confidence, atol=1e-9)
    assert found.count.sum() == 500


def test_a_calibrated_model_has_almost_no_error():
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(3), 100_000)
    labels = (rng.random((100_000, 1)) > probabilities.cumsum(axis=1)).sum(axis=1).clip(max=2)
    assert reliability(labels, probabilities).ece < 0.01
