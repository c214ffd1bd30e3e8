"""Warnings about predictions: what wrong settings cause is noticed, and honest weak models are left in peace."""

import numpy as np
import pytest

from fer_bench.datasets.emotions import LABEL_ORDERS
from fer_bench.evaluation.metrics import confusion_matrix
from fer_bench.evaluation.plausibility import check_predictions, find_better_order, fits_far_better

CLASSES = LABEL_ORDERS["fer2013"]
SHARES = np.array([0.137, 0.015, 0.147, 0.245, 0.165, 0.116, 0.175])  # as in FER2013


def predictions(accuracy: float, images: int = 1000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and predicted classes; wrong ones are drawn by the shares of the classes."""
    rng = np.random.default_rng(seed)
    labels, wrong = (rng.choice(len(CLASSES), images, p=SHARES) for _ in range(2))
    return labels, np.where(rng.random(images) < accuracy, labels, wrong)


def named_wrongly(predicted: np.ndarray, true_order: tuple[str, ...], stated: tuple[str, ...] = CLASSES) -> np.ndarray:
    """Return the classes that are recorded if outputs in one order are described as if they were in another."""
    outputs = np.array([true_order.index(name) for name in CLASSES])[predicted]
    return np.array([CLASSES.index(name) for name in stated])[outputs]


def warnings_of(labels, predicted) -> str:
    confusion = confusion_matrix(labels, predicted, len(CLASSES))
    return " ".join(check_predictions(CLASSES, confusion, confusion, "Why?"))


def better_order(labels, predicted, stated=CLASSES):
    confusion = confusion_matrix(labels, predicted, len(CLASSES))
    return find_better_order(CLASSES, confusion, stated, LABEL_ORDERS)


@pytest.mark.parametrize("share", [1, 0.95])
def test_predictions_in_one_class_are_noticed(share):
    labels, predicted = predictions(0.6)
    constant = np.where(np.arange(1000) < share * 1000, 2, predicted)
    assert "got one class, fear. Why?" in warnings_of(labels, constant)
    assert "chance" not in warnings_of(labels, constant)


def test_a_model_that_answers_mostly_the_frequent_class_of_two_is_not_constant():
    confusion = np.array([[90, 2], [3, 5]])
    assert check_predictions(["rest", "smile"], confusion, None, "Why?") == []


def test_accuracy_at_chance_is_noticed():
    labels, _ = predictions(0.5)
    guesses = np.random.default_rng(5).permutation(labels)
    assert "at chance" in warnings_of(labels, guesses)
    assert "at chance" not in warnings_of(*predictions(0.3))


def test_two_swapped_classes_are_below_chance_and_found():
    confusion = np.array([[10, 90], [80, 20]])
    (sentence,) = check_predictions(["happy", "sad"], confusion, confusion, "Why?")
    assert "below chance: 15.00 %" in sentence
    found = find_better_order(["happy", "sad"], confusion, ["happy", "sad"], LABEL_ORDERS)
    assert found and found.labels == ("sad", "happy")


def test_below_the_largest_share_but_with_recall_of_every_class_is_not_chance():
    confusion = np.array([[600, 200, 200], [10, 40, 0], [10, 0, 40]])  # 62 %; the largest class has 91 %
    assert check_predictions(["a", "b", "c"], confusion, None, "Why?") == []


def test_classes_that_are_never_predicted_are_named():
    labels, predicted = predictions(0.6)
    assert "Never predicted" not in warnings_of(labels, predicted)
    two_only = np.where(np.isin(predicted, [3, 4]), predicted, 3)
    assert warnings_of(labels, two_only).count("image") >= 5 and "disgust (" in warnings_of(labels, two_only)


@pytest.mark.parametrize("name", ["alphabetical", "ferplus", "rafdb", "affectnet7"])
def test_a_usual_order_that_fits_far_better_is_named(name):
    labels, predicted = predictions(0.5)
    order = tuple(label for label in LABEL_ORDERS[name] if label in CLASSES)
    found = better_order(labels, named_wrongly(predicted, order))
    assert found and found.labels == order and found.accuracy == (labels == predicted).mean()
    assert found.name == name


def test_two_swapped_labels_are_found_although_no_usual_order_has_them():
    labels, predicted = predictions(0.5)
    swapped = ("happy", "disgust", "fear", "angry", "sad", "surprise", "neutral")
    found = better_order(labels, named_wrongly(predicted, swapped))
    assert found and (found.name, found.labels) == ("", swapped)


def test_the_stated_order_counts_and_not_that_of_the_classes():
    labels, predicted = predictions(0.5)
    stated = LABEL_ORDERS["alphabetical"]
    found = better_order(labels, named_wrongly(predicted, CLASSES, stated), stated)
    assert found and found.name == "fer2013" and found.labels == CLASSES
    assert better_order(labels, predicted, stated) is None


def test_a_few_images_are_enough_if_they_agree():
    labels = np.repeat(np.arange(7), 3)
    found = better_order(labels, named_wrongly(labels, LABEL_ORDERS["alphabetical"]))
    assert found and found.name == "alphabetical" and found.accuracy == 1


def test_order_of_some_classes():
    labels = np.repeat(np.arange(3), 20)
    classes, columns = ["angry", "neutral", "sad"], np.array([0, 2, 1])
    found = find_better_order(classes, confusion_matrix(labels, columns[labels], 3), classes, LABEL_ORDERS)
    assert found and found.name == "fer2013" and found.labels == ("angry", "sad", "neutral")


@pytest.mark.parametrize("images", [50, 400, 3500])
def test_weak_and_collapsed_honest_models_raise_no_alarm(images):
    """No alarm in 600 models, of which most are far below 50 % and prefer some classes."""
    rng = np.random.default_rng(3)
    for _ in range(200):
        labels = rng.choice(7, images, p=SHARES)
        scores = rng.uniform(0, 2) * np.eye(7)[labels] + rng.normal(0, 1, (images, 7)) + rng.normal(0, 1.2, 7)
        assert better_order(labels, scores.argmax(axis=1)) is None


def test_other_predictions_fit_far_better_only_by_more_than_chance_explains():
    labels, predicted = predictions(0.6)
    better = np.where(np.arange(1000) < 100, labels, predicted)
    assert fits_far_better(labels, predicted, better, 7, 5) is False
    assert fits_far_better(labels, predicted, np.where(np.arange(1000) < 400, labels, predicted), 7, 5)
    fear, happy = np.full(1000, 2), np.full(1000, 3)
    assert not fits_far_better(labels, fear, happy, 7, 5)  # constant, but more frequent
