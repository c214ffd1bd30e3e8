"""A part of an array reads as the copy that it is instead of."""

import re
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from fer_bench.datasets import subset as parts
from fer_bench.datasets.subset import Subset

SAMPLES = np.array([7, 2, 2, 9, 0])


@pytest.fixture
def whole(tmp_path):
    """A read-only memory map, as a dataset's images are."""
    np.save(tmp_path / "images.npy", np.random.default_rng(0).integers(0, 256, (10, 4, 3), np.uint8))
    return np.load(tmp_path / "images.npy", mmap_mode="r")


@pytest.mark.parametrize(
    "chosen",
    [3, -1, slice(1, 4), slice(4, 90), slice(None, None, -2), np.array([4, 0, 4]), np.array([], int), SAMPLES > 1, [1]],
    ids=repr,
)
def test_what_is_chosen_of_it_is_what_would_be_of_a_copy(whole, chosen):
    expected = np.array(whole)[SAMPLES][chosen]
    found = Subset(whole, SAMPLES)[chosen]
    np.testing.assert_array_equal(found, expected)
    assert (found.shape, found.dtype) == (expected.shape, expected.dtype)


def test_all_of_it_becomes_an_array_of_its_own(whole):
    part, expected = Subset(whole, SAMPLES), np.array(whole)[SAMPLES]
    assert (len(part), part.shape, part.ndim, part.dtype) == (5, (5, 4, 3), 3, np.uint8)
    np.testing.assert_array_equal(np.asarray(part), expected)
    np.testing.assert_array_equal(list(part), expected)
    assert np.asarray(part, np.float32).dtype == np.float32
    np.asarray(part)[:] = 0  # a copy may be written to
    np.testing.assert_array_equal(np.asarray(part), expected)
    with pytest.raises(ValueError, match="only as a copy"):
        np.asarray(part, copy=False)


@pytest.mark.parametrize("beyond", [(0, 1), (..., None), None], ids=repr)
def test_an_index_of_more_than_samples_is_refused(whole, beyond):
    with pytest.raises(IndexError):
        Subset(whole, SAMPLES)[beyond]


@pytest.mark.parametrize("beyond", [5, -6, np.array([5])], ids=repr)
def test_a_sample_that_is_not_in_it_is_refused(whole, beyond):
    with pytest.raises(IndexError):
        Subset(whole, SAMPLES)[beyond]


def test_only_what_is_chosen_is_copied():
    whole, samples = np.zeros((2000, 48, 48), np.uint8), np.arange(1, 2000)
    tracemalloc.start()
    try:
        Subset(whole, samples)[:64], Subset(whole, samples)[np.arange(64)]
        assert tracemalloc.get_traced_memory()[1] < 3 * 64 * 48 * 48
    finally:
        tracemalloc.stop()


STATUS = Path("/proc/self/status")


def mapped_bytes() -> int:
    return int(re.search(r"RssFile:\s+(\d+) kB", STATUS.read_text())[1]) * 1024


@pytest.mark.skipif(not STATUS.exists(), reason="the system does not say how much is mapped")
@pytest.mark.parametrize("large", [True, False])
def test_a_large_map_does_not_stay_in_memory_once_read(tmp_path, monkeypatch, large):
    np.save(tmp_path / "images.npy", np.ones((2**12, 64, 64), np.uint8))
    whole = np.load(tmp_path / "images.npy", mmap_mode="r")
    monkeypatch.setattr(parts, "MOST_MAPPED", whole.nbytes - 1 if large else whole.nbytes)
    before = mapped_bytes()
    part = Subset(whole, np.arange(len(whole)))
    for start in range(0, len(part), 256):
        assert part[start : start + 256].all()
    grown = mapped_bytes() - before
    assert grown < whole.nbytes / 4 if large else grown > whole.nbytes / 2
    assert whole.all()  # it is as readable as before
