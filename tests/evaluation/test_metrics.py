"""Metrics against hand-computed values and against scikit-learn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_auc_score

from fer_bench.evaluation.metrics import METRICS, accuracy_half_width, confusion, macro_auc, scores


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (exponentials / exponentials.sum(axis=1, keepdims=True)).astype(np.float32)


def certain(predicted: list[int], classes: int) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[predicted]


# Four images of class 0, one of class 1, one of class 2.
# Class 0: 3 of 4 found, 3 of 4 right: P = R = F1 = 3/4. Class 1: 1 of 1 found, 1 of 2 right: P 1/2, R 1, F1 2/3.
# Class 2: never predicted: P = R = F1 = 0.
LABELS = np.array([0, 0, 0, 0, 1, 2])
PREDICTED = [0, 0, 0, 1, 1, 0]


def test_scores_by_hand_on_unequal_classes():
    result = scores(LABELS, certain(PREDICTED, 3))
    assert result == pytest.approx(
        {
            "accuracy": 4 / 6,
            "macro_precision": (3 / 4 + 1 / 2 + 0) / 3,
            "macro_recall": (3 / 4 + 1 + 0) / 3,
            "macro_f1": (3 / 4 + 2 / 3 + 0) / 3,
            "weighted_precision": (4 * 3 / 4 + 1 / 2) / 6,
            "weighted_recall": 4 / 6,
            "weighted_f1": (4 * 3 / 4 + 2 / 3) / 6,
            # One-vs-rest with certain scores, (TPR + TNR) / 2: (3/4 + 1/2) / 2, (1 + 4/5) / 2, 1/2.
            "macro_auc": (0.625 + 0.9 + 0.5) / 3,
        },
        abs=1e-12,
    )
    assert tuple(result) == METRICS


def test_confusion_counts_true_classes_in_rows():
    assert confusion(LABELS, certain(PREDICTED, 3)).tolist() == [[3, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_confusion_keeps_classes_that_do_not_occur():
    assert confusion(np.array([1, 1]), certain([1, 2], 4)).shape == (4, 4)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), classes=st.integers(3, 8))
def test_scores_agree_with_scikit_learn_on_float32_softmax(seed, classes):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, 50)])
    probabilities = softmax(rng.normal(0, 2, (len(labels), classes)))
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    result = scores(labels, probabilities)
    assert result["macro_auc"] == pytest.approx(roc_auc_score(labels, exact, multi_class="ovr"), abs=1e-9)
    assert result["macro_f1"] == pytest.approx(
        f1_score(labels, exact.argmax(1), average="macro", zero_division=0), abs=1e-12
    )


def test_auc_is_the_mean_over_the_classes_present():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.6, 0.2, 0.2], [0.3, 0.4, 0.3], [0.4, 0.5, 0.1], [0.1, 0.3, 0.6]])
    # Class 0: 3 of the 4 pairs in order; class 1: 0.5 over both, 0.3 over 0.2 only: 3 of 4.
    assert macro_auc(labels, probabilities) == pytest.approx(0.75)


def test_auc_of_a_single_class_is_not_a_number():
    result = scores(np.array([1, 1]), certain([1, 0], 3))
    assert math.isnan(result["macro_auc"])
    assert result["accuracy"] == 0.5


def test_rows_that_miss_one_in_float32_are_scored():
    probabilities = certain([0, 1, 2], 3) * np.float32(0.9999)
    assert scores(np.array([0, 1, 2]), probabilities)["macro_auc"] == 1


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([], np.zeros((0, 3)), "no samples"),
        ([0, 1], np.full((3, 3), 1 / 3), "do not fit"),
        ([0, 3], np.full((2, 3), 1 / 3), "label is outside"),
        ([0, 1], np.array([[np.nan, 1], [0, 1]]), "not finite"),
        ([0, 1], np.array([[0.0, 0], [0, 1]]), "not a distribution"),
        ([0, 1], np.array([[-0.5, 1.5], [0, 1]]), "not a distribution"),
    ],
)
def test_what_cannot_be_scored_is_an_error(labels, probabilities, message):
    with pytest.raises(ValueError, match=message):
        scores(np.array(labels, dtype=int), probabilities)


def test_half_width_at_73_per_cent_of_fer2013():
    assert accuracy_half_width(0.73, 3589) == pytest.approx(0.01452, abs=1e-5)
