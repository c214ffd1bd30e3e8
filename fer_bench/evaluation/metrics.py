"""Classification metrics in scikit-learn's definitions, and the one table of them: METRICS.

A new metric is one function and one row of METRICS. The functions work on confusion matrices and on ranks, because a
leaderboard scores thousands of predictions; the tests compare each of them with scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np

from fer_bench.evaluation.calibration import bin_by_confidence
from fer_bench.evaluation.checks import validated_predictions

EPSILON = float(np.finfo(np.float64).eps)  # the log loss is clipped to it


@dataclass(frozen=True)
class PerClass:
    """Scores of each class: arrays (classes,).

    Attributes:
        precision: 0 for a class that is never predicted.
        recall: 0 for a class without samples.
        f1: 0 for a class that neither occurs nor is predicted.
        support: Number of samples of the class, int.
        auc: One-vs-rest area under the ROC curve; NaN if the class has no samples or all of them.
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    support: np.ndarray
    auc: np.ndarray


@dataclass(frozen=True)
class MetricResults:
    """All metrics of one set of predictions; each is computed when it is first read.

    The predicted class is the most probable one, the first of equals.

    Attributes:
        labels: (samples,) int64, from `validated_predictions`.
        probabilities: (samples, classes) float64, from `validated_predictions`.
    """

    labels: np.ndarray
    probabilities: np.ndarray

    @cached_property
    def predicted(self) -> np.ndarray:
        """Predicted class of each sample: (samples,) int64."""
        return self.probabilities.argmax(axis=1)

    @cached_property
    def correct(self) -> np.ndarray:
        """Whether each sample's class was predicted: (samples,) bool."""
        return self.predicted == self.labels

    @cached_property
    def true_probability(self) -> np.ndarray:
        """Probability of each sample's label: (samples,) float64."""
        return self.probabilities[np.arange(len(self.labels)), self.labels]

    @cached_property
    def confusion(self) -> np.ndarray:
        """Samples by true class (rows) and predicted class (columns): (classes, classes) int64."""
        return confusion_matrix(self.labels, self.predicted, self.probabilities.shape[1])

    @cached_property
    def per_class(self) -> PerClass:
        """Precision, recall, F1, support and one-vs-rest AUC of each class."""
        counts = self.confusion
        auc = _class_aucs(self.labels, self.probabilities)
        return PerClass(_precision(counts), _recall(counts), _f1(counts), counts.sum(axis=1), auc)

    @cached_property
    def scores(self) -> dict[str, float]:
        """The value of each of METRICS, by name."""
        return {name: metric(self) for name, metric in METRICS.items()}


@dataclass(frozen=True)
class Metric:
    """A row of METRICS: how a metric is computed from predictions, named, formatted and ranked.

    Attributes:
        name: The metric's name in records, CSV files and flags.
        title: The metric's name in tables.
        percent: Whether tables show the metric as a percentage.
        lower_is_better: Whether the lowest value is the best one.
        macro: Whether all classes have the same weight, however few samples they have.
        counts_correct: Whether the metric is the fraction of correct samples, so that McNemar's test applies to it.
        has_interval: Whether `fer_bench.evaluation.resampling` computes bootstrap intervals and tests of the metric.
    """

    name: str
    title: str
    percent: bool = field(default=True, kw_only=True)
    lower_is_better: bool = field(default=False, kw_only=True)
    macro: bool = field(default=False, kw_only=True)
    counts_correct: bool = field(default=False, kw_only=True)
    has_interval: ClassVar[bool] = False

    def __call__(self, results: MetricResults) -> float:
        """Return the metric of one set of predictions."""
        raise NotImplementedError


@dataclass(frozen=True)
class ConfusionMetric(Metric):
    """A metric that is a function of the confusion matrix.

    Attributes:
        function: Takes counts (…, true classes, predicted classes), which may be resampled, and returns an array (…).
    """

    function: Callable[[np.ndarray], np.ndarray]
    has_interval = True

    def __call__(self, results: MetricResults) -> float:
        return float(self.function(results.confusion.astype(np.float64)))


