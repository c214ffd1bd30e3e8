"""Whether predictions are plausible: signs of wrong labels, wrong scaling and weights that were not loaded.

Every function takes arrays and returns sentences for the user, or what they need. A sentence is a warning: nothing is
corrected. Whatever compares alternatives reads the validation split only.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import bdtr

from fer_bench.core.text import percent, plural
from fer_bench.evaluation.metrics import accuracy_half_width, confusion_matrix

NEARLY_ALL = 0.9  # share of the predictions in one class
MIN_EXCESS = 0.2  # of that share over the class's share of the images
MIN_IMAGES_NEVER_PREDICTED = 5  # of a class, before it is worth a word that it is never predicted
# Of real files with right settings, no other setting was better by more than 1.2 points; wrong ones lost 9 to 23.
MIN_GAIN = 0.02  # of the accuracy, beyond 1/√samples, about twice the standard error of the difference
MAX_P = 0.02  # corrected for the number of orders or scalings that were tried


@dataclass(frozen=True)
class LabelOrder:
    """Another order of the labels, with the accuracies on some images, fractions.

    Attributes:
        name: Its name; empty if it is none of the usual ones.
        labels: The labels in this order.
        accuracy: With this order.
        stated_accuracy: With the stated order.
    """

    name: str
    labels: tuple[str, ...]
    accuracy: float
    stated_accuracy: float

    @property
    def shown(self) -> str:
        """The order as text."""
        labels = ", ".join(self.labels)
        return f"the order '{self.name}' ({labels})" if self.name else f"the order {labels}"


def check_predictions(
    classes: Sequence[str], test: np.ndarray, validation: np.ndarray | None, likely_cause: str
) -> list[str]:
    """Return warnings about recorded predictions that are nearly constant, at chance, or never of a class.

    Args:
        classes: Names of the classes.
        test: Confusion matrix of the test split, (classes, classes) int.
        validation: The same of the validation split; None if there is none.
        likely_cause: A sentence on why predictions may be nearly constant.
    """
    warnings = _one_class(classes, test, likely_cause) or _at_chance(classes, test)
    return warnings + _never_predicted(classes, test if validation is None else test + validation)


def describe_order(order: LabelOrder, split: str = "validation") -> str:
    """Return a sentence on an order that fits a split better."""
    return (
        f"Another order of the labels fits the {split} images far better: with {order.shown} their accuracy is "
        f"{percent(order.accuracy)} % instead of {percent(order.stated_accuracy)} %."
    )


def find_better_order(
    classes: Sequence[str], confusion: np.ndarray, stated: Sequence[str], usual: Mapping[str, Sequence[str]]
) -> LabelOrder | None:
    """Return the order of the labels that fits far better than the stated one; None if no order does.

    A usual order is preferred to the best of all orders if it is as good within one point.

    Args:
        classes: Names of the classes.
        confusion: (classes, classes) int, of the validation split under the stated order.
        stated: The same classes in the order of the model's outputs.
        usual: Other orders by name, of the same and more classes.
    """
    if sorted(stated) != sorted(classes) or not confusion.sum():
        return None
    others = {name: labels for name, labels in orders_of(classes, usual).items() if labels != tuple(stated)}
    named = [
        order
        for name, labels in others.items()
        if (order := _compare_order(name, labels, classes, confusion, stated, len(others)))
    ]
    best = max(named, key=lambda order: order.accuracy, default=None)
    true_class, column = linear_sum_assignment(confusion, maximize=True)
    meaning = {classes[j]: classes[i] for i, j in zip(true_class, column, strict=True)}
    labels = tuple(meaning[name] for name in stated)
    of_all = _compare_order("", labels, classes, confusion, stated, math.factorial(len(classes)))
    if of_all and (best is None or of_all.accuracy > best.accuracy + 0.01):
        return of_all
    return best


def orders_of(classes: Sequence[str], usual: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return the distinct orders of exactly these classes by name, from orders that may have others as well."""
    named = {name: tuple(label for label in labels if label in classes) for name, labels in usual.items()}
    named["alphabetical"] = tuple(sorted(classes))
    exact_first = sorted(named, key=lambda name: len(usual.get(name, ())) != len(classes))
    distinct: dict[tuple[str, ...], str] = {}
    for name in exact_first:
        distinct.setdefault(named[name], name)
    return {name: labels for labels, name in distinct.items() if len(labels) == len(classes)}


