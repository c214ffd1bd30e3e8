"""Checks of an external model that predict with it: other label orders, other scalings, training images."""

from dataclasses import replace

import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.emotions import LABEL_ORDERS
from fer_bench.inference.external.model_checks import check_training, compare_settings
from fer_bench.inference.preprocessing.preprocessing import Preprocessing
from fer_bench.protocols.fold import Fold

NUM_IMAGES = 600
CENTERS = 20 + 30 * np.arange(7)  # gray of each class
RIGHT = Preprocessing(input_size=8, scaling="0..1", labels=list(FER2013_CLASSES))


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Noise around a gray level that tells the class; a third of the labels are wrong."""
    rng = np.random.default_rng(0)
    true = np.arange(NUM_IMAGES) % 7
    images = np.clip(CENTERS[true][:, None, None] + rng.normal(0, 5, (NUM_IMAGES, 8, 8)), 0, 255).astype(np.uint8)
    labels = np.where(rng.random(NUM_IMAGES) < 0.33, rng.integers(0, 7, NUM_IMAGES), true)
    return Dataset("fer2013", images, labels, np.arange(NUM_IMAGES).astype(str), FER2013_CLASSES, "f")


FOLD = Fold(*np.split(np.arange(NUM_IMAGES), [200, 400]))


def model(data, scaling="0..1", order=FER2013_CLASSES):
    """Return `predict` of a model that was trained with a scaling and an order of the outputs."""
    trained = RIGHT.model_copy(update={"scaling": scaling})
    flat = np.repeat(CENTERS, 64).reshape(7, 8, 8).astype(np.uint8)
    centers = trained(flat).mean(axis=(1, 2, 3))
    outputs = [FER2013_CLASSES.index(label) if label in FER2013_CLASSES else None for label in order]

    def predict(preprocessing, indices):
        means = preprocessing(data.images[indices]).mean(axis=(1, 2, 3))
        distances = -((means[:, None] - centers) ** 2)
        return np.stack([distances[:, i] if i is not None else np.full(len(means), -1e9) for i in outputs], axis=1)

    return predict


def test_right_settings_raise_no_warning(data):
    assert compare_settings(model(data), RIGHT, data, FOLD) == []


@pytest.mark.parametrize("scaling", ["-1..1", "none"])
def test_another_scaling_is_named_with_both_accuracies(data, scaling):
    (sentence,) = compare_settings(model(data, scaling), RIGHT, data, FOLD)
    assert f"with scaling {scaling} the accuracy on 200 of them is 7" in sentence


def test_another_order_is_named(data):
    (sentence,) = compare_settings(model(data, order=LABEL_ORDERS["alphabetical"]), RIGHT, data, FOLD)
    assert "'alphabetical' (angry, disgust, fear, happy, neutral, sad, surprise)" in sentence


def test_the_order_of_ferplus_without_contempt_has_its_name(data):
    (sentence,) = compare_settings(model(data, order=LABEL_ORDERS["ferplus"][:-1]), RIGHT, data, FOLD)
    assert "'ferplus' (neutral, happy" in sentence and "contempt" not in sentence


def test_order_and_scaling_together(data):
    for order in (LABEL_ORDERS["rafdb"], ("happy", *FER2013_CLASSES[1:3], "angry", *FER2013_CLASSES[4:])):
        (sentence,) = compare_settings(model(data, "-1..1", order), RIGHT, data, FOLD)
        assert f"scaling -1..1 and the labels [{', '.join(order)}]" in sentence


def test_ignored_outputs_may_be_classes_in_another_order(data):
    stated = RIGHT.model_copy(update={"labels": list(LABEL_ORDERS["alphabetical8"])})
    (sentence,) = compare_settings(model(data, order=LABEL_ORDERS["ferplus"]), stated, data, FOLD)
    assert "'ferplus' (neutral, happy" in sentence
    for unnamed in (("unknown", "nf"), (None, None)):
        order = (*LABEL_ORDERS["ferplus"], *unnamed)
        stated = RIGHT.model_copy(update={"labels": [*LABEL_ORDERS["alphabetical8"], *unnamed]})
        (sentence,) = compare_settings(model(data, order=order), stated, data, FOLD)
        assert f"'ferplus' ({', '.join(label or 'null' for label in order)})" in sentence


def test_swapped_labels_beside_an_ignored_output(data):
    order = (None, "happy", *FER2013_CLASSES[1:3], "angry", *FER2013_CLASSES[4:])
    stated = RIGHT.model_copy(update={"labels": [None, *FER2013_CLASSES]})
    (sentence,) = compare_settings(model(data, order=order), stated, data, FOLD)
    assert "the order null, happy, disgust, fear, angry, sad" in sentence


def test_without_validation_the_training_split_decides(data):
    fold = replace(FOLD, validation=np.zeros(0, np.int64))
    (sentence,) = compare_settings(model(data, "-1..1"), RIGHT, data, fold)
    assert "fits the training images" in sentence


def test_test_images_choose_nothing(data):
    asked = []

    def predict(preprocessing, indices):
        asked.extend(indices)
        return model(data, "-1..1")(preprocessing, indices)

    compare_settings(predict, RIGHT, data, FOLD)
    assert asked and not set(asked) & set(FOLD.test)


def test_a_scaling_that_the_model_cannot_take_is_passed_over(data):
    def predict(preprocessing, indices):
        if preprocessing.scaling == "none":
            raise UserError("outputs that are not finite")
        return model(data)(preprocessing, indices)

    assert compare_settings(predict, RIGHT, data, FOLD) == []


def test_training_accuracy_and_that_of_the_nearest_training_image(data):
    check = check_training(model(data), RIGHT, data, FOLD)
    assert check.images == 200 and check.accuracy == pytest.approx(0.7, abs=0.06)
    assert check.neighbor_accuracy == pytest.approx(0.7**2, abs=0.1)
    twins = replace(
        data, images=data.images[np.arange(NUM_IMAGES) % 200], labels=data.labels[np.arange(NUM_IMAGES) % 200]
    )
    assert check_training(model(twins), RIGHT, twins, FOLD).neighbor_accuracy == 1
    assert check_training(model(data), RIGHT, data, replace(FOLD, training=np.zeros(0, np.int64))) is None


def test_scalings_of_color_models_are_tried_with_three_channels(data):
    tried = []

    def predict(preprocessing, indices):
        tried.append(preprocessing.scaling)
        return model(data)(RIGHT, indices)

    compare_settings(predict, RIGHT.model_copy(update={"channels": 3}), data, FOLD)
    assert {"torch", "caffe", "per_image"} <= set(tried)
