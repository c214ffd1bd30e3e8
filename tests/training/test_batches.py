"""Batches: determined by seed and epoch, always full, prefetched; and the test-time views of an image."""

import threading

import numpy as np
import pytest

from fer_bench.config.recipe import resolve
from fer_bench.training.batches import epoch_order, padded_batches, training_batches, tta_views

NONE = {"augmentation": "none"}
STRONG = {"augmentation": {"flip": 0.5, "rotation": 30, "shift": 0.3, "zoom": 0.4}}
MIXED = {"augmentation": {"policy": "none", "mixup": 0.4, "cutmix": 1.0}}


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 9, 8), dtype=np.uint8)


def numbered(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return images whose pixels all equal the number of the image, and the numbers."""
    labels = np.arange(count)
    return np.broadcast_to(labels[:, None, None].astype(np.uint8), (count, 6, 6)).copy(), labels


def epoch(images, labels, batch_size=8, seed=1, number=1, **recipe):
    """Return the batches of one epoch with one-hot targets."""
    resolved = resolve(STRONG, {"batch_size": batch_size}, recipe)
    targets = np.eye(labels.max() + 1, dtype=np.float32)[labels]
    return list(training_batches(images, targets, resolved, seed, number, labels))


@pytest.mark.parametrize(
    "recipe",
    [{}, {"augmentation": "strong"}, MIXED, {"sampling": "balanced"}, {"crop": 8}],
    ids=["plain", "strong", "mixed", "balanced", "crop"],
)
def test_the_same_seed_and_epoch_give_the_same_batches(images, recipe):
    labels = np.arange(20) % 3
    once, repeated = epoch(images, labels, **recipe), epoch(images, labels, **recipe)
    for (x, y), (again_x, again_y) in zip(once, repeated, strict=True):
        np.testing.assert_array_equal(x, again_x)
        np.testing.assert_array_equal(y, again_y)
        assert x.dtype == np.uint8 and y.dtype == np.float32


@pytest.mark.parametrize("other", [{"seed": 2}, {"number": 2}], ids=["another seed", "another epoch"])
def test_another_seed_or_epoch_gives_other_batches(images, other):
    labels = np.arange(20)
    one, another = epoch(images, labels), epoch(images, labels, **other)
    assert any((y != z).any() for (_, y), (_, z) in zip(one, another, strict=True))
    fixed = np.zeros_like(images) + images[:1]  # identical, so that only the augmentation differs
    one, another = epoch(fixed, labels), epoch(fixed, labels, **other)
    assert any((x != z).any() for (x, _), (z, _) in zip(one, another, strict=True))


@pytest.mark.parametrize("shape", [(6, 6), (3, 6, 6)], ids=["images", "sequences"])
def test_alternating_flips(shape):
    images = np.random.default_rng(0).integers(0, 256, (200, *shape), dtype=np.uint8)
    recipe = {"augmentation": {"policy": "none", "flip": "alternating"}, "batch_size": 200}

    def flipped(number: int, seed: int = 1) -> np.ndarray:
        ((x, y),) = epoch(images, np.arange(200), number=number, seed=seed, **recipe)
        mirrored = (x[..., 0] == images[..., ::-1]).reshape(200, -1).all(1)
        np.testing.assert_array_equal(x[~mirrored][..., 0], images[~mirrored])
        np.testing.assert_array_equal(y.argmax(1), np.arange(200))
        return mirrored

    first = flipped(1)
    assert 70 < first.sum() < 130
    np.testing.assert_array_equal(flipped(2), ~first)
    np.testing.assert_array_equal(flipped(3), first)
    assert (flipped(1, seed=2) != first).any()


def test_alternating_flips_combine_with_affine_changes():
    images = np.repeat(np.repeat([[[0] * 8 + [200] * 8]], 16, 1), 60, 0).astype(np.uint8)  # bright on the right

    def bright_on_the_left(number: int) -> np.ndarray:
        augmentation = {"augmentation": {"policy": "standard", "flip": "alternating"}}
        ((x, _),) = epoch(images, np.arange(60), number=number, batch_size=60, crop=14, **augmentation)
        return x[:, :, :7].mean((1, 2, 3)) > x[:, :, 7:].mean((1, 2, 3))

    np.testing.assert_array_equal(bright_on_the_left(2), ~bright_on_the_left(1))
    assert 10 < bright_on_the_left(1).sum() < 50


def test_every_batch_is_full_and_no_image_repeats():
    images, labels = numbered(30)
    made = epoch(images, labels, batch_size=8)
    assert [x.shape for x, _ in made] == [(8, 6, 6, 1)] * 3
    assert all(x.dtype == np.uint8 for x, _ in made)
    seen = np.concatenate([y.argmax(1) for _, y in made])
    assert len(set(seen)) == 24
    assert set(seen) != set(
        np.concatenate([y.argmax(1) for _, y in epoch(images, labels, number=2)])
    )  # other images fill no batch


def test_fewer_images_than_a_batch_are_one_batch():
    images, labels = numbered(5)
    ((x, y),) = epoch(images, labels, batch_size=64)
    assert len(x) == len(y) == 5


@pytest.mark.parametrize("recipe", [NONE, STRONG, {"crop": 8}, {"sampling": "balanced"}], ids=str)
def test_targets_belong_to_their_images(recipe):
    images, labels = numbered(40)
    images = np.repeat(np.repeat(images, 2, 1), 2, 2)
    for x, y in epoch(images, labels, **recipe):
        assert (x == y.argmax(1)[:, None, None, None]).all()  # a uniform image is the same after every transform


def test_soft_targets_are_unchanged():
    images, labels = numbered(20)
    votes = np.random.default_rng(0).dirichlet(np.ones(4), 20).astype(np.float32)
    for x, y in training_batches(images, votes, resolve(NONE, {"batch_size": 5}), 0, 1, labels):
        np.testing.assert_array_equal(y, votes[x[:, 0, 0, 0]])


def test_mixed_targets_match_the_mixed_pixels():
    shades = np.array([10, 210])
    labels = np.arange(32) % 2
    images = np.broadcast_to(shades[labels][:, None, None].astype(np.uint8), (32, 24, 24)).copy()
    for x, y in epoch(images, labels, **MIXED):
        np.testing.assert_allclose(y.sum(1), 1, atol=1e-6)
        np.testing.assert_allclose(x.mean((1, 2, 3)), y @ shades, atol=0.51)


def test_balanced_sampling_draws_every_class_equally_often():
    labels = np.repeat([0, 1, 3], [70, 20, 6])  # class 2 has no image
    order = epoch_order(labels, "balanced", np.random.default_rng(0))
    assert len(order) == 96
    assert (np.bincount(labels[order], minlength=4) == [32, 32, 0, 32]).all()
    times = np.bincount(order, minlength=96)
    assert times[:70].max() == 1  # not all samples of the large class are drawn
    assert {*times[70:90]} == {1, 2} and {*times[90:]} == {5, 6}  # a sample repeats only after all others of its class
    assert (labels[order[:48]] != labels[order[48:]]).any() and len(set(labels[order[:12]])) == 3  # shuffled


def test_balanced_sampling_distributes_the_remainder_at_random():
    labels = np.repeat([0, 1, 2], [4, 3, 3])
    counts = [
        np.bincount(labels[epoch_order(labels, "balanced", np.random.default_rng(seed))]).tolist() for seed in range(30)
    ]
    assert {tuple(c) for c in counts} == {(4, 3, 3), (3, 4, 3), (3, 3, 4)}


@pytest.mark.parametrize("policy", ["none", "light", "standard", "strong"])
def test_a_crop_is_a_random_square(images, policy):
    """Without other augmentation the crop consists of the original pixels."""
    labels = np.arange(20)
    larger = np.random.default_rng(0).integers(0, 256, (20, 14, 12), dtype=np.uint8)
    positions = set()
    for x, y in epoch(larger, labels, crop=10, augmentation=policy):
        assert x.shape == (8, 10, 10, 1)
        for crop_, label in zip(x[..., 0], y.argmax(1), strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(larger[label], (10, 10))
            positions.update(zip(*np.nonzero((windows == crop_).all((2, 3))), strict=True))
    if policy == "none":
        assert (
            len(positions) > 6 and {row for row, _ in positions} <= set(range(5)) and max(c for _, c in positions) == 2
        )


def test_sequences_keep_their_frames(images):
    sequences = np.random.default_rng(0).integers(0, 256, (20, 3, 9, 8), dtype=np.uint8)
    for x, y in epoch(sequences, np.arange(20), crop=8, **NONE):
        assert x.shape == (8, 3, 8, 8, 1) and y.shape == (8, 20)
    ((x, _),) = epoch(sequences, np.arange(20), batch_size=20, augmentation="strong")
    assert x.shape == (20, 3, 9, 8, 1)


@pytest.mark.parametrize(("count", "size"), [(20, 8), (16, 8), (5, 8), (1, 1)])
def test_padded_batches_contain_every_image_in_order_and_have_one_shape(count, size):
    images, _ = numbered(count)
    made = list(padded_batches(images, size))
    assert {x.shape for x, _ in made} == {(size, 6, 6, 1)}
    real = np.concatenate([x[:n] for x, n in made])
    np.testing.assert_array_equal(real[..., 0], images)


def grid(*shape: int) -> np.ndarray:
    """Return images whose pixels are all different."""
    return np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape).astype(np.uint8)


def test_padded_batches_of_sequences():
    ((x, real),) = padded_batches(grid(3, 2, 4, 5), 4)
    assert x.shape == (4, 2, 4, 5, 1) and real == 3


@pytest.mark.parametrize("lead", [(3,), (3, 2)], ids=["images", "sequences"])
def test_flip_is_the_center_and_its_mirror_image(lead):
    batch = grid(*lead, 7, 7, 1)
    (whole,) = tta_views(batch, "1", None)
    np.testing.assert_array_equal(whole, batch)
    (center,) = tta_views(batch, "1", 4)
    np.testing.assert_array_equal(center, batch[..., 1:5, 1:5, :])
    for crop, expected in ((None, batch), (4, center)):
        plain, mirror = tta_views(batch, "flip", crop)
        np.testing.assert_array_equal(plain, expected)
        np.testing.assert_array_equal(mirror, expected[..., ::-1, :])
        assert mirror.flags.c_contiguous


@pytest.mark.parametrize("lead", [(3,), (3, 2)], ids=["images", "sequences"])
def test_ten_crop_is_the_corners_and_the_center_with_mirror_images(lead):
    batch = grid(*lead, 8, 10, 1)
    views = tta_views(batch, "ten-crop", 6)
    assert len(views) == 10 and all(view.flags.c_contiguous for view in views)
    for view, (top, left) in zip(views[:5], [(0, 0), (0, 4), (2, 0), (2, 4), (1, 2)], strict=True):
        np.testing.assert_array_equal(view, batch[..., top : top + 6, left : left + 6, :])
    for view, mirror in zip(views[:5], views[5:], strict=True):
        np.testing.assert_array_equal(mirror, view[..., ::-1, :])


def start(images, count, batch_size):
    return training_batches(images, np.eye(count), resolve(NONE, {"batch_size": batch_size}), 0, 1, np.arange(count))


class RecordedImages(np.ndarray):
    """Images that record which thread reads them."""

    def __getitem__(self, key):
        taken = super().__getitem__(key)
        if self.reads is not None:
            self.reads.append(threading.current_thread().name)
            self.read.release()
        return taken.view(np.ndarray)

    def __array_finalize__(self, obj):
        self.reads, self.read = None, threading.Semaphore(0)


def test_a_batch_is_made_during_the_use_of_the_one_before():
    images = numbered(40)[0].view(RecordedImages)
    images.reads = []
    made = start(images, 40, 8)
    assert images.reads == []
    next(made)
    for _ in range(2):  # the first batch, and the second by prefetching
        assert images.read.acquire(timeout=30)
    assert not images.read.acquire(timeout=0.05)  # but no third: memory stays bounded
    assert threading.main_thread().name not in images.reads
    assert len(list(made)) == 4


def test_an_exception_reaches_the_consumer(images):
    with pytest.raises(IndexError):
        list(start(images[:10], 20, 8))


def test_closing_the_iterator_ends_the_thread(images):
    before = threading.active_count()
    made = start(images, 20, 2)
    next(made)
    made.close()
    assert threading.active_count() == before
