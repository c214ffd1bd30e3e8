"""A subset of an array reads like a copy."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fer_bench.datasets import subset
from fer_bench.datasets.subset import Subset

INDICES = np.array([7, 2, 2, 9, 0])


@pytest.fixture
def array(tmp_path):
    """A read-only memory map, as a dataset's images are."""
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (10, 4, 3), np.uint8))
    return np.load(tmp_path / "images.npy", mmap_mode="r")


@pytest.mark.parametrize(
    "key",
    [3, -1, slice(1, 4), slice(4, 90), slice(None, None, -2), np.array([4, 0, 4]), np.array([], int), INDICES > 1, [1]],
    ids=repr,
)
def test_indexing_equals_that_of_a_copy(array, key):
    expected = np.array(array)[INDICES][key]
    result = Subset(array, INDICES)[key]
    np.testing.assert_array_equal(result, expected)
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)


def test_conversion_to_an_array_copies(array):
    selected, expected = Subset(array, INDICES), np.array(array)[INDICES]
    assert (len(selected), selected.shape, selected.ndim, selected.dtype) == (5, (5, 4, 3), 3, np.uint8)
    np.testing.assert_array_equal(np.asarray(selected), expected)
    np.testing.assert_array_equal(list(selected), expected)
    assert np.asarray(selected, np.float32).dtype == np.float32
    np.asarray(selected)[:] = 0  # a copy may be written to
    np.testing.assert_array_equal(np.asarray(selected), expected)
    with pytest.raises(ValueError, match="copy"):
        np.asarray(selected, copy=False)


@pytest.mark.parametrize("key", [(0, 1), (..., None), None, 5, -6, np.array([5])], ids=repr)
def test_index_of_a_second_axis_or_out_of_range(array, key):
    with pytest.raises(IndexError):
        Subset(array, INDICES)[key]


def test_only_indexed_samples_are_copied():
    array, indices = np.zeros((2000, 48, 48), np.uint8), np.arange(1, 2000)
    tracemalloc.start()
    try:
        Subset(array, indices)[:64], Subset(array, indices)[np.arange(64)]
        assert tracemalloc.get_traced_memory()[1] < 3 * 64 * 48 * 48
    finally:
        tracemalloc.stop()


STATUS = Path("/proc/self/status")


def mapped_bytes() -> int:
    return int(re.search(r"RssFile:\s+(\d+) kB", STATUS.read_text())[1]) * 1024


@pytest.mark.skipif(not STATUS.exists(), reason="the system does not say how much is mapped")
@pytest.mark.parametrize("large", [True, False])
def test_pages_of_large_memory_maps_are_released(tmp_path, monkeypatch, large):
    np.save(tmp_path / "images.npy", np.ones((2**12, 64, 64), np.uint8))
    array = np.load(tmp_path / "images.npy", mmap_mode="r")
    monkeypatch.setattr(subset, "MAX_MAPPED_BYTES", array.nbytes - 1 if large else array.nbytes)
    before = mapped_bytes()
    selected = Subset(array, np.arange(len(array)))
    for start in range(0, len(selected), 256):
        assert selected[start : start + 256].all()
    grown = mapped_bytes() - before
    assert grown < array.nbytes / 4 if large else grown > array.nbytes / 2
    assert array.all()  # it is as readable as before
