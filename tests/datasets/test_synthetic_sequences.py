"""The synthetic sequences: reproducible, balanced, and moving from rest to an expression."""

import numpy as np
import pytest

from fer_bench.datasets.dataset import FER2013_CLASSES
from fer_bench.datasets.synthetic_sequences import FRAMES, draw_dataset


@pytest.fixture(scope="module")
def data():
    return draw_dataset(per_class=10)


def test_counts_types_and_split(data):
    assert data.images.shape == (70, FRAMES, 48, 48) and data.images.dtype == np.uint8
    assert data.classes == FER2013_CLASSES
    assert len(set(data.ids)) == 70 and data.ids[0] == "sequence-00000"
    assert np.bincount(data.split).tolist() == [49, 7, 14]


def test_the_same_seed_draws_the_same_sequences(data):
    assert np.array_equal(draw_dataset(per_class=2).images, draw_dataset(per_class=2).images)
    assert not np.array_equal(draw_dataset(per_class=2, seed=1).images, draw_dataset(per_class=2).images)


def test_faces_move_from_rest_to_the_expression(data):
    frames = data.images.astype(float)
    change = np.abs(frames - frames[:, :1]).mean(axis=(2, 3))  # from the first frame
    moving = data.labels != FER2013_CLASSES.index("neutral")
    assert (change[moving, -1] > change[~moving, -1].mean()).mean() > 0.9
    assert change[moving].mean(axis=0)[[1, 3, 6]].tolist() == sorted(change[moving].mean(axis=0)[[1, 3, 6]])
