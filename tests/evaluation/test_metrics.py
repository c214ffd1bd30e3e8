"""Metrics against hand-computed values and against scikit-learn."""

import math
import warnings
from itertools import pairwise

import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from fer_bench.evaluation.metrics import METRICS, ConfusionMetric, accuracy_half_width, evaluate


def scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    return evaluate(labels, probabilities).scores


def one_hot(predicted: list[int], classes: int) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)[predicted]


# Four images of class 0, one of class 1, one of class 2.
# Class 0: 3 of 4 found, 3 of 4 correct: P = R = F1 = 3/4. Class 1: 1 of 1 found, 1 of 2 correct: P 1/2, R 1, F1 2/3.
# Class 2: never predicted: P = R = F1 = 0.
LABELS = np.array([0, 0, 0, 0, 1, 2])
PREDICTED = [0, 0, 0, 1, 1, 0]


def test_scores_by_hand_on_unequal_classes():
    result = scores(LABELS, one_hot(PREDICTED, 3))
    assert result == pytest.approx(
        {
            "accuracy": 4 / 6,
            "macro_precision": (3 / 4 + 1 / 2 + 0) / 3,
            "macro_recall": (3 / 4 + 1 + 0) / 3,
            "macro_f1": (3 / 4 + 2 / 3 + 0) / 3,
            "weighted_precision": (4 * 3 / 4 + 1 / 2) / 6,
            "weighted_recall": 4 / 6,
            "weighted_f1": (4 * 3 / 4 + 2 / 3) / 6,
            "balanced_accuracy": (3 / 4 + 1 + 0) / 3,
            # 4 of 6 agree; (4·4 + 1·2 + 1·0) / 6 = 3 of 6 would agree by chance.
            "kappa": (4 - 3) / (6 - 3),
            # (4·6 − 18) / √((6² − 4² − 2²) (6² − 4² − 1² − 1²))
            "mcc": 6 / math.sqrt(16 * 18),
            # One-vs-rest with one-hot scores, (TPR + TNR) / 2: (3/4 + 1/2) / 2, (1 + 4/5) / 2, 1/2.
            "macro_auc": (0.625 + 0.9 + 0.5) / 3,
            "weighted_auc": (4 * 0.625 + 0.9 + 0.5) / 6,
            # All classes but the predicted one are equal, and the last of equals comes first.
            "top2_accuracy": 5 / 6,
            "log_loss": 2 * -math.log(2.0**-52) / 6,
            "ece": 2 / 6,
        },
        abs=1e-12,
    )
    assert list(result) == list(METRICS)


def test_rows_of_the_confusion_matrix_are_true_classes():
    assert evaluate(LABELS, one_hot(PREDICTED, 3)).confusion.tolist() == [[3, 1, 0], [0, 1, 0], [1, 0, 0]]


def test_the_confusion_matrix_includes_classes_that_do_not_occur():
    assert evaluate(np.array([1, 1]), one_hot([1, 2], 4)).confusion.shape == (4, 4)


def predictions(seed: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    classes, samples = int(rng.integers(3, 9)), int(rng.integers(20, 200))
    labels = rng.integers(0, 1 if kind == "one class" else classes - (kind == "absent class"), samples)
    logits = rng.normal(0, 2, (samples, classes))
    logits[np.arange(samples), labels] += rng.uniform(0, 3)
    if kind == "ties":
        return labels, rng.integers(0, 4, (samples, classes)) + (rng.random((samples, 1)) < 0.2) + 1e-9
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    return labels, (probabilities / probabilities.sum(axis=1, keepdims=True)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["softmax", "ties", "absent class", "one class"]))
def test_scores_agree_with_scikit_learn(seed, kind):
    labels, probabilities = predictions(seed, kind)
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    predicted, classes = exact.argmax(axis=1), np.arange(exact.shape[1])
    edges = np.linspace(0, 1, 16)
    inside = [(exact.max(1) > low) & (exact.max(1) <= high) for low, high in pairwise(edges)]
    gaps = [abs((predicted == labels)[i].mean() - exact.max(1)[i].mean()) * i.mean() for i in inside if i.any()]
    present = np.unique(labels)
    aucs = [sk.roc_auc_score(labels == c, exact[:, c]) for c in present] if len(present) > 1 else [float("nan")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # some classes occur in the predictions only
        expected = {
            "accuracy": sk.accuracy_score(labels, predicted),
            "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
            "kappa": sk.cohen_kappa_score(labels, predicted),
            "mcc": sk.matthews_corrcoef(labels, predicted),
            "macro_auc": np.mean(aucs),
            "weighted_auc": np.average(aucs, weights=np.unique(labels, return_counts=True)[1]),
            "top2_accuracy": sk.top_k_accuracy_score(labels, exact, k=2, labels=classes),
            "log_loss": sk.log_loss(labels, exact, labels=classes),
            "ece": sum(gaps),
        }
    for average in ("macro", "weighted"):
        found = sk.precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)
        expected |= {f"{average}_{name}": found[i] for i, name in enumerate(("precision", "recall", "f1"))}
    assert scores(labels, probabilities) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_averaged_aucs_agree_with_scikit_learn():
    labels, probabilities = predictions(5, "softmax")
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    for average in ("macro", "weighted"):
        expected = sk.roc_auc_score(labels, exact, multi_class="ovr", average=average)
        assert scores(labels, probabilities)[f"{average}_auc"] == pytest.approx(expected, abs=1e-9)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), kind=st.sampled_from(["softmax", "ties", "absent class"]))
