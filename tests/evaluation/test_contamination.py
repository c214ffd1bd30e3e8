"""Models that may have been trained on the test images are told from honest ones, and weak ones are never accused."""

import numpy as np
import pytest

from fer_bench.core.splits import SPLITS
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


def accuracies_of_models(trained_on: np.ndarray, split: np.ndarray, seed: int) -> list[dict[str, SplitAccuracy]]:
    """Return the accuracies by split of kernel machines that were trained on some images, from memorizing to weak.

    A third of the labels are wrong, so that nobody honest can reach much more than 70 %.
    """
    rng = np.random.default_rng(seed)
    true = rng.integers(0, 7, len(split))
    points = rng.normal(0, 1, (7, 20))[true] + rng.normal(0, 1, (len(split), 20))
    labels = np.where(rng.random(len(split)) < 1 / 3, rng.integers(0, 7, len(split)), true)
    squares = (points**2).sum(axis=1)
    kernel = np.exp(-(squares[:, None] + squares - 2 * points @ points.T) / 20)[:, trained_on]
    values, vectors = np.linalg.eigh(kernel[trained_on])
    targets = vectors.T @ np.eye(7)[labels[trained_on]]
    models = []
    for penalty in (1e-3, 0.1, 1, 10, 100, 1000):
        correct = (kernel @ vectors @ (targets / (values + penalty)[:, None])).argmax(axis=1) == labels
        models.append(
            {
                name: SplitAccuracy(float(correct[split == number].mean()), int((split == number).sum()))
                for number, name in enumerate(SPLITS)
            }
        )
    return models


@pytest.mark.parametrize("seed", range(2))
def test_trained_models_from_memorizing_to_weak(seed):
    split = np.repeat([0, 1, 2], [300, 150, 150])
    verdicts = {}
    for name, trained_on in (("honest", split == 0), ("all", split >= 0), ("training and test", split != 1)):
        models = accuracies_of_models(np.flatnonzero(trained_on), split, seed)
        verdicts[name] = [(of, judge(**of, limit=LIMIT, neighbor_accuracy=0.4)) for of in models]
    assert max(of["test"].accuracy for of, _ in verdicts["honest"]) > 0.45
    assert not any(found in SUSPECTED for _, found in verdicts["honest"])
    for name in ("all", "training and test"):
        strong = [found for of, found in verdicts[name] if of["test"].accuracy > 0.9]
        weak = [found for of, found in verdicts[name] if of["test"].accuracy < 0.5]
        assert len(strong) >= 2 and set(strong) <= set(SUSPECTED)
        assert not set(weak) & {"no gap"}
