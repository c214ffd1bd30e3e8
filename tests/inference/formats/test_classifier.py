"""Outputs and probabilities of a classifier, independent of its file format."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.inference.formats.classifier import MAX_BATCH_BYTES, Classifier, predict_outputs, to_probabilities
from fer_bench.inference.preprocessing.preprocessing import Preprocessing

IMAGES = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((10, 4, 5), np.uint8)
ALL = np.arange(len(IMAGES))


class Stub:
    """Returns the first pixel of each image and twice its value, and records the shapes of the batches."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.shapes.append(batch.shape)
        first = batch.reshape(len(batch), -1)[:, :1]
        return np.hstack([first, 2 * first])


def make_model(shape, predict=None, num_outputs: int | None = 2, layout: str | None = None) -> Classifier:
    return Classifier(Path("net"), shape, num_outputs, layout, predict or Stub(), "stub", {})


def make_preprocessing(**changes) -> Preprocessing:
    return Preprocessing.model_validate({"input_size": [4, 5], "scaling": "none", "labels": ["a", "b"], **changes})


@pytest.mark.parametrize("size", [None, 1, 3, 4, 64])
def test_outputs_are_in_the_order_of_the_indices_for_every_batch_size(size):
    stub, indices = Stub(), np.array([7, 1, 2, 9, 4])
    outputs = predict_outputs(make_model((size, 4, 5, 1), stub), make_preprocessing(), IMAGES, indices)
    np.testing.assert_array_equal(outputs, np.stack([indices, 2 * indices], axis=1))
    assert len({shape[0] for shape in stub.shapes}) == 1
    assert size is None or stub.shapes[0][0] == size


def test_batches_of_large_images_are_small():
    stub = Stub()
    preprocessing = make_preprocessing(input_size=1000, channels=3)
    predict_outputs(make_model((None, None, None, 3), stub), preprocessing, IMAGES, ALL[:3])
    assert np.prod(stub.shapes[0]) * 4 <= MAX_BATCH_BYTES


@pytest.mark.parametrize(
    ("shape", "changes", "layout", "batch"),
    [
        ((None, 4, 5, 1), {}, None, (4, 5, 1)),
        ((None, 1, 4, 5), {}, None, (1, 4, 5)),
        ((None, None, None, 3), {"channels": 3}, None, (4, 5, 3)),
        ((None, 3, None, None), {"channels": 3}, None, (3, 4, 5)),
        ((None, None, None, None), {}, "nhwc", (4, 5, 1)),
        ((None, None, None, None), {"layout": "nchw"}, "nhwc", (1, 4, 5)),
        ((None, 3, 3, 3), {"input_size": 3, "channels": 3, "layout": "nchw"}, None, (3, 3, 3)),
    ],
)
def test_layout_is_derived_or_explicit(shape, changes, layout, batch):
    stub = Stub()
    predict_outputs(make_model(shape, stub, layout=layout), make_preprocessing(**changes), IMAGES, ALL)
    assert stub.shapes[0][1:] == batch


@pytest.mark.parametrize(
    ("shape", "changes", "message"),
    [
        ((None, None, None, None), {}, "Set layout"),
        ((None, 3, 3, 3), {"input_size": 3, "channels": 3}, "Set layout"),
        ((None, 48, 48, 1), {}, "48×48×1, .* 4×5×1 or 1×4×5"),
        ((None, 4, 5, 3), {}, "4×5×3"),
        ((None, 1, 4, 5), {"layout": "nhwc"}, "produces 4×5×1"),
        ((None, 20), {}, "shape 20"),
        ((None, 4, 5, 1), {"labels": ["a", "b", "c"]}, "has 2 outputs, .* 3 entries"),
    ],
)
def test_mismatch_is_reported_before_predicting(shape, changes, message):
    stub = Stub()
    with pytest.raises(UserError, match=message):
        predict_outputs(make_model(shape, stub), make_preprocessing(**changes), IMAGES, ALL)
    assert stub.shapes == []


@pytest.mark.parametrize(
    ("predict", "message"),
    [
        (lambda batch: np.zeros((len(batch), 3)), "has 3 outputs"),
        (lambda batch: np.zeros((len(batch), 1)), "a single output"),
        (lambda batch: np.zeros((len(batch), 2, 2)), "Use a classifier"),
        (lambda batch: np.zeros((1, 2)), "Use a classifier"),
        (lambda batch: np.where(batch[:, 0, 0] == 3, np.nan, [1.0, 2.0]), "not finite for 1 of 10"),
        (lambda batch: [][0], "list index out of range"),
    ],
)
def test_invalid_outputs_are_reported(predict, message):
    with pytest.raises(UserError, match=message):
        predict_outputs(make_model((None, 4, 5, 1), predict, num_outputs=None), make_preprocessing(), IMAGES, ALL)


def test_maps_of_one_pixel_are_outputs():
    def predict(batch):
        return np.stack([batch[:, 0, 0], -batch[:, 0, 0]], axis=-1)[:, :, :, None]

    outputs = predict_outputs(make_model((None, 4, 5, 1), predict), make_preprocessing(), IMAGES, ALL)
    assert outputs.shape == (10, 2) and (outputs[:, 0] == -outputs[:, 1]).all()