def test_per_class_scores_agree_with_scikit_learn(seed, kind):
    labels, probabilities = predictions(seed, kind)
    classes = np.arange(probabilities.shape[1])
    exact = probabilities / probabilities.sum(axis=1, keepdims=True, dtype=np.float64)
    expected = sk.precision_recall_fscore_support(labels, exact.argmax(axis=1), labels=classes, zero_division=0)
    found = evaluate(labels, probabilities).per_class
    for values, reference in zip((found.precision, found.recall, found.f1, found.support), expected, strict=True):
        np.testing.assert_allclose(values, reference, atol=1e-9)
    for c in classes:
        auc = sk.roc_auc_score(labels == c, exact[:, c]) if c in labels else float("nan")
        assert found.auc[c] == pytest.approx(auc, abs=1e-9, nan_ok=True)


def test_many_confusion_matrices_at_once_have_the_same_scores_as_one_by_one():
    counts = np.random.default_rng(0).integers(0, 9, (3, 2, 5, 5))
    counts[0, 0, 2], counts[0, 1, :, 3] = 0, 0  # a class without samples, and a class never predicted
    for metric in METRICS.values():
        if isinstance(metric, ConfusionMetric):
            alone = [[float(metric.function(matrix)) for matrix in row] for row in counts]
            np.testing.assert_allclose(metric.function(counts), alone)


def test_macro_auc_is_the_mean_over_the_classes_present():
    labels = np.array([0, 0, 1, 1])
    probabilities = np.array([[0.6, 0.2, 0.2], [0.3, 0.4, 0.3], [0.4, 0.5, 0.1], [0.1, 0.3, 0.6]])
    # Class 0: 3 of the 4 pairs in order; class 1: 0.5 over both, 0.3 over 0.2 only: 3 of 4.
    assert scores(labels, probabilities)["macro_auc"] == pytest.approx(0.75)


def test_auc_of_a_single_class_is_nan():
    result = scores(np.array([1, 1]), one_hot([1, 0], 3))
    assert math.isnan(result["macro_auc"]) and math.isnan(result["weighted_auc"])
    assert result["accuracy"] == 0.5


def test_kappa_of_a_single_class_is_nan():
    assert math.isnan(scores(np.array([1, 1]), one_hot([1, 1], 3))["kappa"])


def test_rows_whose_sum_is_not_exactly_one_are_scored():
    probabilities = one_hot([0, 1, 2], 3) * np.float32(0.9999)
    assert scores(np.array([0, 1, 2]), probabilities)["macro_auc"] == 1


def test_labels_of_a_small_type_do_not_overflow():
    labels = np.arange(100, dtype=np.uint8)
    assert scores(labels, np.eye(100))["accuracy"] == 1


def test_only_losses_and_errors_are_better_when_lower():
    assert {name for name, metric in METRICS.items() if metric.lower_is_better} == {"log_loss", "ece"}


@pytest.mark.parametrize(
    ("labels", "probabilities", "word"),
    [
        (np.empty(0, int), np.zeros((0, 3)), "samples"),
        ([0.0, 1.0], np.full((2, 3), 1 / 3), "integers"),
        ([0, 1], np.full((3, 3), 1 / 3), "shapes"),
        ([0, 3], np.full((2, 3), 1 / 3), "label"),
        ([0, -1], np.full((2, 3), 1 / 3), "label"),
        ([0, 1], np.array([[np.nan, 1], [0, 1]]), "finite"),
        ([0, 1], np.array([[np.inf, -np.inf], [0, 1]]), "finite"),
        ([0, 1], np.array([[0.0, 0], [0, 1]]), "distribution"),
        ([0, 1], np.array([[-0.5, 1.5], [0, 1]]), "distribution"),
    ],
)
def test_invalid_predictions_are_an_error(labels, probabilities, word):
    with pytest.raises(ValueError, match=word):
        scores(np.array(labels), probabilities)


def test_half_width_is_that_of_the_wilson_score_interval():
    for correct, samples in ((213, 213), (0, 40), (12, 30)):
        low, high = binomtest(correct, samples).proportion_ci(0.95, method="wilson")
        assert accuracy_half_width(correct / samples, samples) == pytest.approx((high - low) / 2, rel=1e-4)


def test_half_width_at_73_percent_of_fer2013():
    assert accuracy_half_width(0.73, 3589) == pytest.approx(0.01452, abs=1e-5)
