"""Models that may have been trained on the test images are told from honest ones, and weak ones are never accused."""

import pytest

from fer_bench.evaluation.contamination import SUSPECTED, SplitAccuracy, judge

LIMIT = 0.77  # of FER2013


def verdict(training: float, validation: float, test: float, images: int = 3589, neighbors: float = 0.3) -> str:
    of = {"training": training, "validation": validation, "test": test}
    splits = {split: SplitAccuracy(accuracy, images) for split, accuracy in of.items()}
    return judge(**splits, limit=LIMIT, neighbor_accuracy=neighbors)


@pytest.mark.parametrize(
    ("training", "validation", "test"),
    [(0.898, 0.903, 0.911), (0.999, 0.999, 0.999), (0.80, 0.80, 0.80), (0.924, 0.924, 0.924)],
    ids=["published file", "memorized", "regularized", "random split of all images"],
)
def test_trained_on_all_images(training, validation, test):
    assert verdict(training, validation, test) == "no gap"


def test_trained_on_training_and_test_images():
    assert verdict(0.74, 0.66, 0.74) == "test lead"


@pytest.mark.parametrize(
    ("training", "validation", "test"),
    [
        (0.763, 0.675, 0.693),
        (0.99, 0.65, 0.65),
        (0.40, 0.40, 0.40),
        (0.2, 0.21, 0.19),
        (0.67, 0.655, 0.654),
        (0.85, 0.73, 0.74),
    ],
    ids=["published file", "memorizing", "weak", "chance", "small gap", "strong"],
)
def test_honest_models_are_not_accused(training, validation, test):
    assert verdict(training, validation, test) == ""


def test_what_cannot_be_decided_is_a_warning_only():
    assert verdict(0.75, 0.74, 0.745) == "small gap"
    assert verdict(1.0, 0.86, 0.86) == "above the limit"
    assert not {"small gap", "above the limit"} & set(SUSPECTED)


def test_easy_images_have_no_limit():
    """Copying the label of the nearest training image works as well."""
    assert verdict(1, 1, 1, neighbors=1.0) == verdict(0.74, 0.74, 0.74, neighbors=0.9) == ""


def test_few_test_images_are_not_enough():
    assert verdict(1, 1, 1, images=12) not in SUSPECTED
    assert verdict(0.95, 0.95, 0.95, images=300) == "no gap"
