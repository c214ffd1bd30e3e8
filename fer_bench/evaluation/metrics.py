"""Classification metrics as pure functions of labels and class probabilities, in scikit-learn's definitions.

They are computed from the confusion matrix and from ranks, since a leaderboard scores thousands of predictions;
the tests hold each of them against scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_bench.evaluation.calibration import binned
from fer_bench.evaluation.checks import checked

AVERAGES = ("macro", "weighted")
OF_CONFUSION = (
    "accuracy",
    *(f"{a}_{m}" for a in AVERAGES for m in ("precision", "recall", "f1")),
    *("balanced_accuracy", "kappa"),
)
OF_PROBABILITIES = ("macro_auc", "weighted_auc", "top2_accuracy", "log_loss", "ece")
METRICS = OF_CONFUSION + OF_PROBABILITIES
LOWER_IS_BETTER = frozenset({"log_loss", "ece"})


@dataclass(frozen=True)
class PerClass:
    """One model class by class: arrays (classes,). A class without samples has support 0 and AUC NaN."""

    precision: np.ndarray  # 0 for a class never predicted
    recall: np.ndarray  # 0 for a class without samples
    f1: np.ndarray
    support: np.ndarray  # samples of the class, int
    auc: np.ndarray  # one-vs-rest; NaN where a class has no samples, or all


@dataclass(frozen=True)
class Measured:
    """All that the metrics say of one set of predictions: METRICS by name, classes, confusion counts."""

    scores: dict[str, float]
    of_class: PerClass
    confusion: np.ndarray  # (true classes, predicted classes) int
    right: np.ndarray  # (samples,) bool


def scores(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """All of METRICS, by name; fractions, but for kappa (−1 to 1) and the log loss (nats).

    labels: (samples,) int; probabilities: (samples, classes) float. The predicted class is the most probable one, the
    first of equals. Macro averages run over the classes that occur among the labels or the predicted classes; a class
    never predicted has precision 0. Balanced accuracy is the mean recall of the classes among the labels; Cohen's kappa
    is NaN where labels and predictions are all of one class. AUC: one-vs-rest, over the classes among the labels, NaN
    where that is one alone; weighted by their samples. top2_accuracy takes the last of equally probable classes first,
    as scikit-learn does. The log loss clips probabilities to [ε, 1 − ε], ε = 2.2e-16. ece: see `reliability`.
    ValueError as for `checked`.
    """
    return measure(*checked(labels, probabilities)).scores


def per_class(labels: np.ndarray, probabilities: np.ndarray) -> PerClass:
    """Precision, recall, F1, support and one-vs-rest AUC of each class.

    labels: (samples,) int; probabilities: (samples, classes) float. ValueError as for `checked`.
    """
    return measure(*checked(labels, probabilities)).of_class


def measure(labels: np.ndarray, probabilities: np.ndarray) -> Measured:
    """Scores, classes and confusion of labels and probabilities that `checked` has returned, in one go."""
    every, predicted = np.arange(len(labels)), probabilities.argmax(axis=1)
    counts = np.bincount(labels * probabilities.shape[1] + predicted, minlength=probabilities.shape[1] ** 2)
    counts = counts.reshape(-1, probabilities.shape[1])
    of_class = _of_class(counts, _aucs(labels, probabilities))
    true, epsilon, right = probabilities[every, labels], np.finfo(np.float64).eps, predicted == labels
    found = {name: float(value) for name, value in confusion_scores(counts).items()} | {
        "macro_auc": _mean_auc(of_class.auc),
        "weighted_auc": _mean_auc(of_class.auc, of_class.support),
        "top2_accuracy": float((_ahead(labels, probabilities, true) < 2).mean()),
        "log_loss": float(-np.log(np.clip(true, epsilon, 1 - epsilon)).mean()),
        "ece": binned(probabilities[every, predicted], right).ece,
    }
    return Measured(found, of_class, counts, right)


def confusion_scores(counts: np.ndarray) -> dict[str, np.ndarray]:
    """All of OF_CONFUSION, as in `scores`, from confusion counts (…, true classes, predicted classes): arrays (…).

    Counts may be weighted or resampled; no matrix may be zero throughout.
    """
    counts = np.asarray(counts, dtype=np.float64)
    hits, true, predicted = np.diagonal(counts, axis1=-2, axis2=-1), counts.sum(axis=-1), counts.sum(axis=-2)
    total = true.sum(axis=-1)
    occurring = (true + predicted > 0).sum(axis=-1)
    of_class = {
        "precision": _ratio(hits, predicted),
        "recall": _ratio(hits, true),
        "f1": _ratio(2 * hits, true + predicted),
    }
    result = {"accuracy": hits.sum(axis=-1) / total}
    for name, values in of_class.items():
        result[f"macro_{name}"] = values.sum(axis=-1) / occurring
    for name, values in of_class.items():
        result[f"weighted_{name}"] = (values * true).sum(axis=-1) / total
    result["balanced_accuracy"] = of_class["recall"].sum(axis=-1) / (true > 0).sum(axis=-1)
    by_chance = (true * predicted).sum(axis=-1) / total
    beyond = total - by_chance
    result["kappa"] = np.divide(
        hits.sum(axis=-1) - by_chance, beyond, out=np.full(np.shape(beyond), np.nan), where=beyond > 0
    )
    return result


def macro_auc(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Mean of the one-vs-rest areas under the ROC curve over the classes present among the labels.

    labels: (samples,) int; probabilities: (samples, classes) float. A class without a sample has no curve and is left
    out of the mean; with a single class present there is no curve at all and the result is NaN.
    ValueError as for `checked`.
    """
    return _mean_auc(_aucs(*checked(labels, probabilities)))


