"""Checks that need the model itself: do other settings fit far better, and how accurate is it on training images?

Settings are compared on the validation split, or on the training split if there is none. Nothing is corrected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import percent
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import EMOTIONS, LABEL_ORDERS, canonical_label
from fer_bench.datasets.images import import_opencv
from fer_bench.evaluation.metrics import confusion_matrix
from fer_bench.evaluation.plausibility import LabelOrder, describe_order, find_better_order, fits_far_better
from fer_bench.inference.preprocessing.preprocessing import Preprocessing
from fer_bench.inference.preprocessing.scaling import PER_IMAGE
from fer_bench.protocols.fold import Fold
from fer_bench.records.schema import TrainingCheck

Predict = Callable[[Preprocessing, np.ndarray], np.ndarray]  # settings and indices of images → (images, outputs)
Labels = tuple[str | None, ...]  # one per output

SCALINGS = ("none", "0..1", "-1..1", PER_IMAGE)
COLOR_SCALINGS = ("torch", "caffe")  # of models with three channels
NUM_SCREENED = 300  # images on which each scaling is tried; one that is better there is tried on more
NUM_COMPARED = 1500
NUM_TRAINING = 3000  # images of the training split
NUM_NEIGHBORS = 1000  # test images whose nearest training image is searched
THUMBNAIL = 16  # pixels per side in that search


@dataclass(frozen=True)
class _Setting:
    """A scaling and an order of the labels, with the predicted class of some images."""

    scaling: object
    labels: Labels
    predicted: np.ndarray
    accuracy: float


@dataclass(frozen=True)
class _Comparison:
    """Settings of a model on some images.

    Attributes:
        predict: Returns the model's outputs for some images.
        preprocessing: The stated settings.
        sample: Indices of the images, (images,) int.
        truth: Their labels, (images,) int.
        classes: Names of the classes.
        orders: Orders of the labels, the stated one first.
    """

    predict: Predict
    preprocessing: Preprocessing
    sample: np.ndarray
    truth: np.ndarray
    classes: list[str]
    orders: list[Labels]

    def settings(self, preprocessing: Preprocessing, part: np.ndarray | slice = slice(None)) -> list[_Setting]:
        """Return the settings with one scaling and each of the orders, on a part of the images."""
        outputs, truth = self.predict(preprocessing, self.sample[part]), self.truth[part]
        predictions = [outputs[:, _columns(labels, self.classes)].argmax(axis=1) for labels in self.orders]
        return [
            _Setting(preprocessing.scaling, labels, predicted, float((predicted == truth).mean()))
            for labels, predicted in zip(self.orders, predictions, strict=True)
        ]

    def better_order(self, stated: _Setting, others: Sequence[_Setting]) -> LabelOrder | None:
        """Return the order that fits far better than the stated one: a usual one, or else the best of all."""
        better = [other for other in others if self._fits_far_better(stated, other, len(others))]
        best = max(better, key=_accuracy, default=None)
        known = [label for label in stated.labels if label is not None and label in self.classes]
        confusion = confusion_matrix(self.truth, stated.predicted, len(self.classes))
        of_all = find_better_order(self.classes, confusion, known, {})
        if of_all and (best is None or of_all.accuracy > best.accuracy + 0.01):
            labels_of_classes = iter(of_all.labels)
            all_labels = (next(labels_of_classes) if label in known else label or "null" for label in stated.labels)
            return replace(of_all, labels=tuple(all_labels))
        if best is None:
            return None
        labels = tuple(label or "null" for label in best.labels)
        return LabelOrder(_order_name(best.labels), labels, best.accuracy, stated.accuracy)

    def best_scaling(self, best_order: _Setting) -> _Setting | None:
        """Return the best setting with another scaling; None if it is not far better than the best stated order."""
        scalings = SCALINGS + (COLOR_SCALINGS if self.preprocessing.channels == 3 else ())
        tried = [self._try_scaling(name, best_order) for name in scalings if name != self.preprocessing.scaling]
        best = max(filter(None, tried), key=_accuracy, default=None)
        num_tried = len(scalings) * len(self.orders)
        return best if best and self._fits_far_better(best_order, best, num_tried) else None

    def _try_scaling(self, scaling: str, best_order: _Setting) -> _Setting | None:
        """Return the best setting with a scaling; None if it is not better on the images that are tried first."""
        other = self.preprocessing.model_copy(update={"scaling": scaling})
        number = len(self.sample)
        first = np.linspace(0, number - 1, min(NUM_SCREENED, number)).round().astype(int)
        try:
            screened = max(map(_accuracy, self.settings(other, first)))
            if screened <= (best_order.predicted[first] == self.truth[first]).mean():
                return None
            return max(self.settings(other), key=_accuracy)
        except UserError:  # this scaling gives outputs that are not finite
            return None

    def _fits_far_better(self, stated: _Setting, other: _Setting, num_alternatives: int) -> bool:
        return fits_far_better(self.truth, stated.predicted, other.predicted, len(self.classes), num_alternatives)


def _order_name(labels: Labels) -> str:
    """Return the name of a usual order that has these expressions in this order; empty if there is none."""
    expressions = [label for label in labels if label in EMOTIONS]
    same = [name for name, order in LABEL_ORDERS.items() if [x for x in order if x in expressions] == expressions]
    return min(same, key=lambda name: len(LABEL_ORDERS[name]) != len(labels), default="")


def _accuracy(setting: _Setting) -> float:
    return setting.accuracy


def check_training(predict: Predict, preprocessing: Preprocessing, data: Dataset, fold: Fold) -> TrainingCheck | None:
    """Score a model on a sample of the training split; None if the fold has none.

    Args:
        predict: Returns the model's outputs for some images.
        preprocessing: The stated settings.
        data: The dataset.
        fold: The fold; of several folds, the first one.
    """
    training, test = _sample(data, fold.training, NUM_TRAINING), _sample(data, fold.test, NUM_NEIGHBORS)
    if not len(training) or not len(test):
        return None
    columns = _columns(preprocessing.labels, _classes(data))
    predicted = predict(preprocessing, training)[:, columns].argmax(axis=1)
    return TrainingCheck(
        images=len(training),
        accuracy=float((predicted == data.labels[training]).mean()),
        neighbor_accuracy=_neighbor_accuracy(data, training, test),
    )


def compare_settings(predict: Predict, preprocessing: Preprocessing, data: Dataset, fold: Fold) -> list[str]:
    """Return sentences on label orders and scalings that fit far better than the stated ones.

    Arguments as for `check_training`.
    """
    split = "validation" if len(fold.validation) else "training"
    sample = _sample(data, getattr(fold, split), NUM_COMPARED)
    if not len(sample):
        return []
    classes = _classes(data)
    orders = list(_orders(preprocessing.labels, classes))
    comparison = _Comparison(predict, preprocessing, sample, data.labels[sample], classes, orders)
    stated, *others = comparison.settings(preprocessing)
    best = comparison.best_scaling(max([stated, *others], key=_accuracy))
    if best is None:
        order = comparison.better_order(stated, others)
        return [f"{describe_order(order, split)} Check labels in the preprocessing file."] if order else []
    # The orders are compared again: a wrong scaling may shift all classes, so that a wrong order fits.
    order = comparison.better_order(best, [])
    labels, accuracy = (order.labels, order.accuracy) if order else (best.labels, best.accuracy)
    and_labels = f" and the labels [{', '.join(label or 'null' for label in labels)}]"
    return [
        f"Another scaling fits the {split} images far better: with scaling {best.scaling}"
        f"{and_labels if labels != stated.labels else ''} the accuracy on {len(sample):,} of them is "
        f"{percent(accuracy)} % instead of {percent(stated.accuracy)} %. Check the preprocessing file."
    ]


def _classes(data: Dataset) -> list[str]:
    return [canonical_label(name) for name in data.classes]


def _columns(labels: Sequence[str | None], classes: Sequence[str]) -> list[int]:
    return [list(labels).index(name) for name in classes]


def _orders(stated: Sequence[str | None], classes: Sequence[str]) -> Iterator[Labels]:
    """Yield the stated labels, then the usual orders of all outputs and of the labeled outputs, each once."""
    movable = [label for label in stated if label in EMOTIONS or label in classes]
    found = {tuple(stated): None}
    for order in (*LABEL_ORDERS.values(), tuple(sorted(filter(None, movable)))):
        remaining = [label for label in order if label in movable]
        if len(order) == len(stated):
            found[order] = None
        if len(remaining) == len(movable):
            labels = iter(remaining)
            found[tuple(next(labels) if label in movable else label for label in stated)] = None
    yield from (labels for labels in found if set(classes) <= set(labels))


def _sample(data: Dataset, indices: np.ndarray, number: int) -> np.ndarray:
    """Return at most `number` of the indices, the classes in proportion; the same in every call."""
    if len(indices) <= number:
        return indices
    shuffled = np.random.default_rng(0).permutation(indices)
    by_class = shuffled[np.argsort(data.labels[shuffled], kind="stable")]
    return np.sort(by_class[np.linspace(0, len(by_class) - 1, number).round().astype(int)])


def _neighbor_accuracy(data: Dataset, training: np.ndarray, test: np.ndarray) -> float:
    """Return the accuracy on test images of the label of the nearest training image, by the pixels of thumbnails."""
    known, asked = (_thumbnails(data.images[indices]) for indices in (training, test))
    distances = (known**2).sum(axis=1) - 2 * asked @ known.T  # squared, without a term that is the same for all
    predicted = data.labels[training[distances.argmin(axis=1)]]
    return float((predicted == data.labels[test]).mean())


def _thumbnails(images: np.ndarray) -> np.ndarray:
    """Return (images, pixels) float32 in 0 to 1."""
    cv2 = import_opencv()
    size = (THUMBNAIL, THUMBNAIL)
    small = [cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA) for image in images]
    return np.stack(small).reshape(len(images), -1).astype(np.float32) / 255