@dataclass(frozen=True)
class SampleMetric(Metric):
    """A metric that is the mean of one value per sample.

    Attributes:
        function: Returns the values, (samples,) float or bool.
    """

    function: Callable[[MetricResults], np.ndarray]
    has_interval = True

    def __call__(self, results: MetricResults) -> float:
        return float(self.function(results).mean())


@dataclass(frozen=True)
class PredictionMetric(Metric):
    """Any other metric of labels and probabilities; it has no bootstrap interval."""

    function: Callable[[MetricResults], float]

    def __call__(self, results: MetricResults) -> float:
        return self.function(results)


def evaluate(labels: np.ndarray, probabilities: np.ndarray) -> MetricResults:
    """Return all metrics of labels (samples,) int and probabilities (samples, classes) float.

    Raises ValueError as `validated_predictions`.
    """
    return MetricResults(*validated_predictions(labels, probabilities))


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, num_classes: int) -> np.ndarray:
    """Return counts by true class (rows) and predicted class (columns): (classes, classes) int64."""
    return np.bincount(labels * num_classes + predicted, minlength=num_classes**2).reshape(num_classes, num_classes)


def accuracy_half_width(accuracy: float, samples: int) -> float:
    """Return half the width of an accuracy's 95 % interval as a fraction; above 0 also at an accuracy of 0 or 1.

    Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 22, 1927.
    """
    z = 1.96
    spread = np.sqrt(accuracy * (1 - accuracy) / samples + z**2 / (4 * samples**2))
    return float(z * spread / (1 + z**2 / samples))


def _accuracy(counts: np.ndarray) -> np.ndarray:
    return _correct(counts).sum(axis=-1) / counts.sum(axis=(-2, -1))


def _precision(counts: np.ndarray) -> np.ndarray:
    return _ratio(_correct(counts), counts.sum(axis=-2))


def _recall(counts: np.ndarray) -> np.ndarray:
    return _ratio(_correct(counts), counts.sum(axis=-1))


def _f1(counts: np.ndarray) -> np.ndarray:
    return _ratio(2 * _correct(counts), counts.sum(axis=-1) + counts.sum(axis=-2))


