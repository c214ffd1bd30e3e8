"""Batches: decided by seed and epoch alone, always full, made ahead of need."""

import threading

import numpy as np
import pytest

from fer_bench.training.input import affine_maps, augmented, batches, padded_batches
from fer_bench.training.recipe import Augmentation

NONE = Augmentation(flip=0, rotation=0, shift=0, zoom=0)
STRONG = Augmentation(flip=0.5, rotation=30, shift=0.3, zoom=0.4)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 9, 8), dtype=np.uint8)


def numbered(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images that each hold their own label everywhere."""
    labels = np.arange(count)
    return np.broadcast_to(labels[:, None, None].astype(np.uint8), (count, 6, 6)).copy(), labels


def epoch(images, labels, batch_size=8, augmentation=STRONG, seed=1, number=1):
    return list(batches(images, labels, batch_size, augmentation, seed, number))


def test_the_same_seed_and_epoch_give_the_same_batches(images):
    labels = np.arange(20)
    for (x, y), (again_x, again_y) in zip(epoch(images, labels), epoch(images, labels), strict=True):
        np.testing.assert_array_equal(x, again_x)
        np.testing.assert_array_equal(y, again_y)


@pytest.mark.parametrize("other", [{"seed": 2}, {"number": 2}], ids=["another seed", "another epoch"])
def test_another_seed_or_epoch_gives_others(images, other):
    labels = np.arange(20)
    one, another = epoch(images, labels), epoch(images, labels, **other)
    assert any((y != z).any() for (_, y), (_, z) in zip(one, another, strict=True))
    fixed = np.zeros_like(images) + images[:1]  # all the same: what differs now is the augmentation
    one, another = epoch(fixed, labels), epoch(fixed, labels, **other)
    assert any((x != z).any() for (x, _), (z, _) in zip(one, another, strict=True))


def test_every_batch_is_full_and_no_image_comes_twice():
    images, labels = numbered(30)
    made = epoch(images, labels, batch_size=8)
    assert [x.shape for x, _ in made] == [(8, 6, 6, 1)] * 3
    assert all(x.dtype == np.uint8 for x, _ in made)
    seen = np.concatenate([y for _, y in made])
    assert len(set(seen)) == 24
    assert set(seen) != set(np.concatenate([y for _, y in epoch(images, labels, number=2)]))  # others are left over


def test_fewer_images_than_a_batch_are_one_batch():
    images, labels = numbered(5)
    ((x, y),) = epoch(images, labels, batch_size=64)
    assert len(x) == len(y) == 5


@pytest.mark.parametrize("augmentation", [NONE, STRONG], ids=["plain", "augmented"])
def test_labels_go_with_their_images(augmentation):
    images, labels = numbered(40)
    for x, y in epoch(images, labels, augmentation=augmentation):
        assert (x == y[:, None, None, None]).all()  # an even image stays what it is under every map


def test_no_augmentation_is_the_identity(images):
    np.testing.assert_array_equal(augmented(images, NONE, np.random.default_rng(0)), images)


@pytest.mark.parametrize("shape", [(9, 8), (48, 48), (7, 7)])
def test_a_flip_is_an_exact_mirror(shape):
    images = np.random.default_rng(0).integers(0, 256, (6, *shape), dtype=np.uint8)
    flipped = augmented(images, NONE.model_copy(update={"flip": 1.0}), np.random.default_rng(0))
    np.testing.assert_array_equal(flipped, images[:, :, ::-1])


def test_half_the_images_are_flipped():
    images = np.tile(np.arange(8, dtype=np.uint8), (400, 8, 1))
    flipped = augmented(images, NONE.model_copy(update={"flip": 0.5}), np.random.default_rng(0))
    assert 150 < (flipped[:, 0, 0] == 7).sum() < 250


def test_maps_stay_within_what_was_asked_for():
    maps = affine_maps(2000, (48, 48), STRONG, np.random.default_rng(0))
    linear, centre = maps[:, :, :2], np.array([23.5, 23.5])
    scale = np.sqrt(np.abs(np.linalg.det(linear)))
    assert 0.6 <= scale.min() < 0.65 and 1.35 < scale.max() <= 1.4
    angle = np.degrees(np.arctan2(linear[:, 0, 1], linear[:, 1, 1]))
    assert -30 <= angle.min() < -28 and 28 < angle.max() <= 30
    moved = maps @ np.append(centre, 1) - centre
    assert 0.28 * 48 < np.abs(moved).max() <= 0.3 * 48
    assert 0.4 < (np.linalg.det(linear) < 0).mean() < 0.6


def test_edges_are_repeated():
    bright = np.full((50, 16, 16), 200, np.uint8)
    assert (augmented(bright, STRONG, np.random.default_rng(0)) == 200).all()


def test_a_read_only_map_of_a_file_is_augmented_and_left_alone(tmp_path, images):
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        augmented(mapped, STRONG, np.random.default_rng(0)), augmented(images, STRONG, np.random.default_rng(0))
    )
    np.testing.assert_array_equal(mapped, images)


@pytest.mark.parametrize(("count", "size"), [(20, 8), (16, 8), (5, 8), (1, 1)])
def test_padded_batches_hold_every_image_in_order_and_have_one_shape(count, size):
    images, _ = numbered(count)
    made = list(padded_batches(images, size))
    assert {x.shape for x, _ in made} == {(size, 6, 6, 1)}
    real = np.concatenate([x[:n] for x, n in made])
    np.testing.assert_array_equal(real[..., 0], images)


class WatchedImages(np.ndarray):
    """Images that say when they are read."""

    def __getitem__(self, key):
        taken = super().__getitem__(key)
        if self.reads is not None:
            self.reads.append(threading.current_thread().name)
            self.read.release()
        return taken.view(np.ndarray)

    def __array_finalize__(self, obj):
        self.reads, self.read = None, threading.Semaphore(0)


def test_a_batch_is_made_while_the_one_before_is_used():
    images = numbered(40)[0].view(WatchedImages)
    images.reads = []
    made = batches(images, np.arange(40), 8, NONE, seed=0, epoch=1)
    assert images.reads == []
    next(made)
    for _ in range(2):  # the first batch and, without anyone asking for it, the second
        assert images.read.acquire(timeout=30)
    assert not images.read.acquire(timeout=0.05)  # but no third: memory stays bounded
    assert threading.main_thread().name not in images.reads
    assert len(list(made)) == 4


def test_a_failure_in_the_making_reaches_the_consumer(images):
    with pytest.raises(IndexError):
        list(batches(images[:10], np.arange(20), 8, NONE, seed=0, epoch=1))


def test_stopping_early_ends_the_maker(images):
    before = threading.active_count()
    made = batches(images, np.arange(20), 2, NONE, seed=0, epoch=1)
    next(made)
    made.close()
    assert threading.active_count() == before
