"""Counts per class beside the published ones: exchanged classes are an error, other differences a note."""

import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.expected_counts import check_order, count_mismatches

OPTIONS = {"title": "Faces", "counts": {"training": (50, 30, 20), "test": (10, 6, 4)}}


def dataset(training: tuple[int, ...], test: tuple[int, ...]) -> Dataset:
    labels = np.concatenate([np.repeat(np.arange(3), counts) for counts in (training, test)])
    return Dataset(
        name="faces",
        images=np.zeros((len(labels), 1, 1), np.uint8),
        labels=labels,
        ids=np.arange(len(labels)).astype(str),
        classes=("a", "b", "c"),
        fingerprint="",
        split=np.repeat(np.array([0, 2], np.int8), [sum(training), sum(test)]),
    )


@pytest.mark.parametrize("counts", [((30, 50, 20), (6, 10, 4)), ((20, 50, 30), (4, 10, 6))])
def test_exchanged_classes_are_an_error(counts):
    with pytest.raises(UserError, match="another order"):
        check_order(dataset(*counts), OPTIONS)


@pytest.mark.parametrize(
    "counts", [((50, 30, 20), (10, 6, 4)), ((49, 30, 21), (10, 6, 4)), ((30, 50, 20), (6, 10, 5)), ((30, 50, 20), ())]
)
def test_other_counts_are_at_most_a_note(counts):
    data = dataset(counts[0], counts[1] or (0, 0, 0))
    check_order(data, OPTIONS)
    assert bool(count_mismatches(data, OPTIONS)) == (counts[0] != (50, 30, 20))


def test_a_few_moved_images_are_a_note():
    options = {"counts": {"all": (30, 29, 31)}}
    data = dataset((29, 30, 31), (0, 0, 0))
    check_order(data, {"counts": {"training": options["counts"]["all"]}})
