"""Classification metrics as pure functions of labels and class probabilities, in scikit-learn's definitions."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support, roc_auc_score

AVERAGES = ("macro", "weighted")
METRICS = ("accuracy", *(f"{a}_{m}" for a in AVERAGES for m in ("precision", "recall", "f1")), "macro_auc")


def scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """Accuracy; macro and weighted precision, recall and F1; macro one-vs-rest AUC: fractions named as in METRICS.

    labels: (samples,) int; probabilities: (samples, classes) float. The predicted class is the most probable one, the
    first of equals. Macro averages run over the classes that occur among the labels or the predicted classes; a class
    never predicted has precision 0. For the AUC see `macro_auc`.
    ValueError where the arrays do not fit each other or are empty, a label is out of range, or a row of probabilities
    is not finite, negative somewhere or zero throughout.
    """
    labels, probabilities = checked(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    result = {"accuracy": float(accuracy_score(labels, predicted))}
    for average in AVERAGES:
        precision, recall, f1, _ = precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)
        result |= {
            f"{average}_precision": float(precision),
            f"{average}_recall": float(recall),
            f"{average}_f1": float(f1),
        }
    result["macro_auc"] = macro_auc(labels, probabilities)
    return result


def macro_auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of the one-vs-rest areas under the ROC curve over the classes present among the labels.

    labels: (samples,) int; probabilities: (samples, classes) float. A class without a sample has no curve and is left
    out of the mean; with a single class present there is no curve at all and the result is NaN.
    ValueError as for `scores`.
    """
    labels, probabilities = checked(labels, probabilities)
    present = np.unique(labels)
    if len(present) < 2:
        return float("nan")
    return float(np.mean([roc_auc_score(labels == c, probabilities[:, c]) for c in present]))


def confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Counts of samples by true class (rows) and predicted class (columns): (classes, classes) int.

    labels: (samples,) int; probabilities: (samples, classes) float. ValueError as for `scores`.
    """
    labels, probabilities = checked(labels, probabilities)
    return confusion_matrix(labels, probabilities.argmax(axis=1), labels=np.arange(probabilities.shape[1]))


def accuracy_half_width(accuracy: float, samples: int) -> float:
    """Half the width of the 95 % interval of an accuracy, by the normal approximation to the binomial; fractions."""
    return float(1.96 * np.sqrt(accuracy * (1 - accuracy) / samples))


def checked(labels: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels, and probabilities as float64 in rows that sum to 1; ValueError, as for `scores`, where they cannot be."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if labels.ndim != 1 or probabilities.ndim != 2 or len(labels) != len(probabilities):
        raise ValueError(f"labels {labels.shape} and probabilities {probabilities.shape} do not fit each other")
    if not len(labels):
        raise ValueError("there are no samples")
    if labels.min() < 0 or labels.max() >= probabilities.shape[1]:
        raise ValueError(f"a label is outside 0 to {probabilities.shape[1] - 1}")
    if not np.isfinite(probabilities).all():
        raise ValueError("a probability is not finite")
    sums = probabilities.sum(axis=1, keepdims=True)
    if (probabilities < 0).any() or not sums.all():
        raise ValueError("a row is not a distribution over the classes")
    return labels, probabilities / sums  # float32 softmax rows miss 1 by more than some metrics allow