def _macro(per_class: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Return the mean over the classes that occur among the labels or the predicted classes."""

    def average(counts: np.ndarray) -> np.ndarray:
        occurring = counts.sum(axis=-1) + counts.sum(axis=-2) > 0
        return per_class(counts).sum(axis=-1) / occurring.sum(axis=-1)

    return average


def _weighted(per_class: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """Return the mean over classes, weighted by their samples."""

    def average(counts: np.ndarray) -> np.ndarray:
        support = counts.sum(axis=-1)
        return (per_class(counts) * support).sum(axis=-1) / support.sum(axis=-1)

    return average


def _balanced_accuracy(counts: np.ndarray) -> np.ndarray:
    """Return the mean recall of the classes among the labels."""
    return _recall(counts).sum(axis=-1) / (counts.sum(axis=-1) > 0).sum(axis=-1)


def _kappa(counts: np.ndarray) -> np.ndarray:
    """Return Cohen's kappa, −1 to 1; NaN if labels and predictions are all of one class."""
    support, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    total = support.sum(axis=-1)
    by_chance = (support * predicted).sum(axis=-1) / total
    beyond = total - by_chance
    agreement = _correct(counts).sum(axis=-1) - by_chance
    return np.divide(agreement, beyond, out=np.full(np.shape(beyond), np.nan), where=beyond > 0)


def _mcc(counts: np.ndarray) -> np.ndarray:
    """Return Matthews' correlation coefficient, −1 to 1; 0 if labels or predictions are all of one class.

    Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient, 2004.
    """
    support, predicted = counts.sum(axis=-1), counts.sum(axis=-2)
    total = support.sum(axis=-1)
    covariance = total * _correct(counts).sum(axis=-1) - (support * predicted).sum(axis=-1)
    variances = (total**2 - (support**2).sum(axis=-1)) * (total**2 - (predicted**2).sum(axis=-1))
    return _ratio(covariance, np.sqrt(variances))


def _log_loss(results: MetricResults) -> np.ndarray:
    """Return each sample's log loss in nats; probabilities are clipped to [ε, 1 − ε], ε = 2.2e-16."""
    return -np.log(np.clip(results.true_probability, EPSILON, 1 - EPSILON))


def _in_top_two(results: MetricResults) -> np.ndarray:
    """Return whether the label is one of the two most probable classes; the last of equals comes first.

    scikit-learn's `top_k_accuracy_score` breaks ties in the same way.
    """
    labels, true = results.labels, results.true_probability
    ahead = np.zeros(len(labels), np.int64)
    for c, column in enumerate(results.probabilities.T):
        ahead += (column > true) | ((column == true) & (labels < c))
    return ahead < 2


def _macro_auc(results: MetricResults) -> float:
    """Return the mean one-vs-rest AUC of the classes among the labels; NaN if there is one class only."""
    auc = results.per_class.auc
    return float(np.mean(auc[~np.isnan(auc)])) if not np.isnan(auc).all() else float("nan")


def _weighted_auc(results: MetricResults) -> float:
    """Return the one-vs-rest AUC averaged by samples per class; NaN if there is one class only."""
    auc, support = results.per_class.auc, results.per_class.support
    known = ~np.isnan(auc)
    return float(np.average(auc[known], weights=support[known])) if known.any() else float("nan")


def _expected_calibration_error(results: MetricResults) -> float:
    return bin_by_confidence(results.probabilities.max(axis=1), results.correct).ece


def _class_aucs(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Return the one-vs-rest AUC of each class as Mann and Whitney's statistic: a tie of two samples counts half."""
    areas = np.full(probabilities.shape[1], np.nan)
    for c, (column, ordered) in enumerate(zip(probabilities.T, np.sort(probabilities.T, axis=1), strict=True)):
        positive = np.sort(column[labels == c])
        negatives = len(labels) - len(positive)
        if len(positive) and negatives:
            below, up_to = (int(np.searchsorted(ordered, positive, side=side).sum()) for side in ("left", "right"))
            # Pairs of two positive samples add the square of their number, whatever their order and ties.
            areas[c] = (below + up_to - len(positive) ** 2) / (2 * len(positive) * negatives)
    return areas


def _correct(counts: np.ndarray) -> np.ndarray:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.zeros(denominator.shape), where=denominator > 0)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        ConfusionMetric("accuracy", "accuracy", _accuracy),
        ConfusionMetric("macro_precision", "macro precision", _macro(_precision), macro=True),
        ConfusionMetric("macro_recall", "macro recall", _macro(_recall), macro=True),
        ConfusionMetric("macro_f1", "macro F1", _macro(_f1), macro=True),
        ConfusionMetric("weighted_precision", "weighted precision", _weighted(_precision)),
        ConfusionMetric("weighted_recall", "weighted recall", _weighted(_recall)),
        ConfusionMetric("weighted_f1", "weighted F1", _weighted(_f1)),
        ConfusionMetric("balanced_accuracy", "balanced accuracy", _balanced_accuracy, macro=True),
        ConfusionMetric("kappa", "kappa", _kappa, percent=False),
        ConfusionMetric("mcc", "MCC", _mcc, percent=False),
        PredictionMetric("macro_auc", "macro AUC", _macro_auc),
        PredictionMetric("weighted_auc", "weighted AUC", _weighted_auc),
        SampleMetric("top2_accuracy", "top-2 accuracy", _in_top_two, counts_correct=True),
        SampleMetric("log_loss", "log loss", _log_loss, percent=False, lower_is_better=True),
        PredictionMetric("ece", "ECE", _expected_calibration_error, lower_is_better=True),
    )
}
