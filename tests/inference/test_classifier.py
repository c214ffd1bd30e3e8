"""From a model's outputs to probabilities, whatever wrote the model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.inference.classifier import BATCH_BYTES, Classifier, outputs, probabilities
from fer_bench.inference.preprocessing import Preprocessing

IMAGES = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((10, 4, 5), np.uint8)
EVERY = np.arange(len(IMAGES))


class Stub:
    """Says of each image its first pixel and twice that, and keeps the shapes of its batches."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, batch: np.ndarray) -> np.ndarray:
        self.shapes.append(batch.shape)
        first = batch.reshape(len(batch), -1)[:, :1]
        return np.hstack([first, 2 * first])


def model(shape, predict=None, given: int | None = 2, layout: str | None = None) -> Classifier:
    return Classifier(Path("net"), shape, given, layout, predict or Stub(), "stub", {})


def wanted(**changes) -> Preprocessing:
    return Preprocessing.model_validate(
        {"input_size": [4, 5], "scaling": "none", "labels": ["a", "b"], **changes},
    )


@pytest.mark.parametrize("size", [None, 1, 3, 4, 64])
def test_each_image_gets_its_own_outputs_at_every_batch_size(size):
    stub, chosen = Stub(), np.array([7, 1, 2, 9, 4])
    said = outputs(model((size, 4, 5, 1), stub), wanted(), IMAGES, chosen)
    np.testing.assert_array_equal(said, np.stack([chosen, 2 * chosen], axis=1))
    assert len({shape[0] for shape in stub.shapes}) == 1
    assert size is None or stub.shapes[0][0] == size


def test_batches_of_large_images_are_small():
    stub = Stub()
    outputs(model((None, None, None, 3), stub), wanted(input_size=1000, channels=3), IMAGES, EVERY[:3])
    assert np.prod(stub.shapes[0]) * 4 <= BATCH_BYTES


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
def test_the_layout_is_found_or_stated(shape, changes, layout, batch):
    stub = Stub()
    outputs(model(shape, stub, layout=layout), wanted(**changes), IMAGES, EVERY)
    assert stub.shapes[0][1:] == batch


@pytest.mark.parametrize(
    ("shape", "changes", "sentence"),
    [
        ((None, None, None, None), {}, "state layout: nchw or layout: nhwc"),
        ((None, 3, 3, 3), {"input_size": 3, "channels": 3}, "state layout: nchw or layout: nhwc"),
        ((None, 48, 48, 1), {}, "takes images of 48×48×1 numbers, and the preprocessing makes 4×5×1 or 1×4×5"),
        ((None, 4, 5, 3), {}, "takes images of 4×5×3 numbers"),
        ((None, 1, 4, 5), {"layout": "nhwc"}, "and the preprocessing makes 4×5×1: mend"),
        ((None, 20), {}, "takes images of 20 numbers"),
        ((None, 4, 5, 1), {"labels": ["a", "b", "c"]}, "net has 2 outputs, and labels name 3"),
    ],
)
def test_what_does_not_fit_is_told_before_anything_is_predicted(shape, changes, sentence):
    stub = Stub()
    with pytest.raises(UserError, match=sentence):
        outputs(model(shape, stub), wanted(**changes), IMAGES, EVERY)
    assert stub.shapes == []


@pytest.mark.parametrize(
    ("predict", "sentence"),
    [
        (lambda batch: np.zeros((len(batch), 3)), "has 3 outputs, and labels name 2"),
        (lambda batch: np.zeros((len(batch), 2, 1)), "no classifier's"),
        (lambda batch: np.zeros((1, 2)), "no classifier's"),
        (lambda batch: np.where(batch[:, 0, 0] == 3, np.nan, [1.0, 2.0]), "no finite numbers for 1 of 10 images"),
        (lambda batch: [][0], "cannot predict these images: list index out of range"),
    ],
)
def test_outputs_that_cannot_be_are_told(predict, sentence):
    with pytest.raises(UserError, match=sentence):
        outputs(model((None, 4, 5, 1), predict, given=None), wanted(), IMAGES, EVERY)


LOGITS = np.log(np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])) + 7
SHARES = np.array([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])


@pytest.mark.parametrize(("said", "stated"), [(LOGITS, None), (LOGITS, "logits"), (SHARES, None)], ids=str)
def test_logits_and_probabilities_are_told_apart(said, stated):
    np.testing.assert_allclose(probabilities(said, stated, [0, 1, 2], "net"), SHARES, rtol=1e-6)


def test_stated_probabilities_need_not_sum_to_one():
    np.testing.assert_allclose(probabilities(3 * SHARES, "probabilities", [0, 1, 2], "net"), SHARES, rtol=1e-6)


@pytest.mark.parametrize("said", [LOGITS, SHARES], ids=["logits", "probabilities"])
def test_only_the_kept_outputs_count_and_in_the_order_of_the_classes(said):
    kept = probabilities(said, None, [2, 0], "net")
    np.testing.assert_allclose(kept, [[5 / 7, 2 / 7], [8 / 9, 1 / 9]], rtol=1e-6)


def test_nothing_for_any_kept_class_is_no_knowledge():
    np.testing.assert_allclose(probabilities(np.array([[0.0, 0.0, 1.0]]), None, [0, 1], "net"), [[0.5, 0.5]])


@pytest.mark.parametrize(
    ("said", "stated", "sentence"),
    [
        (LOGITS - 10, "probabilities", "outputs cannot be probabilities, since some are negative"),
        (SHARES, "logits", "outputs cannot be logits, since each row of them sums to 1"),
        (SHARES / 2, None, "state outputs: logits or outputs: probabilities"),
    ],
)
def test_outputs_that_contradict_what_is_stated_are_refused(said, stated, sentence):
    with pytest.raises(UserError, match=f"net: .*{sentence}"):
        probabilities(said, stated, [0, 1, 2], "net")