def class_of_columns(classes: Sequence[str], stated: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """Return which class each column, named by the stated order, would be in another order: (classes,) int."""
    meaning = dict(zip(stated, labels, strict=True))
    return np.array([classes.index(meaning[name]) for name in classes])


def is_far_better(gained: int, lost: int, beyond_chance: float, samples: int, num_alternatives: int) -> bool:
    """Return whether an alternative is far better on the same samples: by MIN_GAIN and in McNemar's one-sided test.

    Args:
        gained: Samples that only the alternative has right.
        lost: Samples that only the stated setting has right.
        beyond_chance: By how many samples it is better beyond chance, see `num_beyond_chance`.
        samples: All samples.
        num_alternatives: How many alternatives were tried; the test is corrected for them (Bonferroni).
    """
    if min(gained - lost, beyond_chance) < MIN_GAIN * samples + samples**0.5:
        return False
    return bool(bdtr(float(lost), gained + lost, 0.5) * num_alternatives < MAX_P)


def fits_far_better(
    labels: np.ndarray, stated: np.ndarray, other: np.ndarray, num_classes: int, num_alternatives: int
) -> bool:
    """Return whether other predictions of the same samples are far better; see `is_far_better`.

    Args:
        labels: (samples,) int.
        stated: Predicted classes with the stated settings, (samples,) int.
        other: Predicted classes with other settings.
        num_classes: Number of classes.
        num_alternatives: How many alternatives were tried.
    """
    gained, lost = (int(((a == labels) & (b != labels)).sum()) for a, b in ((other, stated), (stated, other)))
    after, before = (
        num_beyond_chance(confusion_matrix(labels, predicted, num_classes), np.arange(num_classes))
        for predicted in (other, stated)
    )
    return is_far_better(gained, lost, after - before, len(labels), num_alternatives)


def num_beyond_chance(confusion: np.ndarray, rows: np.ndarray) -> float:
    """Return the correct samples beyond those of predictions with the same totals that do not depend on the image.

    A model that answers mostly one class would otherwise gain if that column were called the largest class.

    Args:
        confusion: (classes, classes) int.
        rows: The class that each column stands for.
    """
    columns = np.arange(len(rows))
    by_chance = confusion.sum(axis=1)[rows] * confusion.sum(axis=0) / max(confusion.sum(), 1)
    return float(confusion[rows, columns].sum() - by_chance.sum())


def _compare_order(
    name: str,
    labels: Sequence[str],
    classes: Sequence[str],
    confusion: np.ndarray,
    stated: Sequence[str],
    num_alternatives: int,
) -> LabelOrder | None:
    """Return the order if it is far better than the stated one."""
    rows, columns = class_of_columns(classes, stated, labels), np.arange(len(classes))
    moved = rows != columns
    gained, lost = (int(confusion[of, columns][moved].sum()) for of in (rows, columns))
    samples = int(confusion.sum())
    beyond_chance = num_beyond_chance(confusion, rows) - num_beyond_chance(confusion, columns)
    if not is_far_better(gained, lost, beyond_chance, samples, num_alternatives):
        return None
    correct = int(np.trace(confusion))
    return LabelOrder(name, tuple(labels), (correct + gained - lost) / samples, correct / samples)


def _one_class(classes: Sequence[str], confusion: np.ndarray, likely_cause: str) -> list[str]:
    predicted, images = confusion.sum(axis=0), int(confusion.sum())
    top = int(predicted.argmax())
    share, true_share = predicted[top] / images, confusion[top].sum() / images
    if share < 1 and (share < NEARLY_ALL or share - true_share < MIN_EXCESS):
        return []
    how_many = "All" if share == 1 else f"{percent(share)} % of the"
    return [f"{how_many} {plural(images, 'test image')} got one class, {classes[top]}. {likely_cause}"]


def _at_chance(classes: Sequence[str], confusion: np.ndarray) -> list[str]:
    images, per_class = int(confusion.sum()), confusion.sum(axis=1)
    accuracy, largest = np.trace(confusion) / images, int(per_class.argmax())
    chance = per_class[largest] / images
    present = per_class > 0
    mean_recall = (np.diagonal(confusion)[present] / per_class[present]).mean()
    # A model of unequal classes may be below the largest share and still far from chance.
    half_width = accuracy_half_width(accuracy, images)
    if accuracy - half_width > chance or mean_recall > 1.5 / present.sum():
        return []
    at = "below" if accuracy + half_width < 1 / present.sum() else "at"
    return [
        f"The accuracy is {at} chance: {percent(accuracy)} % of {plural(images, 'test image')}; always answering "
        f"{classes[largest]} gives {percent(chance)} %."
    ]


def _never_predicted(classes: Sequence[str], confusion: np.ndarray) -> list[str]:
    missing = [
        f"{name} ({plural(int(images), 'image')})"
        for name, images, predicted in zip(classes, confusion.sum(axis=1), confusion.sum(axis=0), strict=True)
        if not predicted and images >= MIN_IMAGES_NEVER_PREDICTED
    ]
    if not missing or len(missing) >= len(classes) - 1:  # with one predicted class, another warning says so
        return []
    return [f"Never predicted: {', '.join(missing)}."]