LOGITS = np.log(np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])) + 7
PROBABILITIES = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])


@pytest.mark.parametrize(
    ("outputs", "kind"),
    [(LOGITS, None), (LOGITS, "logits"), (PROBABILITIES, None), (3 * PROBABILITIES, "probabilities")],
    ids=str,
)
def test_logits_and_probabilities_are_distinguished_and_normalized(outputs, kind):
    np.testing.assert_allclose(to_probabilities(outputs, kind, [0, 1, 2], "net"), PROBABILITIES, rtol=1e-6)


@pytest.mark.parametrize("outputs", [LOGITS, PROBABILITIES], ids=["logits", "probabilities"])
def test_outputs_are_selected_in_the_order_of_the_classes(outputs):
    selected = to_probabilities(outputs, None, [2, 0], "net")
    np.testing.assert_allclose(selected, [[5 / 7, 2 / 7], [8 / 9, 1 / 9]], rtol=1e-6)


def test_zero_for_all_selected_classes_gives_a_uniform_distribution():
    np.testing.assert_allclose(to_probabilities(np.array([[0.0, 0.0, 1.0]]), None, [0, 1], "net"), [[0.5, 0.5]])


SIGMOID = np.array([[0.9, 0.6, 0.3], [0.1, 0.05, 0.2]])
VALENCE = np.array([[-0.3, 0.2], [0.7, 0.1]])


@pytest.mark.parametrize("kind", [None, "probabilities"])
@pytest.mark.parametrize("others", [VALENCE, abs(VALENCE), 100 * VALENCE], ids=["mixed", "positive", "large"])
def test_unlabeled_outputs_do_not_decide_on_the_kind(others, kind):
    """A softmax over three classes, the last of which is ignored as well, with two other outputs beside it."""
    outputs = np.hstack([others, PROBABILITIES])
    found = to_probabilities(outputs, kind, [2, 3], "net", unlabeled=[0, 1, 4])
    np.testing.assert_allclose(found, [[2 / 5, 3 / 5], [1 / 2, 1 / 2]], rtol=1e-6)


def test_a_softmax_may_have_many_classes_that_are_ignored():
    outputs = np.full((3, 20), 0.05)
    outputs[:, :2] = [[0.09, 0.01], [0.02, 0.08], [0.1, 0.0]]
    np.testing.assert_allclose(to_probabilities(outputs, None, [0, 1], "net", range(2, 20)), 10 * outputs[:, :2])


def test_logits_beside_unlabeled_probabilities_are_logits():
    outputs = np.hstack([PROBABILITIES, LOGITS])
    found = to_probabilities(outputs, None, [3, 4, 5], "net", unlabeled=[0, 1, 2])
    np.testing.assert_allclose(found, PROBABILITIES, rtol=1e-6)


@pytest.mark.parametrize(
    "outputs",
    [np.round(256 * PROBABILITIES + 0.4) / 256, PROBABILITIES.astype(np.float16), np.full((2, 3), 1 / 3)],
    ids=["8-bit", "half", "constant"],
)
def test_rounded_and_constant_probabilities_are_recognized(outputs):
    np.testing.assert_allclose(to_probabilities(outputs, None, [0, 1, 2], "net"), outputs, atol=0.01)


def test_log_probabilities_are_logits():
    found = to_probabilities(np.log(PROBABILITIES), None, [0, 1, 2], "net")
    np.testing.assert_allclose(found, PROBABILITIES, rtol=1e-6)


def test_sigmoid_outputs_are_divided_by_their_sum():
    found = to_probabilities(SIGMOID, "sigmoid", [0, 1, 2], "net")
    np.testing.assert_allclose(found, [[1 / 2, 1 / 3, 1 / 6], [2 / 7, 1 / 7, 4 / 7]], rtol=1e-6)


def test_constant_logits_stay_logits():
    constant = np.array([[3.0, 1.0, 2.0]] * 4)
    found = to_probabilities(constant, "logits", [0, 1, 2], "net")
    np.testing.assert_allclose(found[0], np.exp([3, 1, 2]) / np.exp([3, 1, 2]).sum(), rtol=1e-6)


@pytest.mark.parametrize(
    ("outputs", "kind", "message"),
    [
        (LOGITS - 10, "probabilities", "cannot be probabilities"),
        (PROBABILITIES, "logits", "cannot be logits"),
        (PROBABILITIES / 2, None, "ambiguous .* in 0 to 1"),
        (SIGMOID, None, "ambiguous .*outputs: sigmoid"),
        (100 * PROBABILITIES, None, "ambiguous .* sum to 100"),
        (100 * PROBABILITIES, "logits", "each row sums to 100"),
        (SIGMOID, "probabilities", "sum to more than 1. Set outputs: sigmoid"),
        (LOGITS, "probabilities", "sum to more than 1. Set outputs: logits"),
        (LOGITS, "sigmoid", "not in 0 to 1"),
    ],
)
def test_contradictory_or_ambiguous_kind_fails(outputs, kind, message):
    with pytest.raises(UserError, match=f"net: .*{message}"):
        to_probabilities(outputs, kind, [0, 1, 2], "net")
