"""Pixel-identical images."""

import numpy as np

from fer_bench.protocols.duplicates import group_identical, not_duplicated


def test_equal_images_have_equal_numbers():
    images = np.zeros((6, 3, 3), np.uint8)
    images[[1, 4]] = 7
    images[2, 0, 0] = 1
    images[5] = images[2]
    assert group_identical(images).tolist() == [0, 1, 2, 0, 1, 2]
    assert group_identical(images).dtype == np.int64
    assert group_identical(images[:0]).tolist() == []


def test_views_and_sequences_are_compared_by_their_pixels():
    sequences = np.random.default_rng(0).integers(0, 256, (4, 2, 3, 3), dtype=np.uint8)
    sequences[3] = sequences[0]
    sequences[2, 0] = sequences[1, 0]  # only one frame
    assert group_identical(sequences).tolist() == [0, 1, 2, 0]
    assert group_identical(sequences[:, :, :, ::-1]).tolist() == [0, 1, 2, 0]


def test_not_duplicated():
    groups = np.array([0, 1, 2, 0, 1, 3])
    assert not_duplicated(groups, np.array([3, 4, 5]), np.array([0, 2])).tolist() == [False, True, True]
