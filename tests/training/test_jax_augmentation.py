"""Augmentation within a compiled JAX step: the same pictures as the host's, as far as chance lets one tell."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_bench.config.recipe import Augmentation
from fer_bench.training import augmentation as host
from fer_bench.training import jax_augmentation, mixing

QUICKLY = {"xla_backend_optimization_level": 0}  # most of the time goes into compiling
STEP = jax.jit(jax_augmentation.augment, static_argnames=("augmentation", "crop"), compiler_options=QUICKLY)
MIX = jax.jit(jax.vmap(jax_augmentation.mix, (None, None, None, 0)), static_argnums=2, compiler_options=QUICKLY)
WARP = jax.jit(jax_augmentation.warp, static_argnames="crop")


def only(**fields) -> Augmentation:
    return Augmentation.model_validate({"policy": "none", **fields})


GEOMETRY = {
    "flip": only(flip=0.5),
    "all": only(flip=0.5, rotation=30, shift=0.3, zoom=0.4, resized_crop=0.5),
    "resized_crop": only(resized_crop=0.9),
}
STRONG = Augmentation.model_validate("strong")


def changed(images, augmentation, seed=0, crop=None) -> np.ndarray:
    return np.asarray(STEP(images, augmentation=augmentation, key=jax.random.key(seed), crop=crop))


def smooth(count: int, height: int, width: int, time: int = 1) -> np.ndarray:
    """Blurred noise from black to white, (count, time, height, width)."""
    frames = np.random.default_rng(0).normal(size=(count * time, height, width))
    frames = np.stack([cv2.GaussianBlur(frame, None, 4) for frame in frames])
    low, high = frames.min((1, 2), keepdims=True), frames.max((1, 2), keepdims=True)
    return (255 * (frames - low) / (high - low)).astype(np.uint8).reshape(count, time, height, width)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


# ---- geometry


@pytest.mark.parametrize("augmentation", GEOMETRY.values(), ids=GEOMETRY)
def test_the_same_draws_give_the_hosts_maps(augmentation):
    def maps(xp):
        return host.affine_matrices(50, (40, 60), augmentation, np.random.default_rng(3), xp)

    on_device = jax.jit(lambda: maps(jnp))()
    assert on_device.shape == (50, 2, 3) and on_device.dtype == np.float32
    np.testing.assert_allclose(on_device, maps(np), atol=1e-4)


@pytest.mark.parametrize("crop", [None, 28])
def test_a_warped_picture_is_that_of_opencv(crop):
    images = smooth(20, 40, 60, time=2)
    maps = host.affine_matrices(20, (40, 60), GEOMETRY["all"], np.random.default_rng(0))
    maps[10:, :, 2] += 15  # far outside too edges are repeated
    ours = np.asarray(WARP(images, maps.astype(np.float32), crop=crop))
    theirs = host._warp(images, maps, crop)
    assert ours.shape == theirs.shape and ours.dtype == np.uint8
    difference = ours.astype(int) - theirs  # OpenCV samples at steps of 1/32 of a pixel
    assert (np.abs(difference) > 2).mean() < 0.005
    assert abs(difference.mean()) < 0.02


def test_a_map_onto_whole_pixels_moves_them_unchanged():
    """With all that the compiler may do to floating point, a mirrored image is the mirrored image."""
    images = noise(6, 1, 49, 60)
    maps = np.tile(np.array([[-1, 0, 59 - 3], [0, 1, 2]], np.float32), (6, 1, 1))
    np.testing.assert_array_equal(np.asarray(WARP(images, maps))[:, :, 2:, :-3], images[:, :, :-2, ::-1][..., 3:])


def test_chance_changes_pictures_as_on_the_host():
    """Many changes of one picture: every pixel's mean and spread over them are those that the host's changes give."""
    images = np.repeat(smooth(1, 12, 16)[0], 1500, axis=0)
    augmentation = Augmentation.model_validate({"policy": "strong", "flip": 0.2, "zoom": 0.3, "rotation": 40})
    ours = changed(images, augmentation).astype(float)
    theirs = host.augment(images, augmentation, np.random.default_rng(0)).astype(float)
    error = np.hypot(ours.std(0), theirs.std(0)) / np.sqrt(len(images))
    assert (np.abs(ours.mean(0) - theirs.mean(0)) < 5 * error).all()
    np.testing.assert_allclose(ours.std(0), theirs.std(0), rtol=0.2)


@pytest.mark.parametrize("with_", [{}, {"zoom": 1e-9}], ids=["alone", "in an affine map"])
def test_a_flip_is_an_exact_mirror_of_some_images(with_):
    images = noise(300, 9, 8)
    out = changed(images, only(flip=0.3, **with_))
    mirrored = (out == images[:, :, ::-1]).all((1, 2))
    assert (mirrored | (out == images).all((1, 2))).all()
    assert 60 < mirrored.sum() < 120


def test_a_resized_crop_shows_a_part_of_the_image():
    images = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (400, 24, 1))
    out = changed(images, only(resized_crop=0.75)).astype(int)
    shown = out[:, 0, -1] - out[:, 0, 0]
    assert (np.diff(out, axis=2) >= 0).all()  # enlarged, neither turned nor mirrored
    assert 80 < shown.min() < 115 and shown.max() > 215
    assert out[:, 0, 0].min() < 5 and out[:, 0, -1].max() > 225
    assert abs(out.mean() - images.mean()) < 3


# ---- light and erasing


def test_light_is_an_affine_function_of_the_pixels():
    grey = np.random.default_rng(0).integers(100, 150, (300, 1, 1))
    images = (grey + np.random.default_rng(1).integers(-30, 31, (300, 16, 16))).astype(np.uint8)
    out = changed(images, only(brightness=0.1, contrast=0.4)).astype(float)
    before, mean = images - images.mean((1, 2), keepdims=True), out.mean((1, 2), keepdims=True)
    factor = (before * out).sum((1, 2), keepdims=True) / (before**2).sum((1, 2), keepdims=True)
    assert np.abs(mean + factor * before - out).max() < 1  # but for rounding
    assert 0.59 < factor.min() < 0.63 and 1.37 < factor.max() < 1.41
    added = mean[:, 0, 0] - images.mean((1, 2))
    assert -26 < added.min() < -23 and 23 < added.max() < 26
    assert abs(np.corrcoef(added, factor[:, 0, 0])[0, 1]) < 0.2


def test_light_stops_at_black_and_white():
    images = np.tile(np.array([0, 255], np.uint8), (200, 8, 4))
    out = changed(images, only(brightness=1, contrast=0.9))
    assert (out[:, :, 0] <= out[:, :, 1]).all()  # nothing wraps round


def test_erasing_leaves_the_rest_untouched():
    out = changed(np.full((400, 40, 40), 77, np.uint8), only(random_erasing=0.5))
    boxes, values = [], []
    for image in out:
        rows, columns = np.nonzero(image != 77)
        if len(rows):
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            assert len(rows) > 0.9 * height * width  # one rectangle, but for noise that is 77 by chance
            boxes.append((rows.min(), columns.min(), rows.max(), columns.max(), height, width))
            values.append(image[rows, columns])
    boxes = np.array(boxes)
    area, aspect = boxes[:, 4] * boxes[:, 5] / 1600, boxes[:, 4] / boxes[:, 5]
    assert 150 < len(boxes) < 250
    assert 0.015 < area.min() < 0.04 and 0.18 < area.max() < 0.22
    assert 0.25 < aspect.min() < 0.4 and 2.5 < aspect.max() < 4
    assert (boxes[:, :2].min(0) == 0).all() and (boxes[:, 2:4].max(0) == 39).all()
    values = np.concatenate(values)
    assert len(np.unique(values)) == 255 and abs(values.mean() - 127.5) < 2


# ---- sequences and crops


def test_the_frames_of_a_sequence_are_changed_alike():
    frames = noise(6, 1, 24, 24)
    out = changed(np.repeat(frames, 3, axis=1), STRONG)
    assert out.shape == (6, 3, 24, 24)
    np.testing.assert_array_equal(out[:, 1:], out[:, :1].repeat(2, axis=1))
    assert (out[:, 0] != frames[:, 0]).any((1, 2)).all()


def test_a_sequence_keeps_what_changes_in_it():
    sequence = np.stack([np.full((4, 16, 16), shade, np.uint8) for shade in (50, 200)], axis=1)
    out = changed(sequence, GEOMETRY["all"])
    assert (out[:, 0] == 50).all() and (out[:, 1] == 200).all()


@pytest.mark.parametrize("with_", [{}, {"zoom": 1e-9}], ids=["alone", "in an affine map"])
def test_a_crop_is_a_part_of_the_image(with_):
    sequence = np.tile(np.arange(16 * 15, dtype=np.uint8).reshape(16, 15), (300, 2, 1, 1))
    out = changed(sequence, only(**with_), crop=12)
    assert out.shape == (300, 2, 12, 12)
    corners = set()
    for frames in out:
        top, left = divmod(int(frames[0, 0, 0]), 15)
        np.testing.assert_array_equal(frames, sequence[0, :, top : top + 12, left : left + 12])
        corners.add((top, left))
    assert corners == {(top, left) for top in range(5) for left in range(4)}


# ---- mixing


@pytest.fixture(scope="module")
def batch():
    """Eight even images, from black to white, each a class of its own."""
    shades = np.linspace(0, 252, 8).astype(np.uint8)
    return np.broadcast_to(shades[:, None, None], (8, 20, 30)).copy(), np.eye(8, dtype=np.float32)


def mix(batch, **alphas) -> tuple[np.ndarray, np.ndarray]:
    """200 mixtures of a batch: images (200, batch, …) and targets (200, batch, classes)."""
    x, y = MIX(*batch, only(**alphas), jax.random.split(jax.random.key(0), 200))
    return np.asarray(x), np.asarray(y)


@pytest.mark.parametrize("alphas", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix": 1.0}], ids=str)
def test_targets_match_the_pixels(batch, alphas):
    x, y = mix(batch, **alphas)
    assert x.dtype == np.uint8 and y.dtype == np.float32
    np.testing.assert_allclose(y.sum(2), 1, atol=1e-6)
    np.testing.assert_allclose(x.mean((2, 3)), y @ batch[0][:, 0, 0].astype(float), atol=0.51)
    even = (x == x[..., :1, :1]).all((1, 2, 3))  # mixup, rather than boxes
    assert {(True, False): even.all(), (False, True): even.mean() < 0.1, (True, True): 0.3 < even.mean() < 0.7}[
        "mixup" in alphas, "cutmix" in alphas
    ]


@pytest.mark.parametrize("alpha", [0.05, 0.4])
def test_the_share_follows_alpha(batch, alpha):
    """Mixup keeps the larger of two Beta(α, α) shares, the same for the whole batch."""
    _, y = mix(batch, mixup=alpha)
    kept = y[:, np.arange(8), np.arange(8)]
    assert (kept >= 0.5).all()
    assert all(len(np.unique(shares[shares < 1].round(5))) <= 1 for shares in kept)
    drawn = np.random.default_rng(0).beta(alpha, alpha, 4000)
    assert abs(kept.min(1).mean() - np.maximum(drawn, 1 - drawn).mean()) < 0.05


def test_cutmix_puts_a_box_of_one_image_into_another(batch):
    x, y = mix(batch, cutmix=1.0)
    areas, middles = [], []
    for image, target, old, label in zip(
        x.reshape(-1, 20, 30), y.reshape(-1, 8), np.tile(batch[0], (200, 1, 1)), np.tile(range(8), 200), strict=True
    ):
        rows, columns = np.nonzero(image != old)
        if len(rows):
            area = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
            assert len(rows) == area  # a full rectangle
            assert area / 600 == pytest.approx(1 - target[label], abs=1e-5)
            areas.append(area / 600)
            middles.append((np.ptp(rows) / 2 + rows.min(), np.ptp(columns) / 2 + columns.min()))
    assert min(areas) < 0.05 and max(areas) > 0.8
    assert (np.min(middles, 0) < [3, 4]).all() and (np.max(middles, 0) > [16, 25]).all()
    theirs = [mixing.mix(*batch, only(cutmix=1.0), np.random.default_rng(seed))[1].trace() for seed in range(200)]
    assert abs(y.trace(axis1=1, axis2=2).mean() - np.mean(theirs)) < 8 * 0.08


def test_soft_targets_and_sequences_are_mixed_too(batch):
    votes = np.random.default_rng(0).dirichlet(np.ones(8), 8).astype(np.float32)
    sequences = np.repeat(batch[0][:, None], 3, axis=1)
    x, y = mix((sequences, votes), cutmix=1.0)
    alone, weights = mix(batch, cutmix=1.0)
    np.testing.assert_array_equal(x, np.repeat(alone[:, :, None], 3, axis=2))
    np.testing.assert_allclose(y, weights @ votes, atol=1e-6)


# ---- keys and bounds


def test_the_key_decides_all_of_it():
    images = noise(6, 1, 24, 24).repeat(3, axis=1)
    one = changed(images, STRONG)
    np.testing.assert_array_equal(one, changed(images, STRONG))
    assert (one != changed(images, STRONG, seed=1)).any((1, 2, 3)).all()


def test_seeds_may_be_a_batch_dimension_of_a_scan():
    """What several seeds trained at once see of shared images is what each would see alone."""
    images = noise(6, 1, 24, 24).repeat(3, axis=1)

    def epoch(keys):
        return jax.lax.scan(lambda _, key: (None, jax_augmentation.augment(images, STRONG, key)), None, keys)[1]

    keys = jax.random.split(jax.random.key(0), (3, 2))
    out = np.asarray(jax.jit(jax.vmap(epoch), compiler_options=QUICKLY)(keys)).astype(int)
    for seed, step in np.ndindex(3, 2):
        alone = np.asarray(STEP(images, augmentation=STRONG, key=keys[seed, step], crop=None))
        assert np.abs(out[seed, step] - alone).max() <= 1  # float32 in another order
    assert (out[0] != out[1]).any((2, 3, 4)).all() and (out[:, 0] != out[:, 1]).any((2, 3, 4)).all()


def test_without_augmentation_nothing_is_changed(batch):
    np.testing.assert_array_equal(changed(batch[0], only()), batch[0])
    images, targets = jax_augmentation.mix(*batch, only(), jax.random.key(0))
    assert images is batch[0] and targets is batch[1]


def test_what_cannot_be_compiled_is_refused():
    with pytest.raises(ValueError, match="imgaug"):
        changed(noise(2, 8, 8), Augmentation.model_validate("imgaug:light"))
    with pytest.raises(ValueError, match="crop of 9 pixels"):
        changed(noise(2, 8, 12), only(), crop=9)