def confusion(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Counts of samples by true class (rows) and predicted class (columns): (classes, classes) int.

    labels: (samples,) int; probabilities: (samples, classes) float. ValueError as for `checked`.
    """
    return measure(*checked(labels, probabilities)).confusion


def accuracy_half_width(accuracy: float, samples: int) -> float:
    """Half the width of the 95 % interval of an accuracy, by the normal approximation to the binomial; fractions."""
    return float(1.96 * np.sqrt(accuracy * (1 - accuracy) / samples))


def _of_class(counts: np.ndarray, auc: np.ndarray) -> PerClass:
    hits, true, predicted = np.diagonal(counts), counts.sum(axis=1), counts.sum(axis=0)
    return PerClass(_ratio(hits, predicted), _ratio(hits, true), _ratio(2 * hits, true + predicted), true, auc)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros(below.shape), where=below > 0)


def _ahead(labels: np.ndarray, probabilities: np.ndarray, true: np.ndarray) -> np.ndarray:
    """How many classes stand before the true one: the more probable, and of the equally probable those after it."""
    ahead = np.zeros(len(labels), np.int64)
    for c, column in enumerate(probabilities.T):
        ahead += (column > true) | ((column == true) & (labels < c))
    return ahead


def _aucs(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """One-vs-rest area of each class as Mann and Whitney's statistic: a tie of two samples counts half."""
    areas = np.full(probabilities.shape[1], np.nan)
    for c, (column, ordered) in enumerate(zip(probabilities.T, np.sort(probabilities.T, axis=1), strict=True)):
        positive = np.sort(column[labels == c])
        negatives = len(labels) - len(positive)
        if len(positive) and negatives:
            below, upto = (int(np.searchsorted(ordered, positive, side=side).sum()) for side in ("left", "right"))
            # Among themselves the positive ones count the square of their number, whatever their order and ties.
            areas[c] = (below + upto - len(positive) ** 2) / (2 * len(positive) * negatives)
    return areas


def _mean_auc(areas: np.ndarray, weights: np.ndarray | None = None) -> float:
    known = ~np.isnan(areas)
    if not known.any():
        return float("nan")
    return float(np.average(areas[known], weights=None if weights is None else weights[known]))
