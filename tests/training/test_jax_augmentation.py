"""Augmentation within a compiled JAX step has the same distribution as on the host."""

import cv2
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from fer_bench.config.recipe import Augmentation
from fer_bench.training import augmentation as host
from fer_bench.training import jax_augmentation, mixing

QUICKLY = {"xla_backend_optimization_level": 0}  # compilation takes most of the time
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


def augmented(images, augmentation, seed=0, crop=None) -> np.ndarray:
    return np.asarray(STEP(images, augmentation=augmentation, key=jax.random.key(seed), crop=crop))


def smooth(count: int, height: int, width: int, time: int = 1) -> np.ndarray:
    """Return blurred noise from black to white, (count, time, height, width)."""
    frames = np.random.default_rng(0).normal(size=(count * time, height, width))
    frames = np.stack([cv2.GaussianBlur(frame, None, 4) for frame in frames])
    low, high = frames.min((1, 2), keepdims=True), frames.max((1, 2), keepdims=True)
    return (255 * (frames - low) / (high - low)).astype(np.uint8).reshape(count, time, height, width)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


# ---- geometry


@pytest.mark.parametrize("augmentation", GEOMETRY.values(), ids=GEOMETRY)
def test_equal_random_numbers_give_the_matrices_of_the_host(augmentation):
    def matrices(xp):
        return host.affine_matrices(50, (40, 60), augmentation, np.random.default_rng(3), xp)

    on_device = jax.jit(lambda: matrices(jnp))()
    assert on_device.shape == (50, 2, 3) and on_device.dtype == np.float32
    np.testing.assert_allclose(on_device, matrices(np), atol=1e-4)


@pytest.mark.parametrize("crop", [None, 28])
def test_warp_agrees_with_opencv(crop):
    images = smooth(20, 40, 60, time=2)
    matrices = host.affine_matrices(20, (40, 60), GEOMETRY["all"], np.random.default_rng(0))
    matrices[10:, :, 2] += 15  # edges are also repeated far outside
    on_device = np.asarray(WARP(images, matrices.astype(np.float32), crop=crop))
    on_host = host._warp(images, matrices, crop)
    assert on_device.shape == on_host.shape and on_device.dtype == np.uint8
    difference = on_device.astype(int) - on_host  # OpenCV rounds positions to 1/32 of a pixel
    assert (np.abs(difference) > 2).mean() < 0.005
    assert abs(difference.mean()) < 0.02


def test_a_transform_by_whole_pixels_does_not_interpolate():
    """The rounding of the compiler does not change a mirrored image."""
    images = noise(6, 1, 49, 60)
    matrices = np.tile(np.array([[-1, 0, 59 - 3], [0, 1, 2]], np.float32), (6, 1, 1))
    np.testing.assert_array_equal(np.asarray(WARP(images, matrices))[:, :, 2:, :-3], images[:, :, :-2, ::-1][..., 3:])


def test_the_distribution_agrees_with_the_host():
    """The mean and spread of every pixel over many augmentations of one image agree with the host."""
    images = np.repeat(smooth(1, 12, 16)[0], 1500, axis=0)
    augmentation = Augmentation.model_validate({"policy": "strong", "flip": 0.2, "zoom": 0.3, "rotation": 40})
    on_device = augmented(images, augmentation).astype(float)
    on_host = host.augment(images, augmentation, np.random.default_rng(0)).astype(float)
    error = np.hypot(on_device.std(0), on_host.std(0)) / np.sqrt(len(images))
    assert (np.abs(on_device.mean(0) - on_host.mean(0)) < 5 * error).all()
    np.testing.assert_allclose(on_device.std(0), on_host.std(0), rtol=0.2)


@pytest.mark.parametrize("other", [{}, {"zoom": 1e-9}], ids=["single", "in an affine transform"])
def test_a_flip_is_an_exact_mirror_of_some_images(other):
    images = noise(300, 9, 8)
    out = augmented(images, only(flip=0.3, **other))
    mirrored = (out == images[:, :, ::-1]).all((1, 2))
    assert (mirrored | (out == images).all((1, 2))).all()
    assert 60 < mirrored.sum() < 120


def test_a_resized_crop_enlarges_a_part_of_the_image():
    images = np.tile(np.arange(0, 240, 10, dtype=np.uint8), (400, 24, 1))
    out = augmented(images, only(resized_crop=0.75)).astype(int)
    shown = out[:, 0, -1] - out[:, 0, 0]
    assert (np.diff(out, axis=2) >= 0).all()  # enlarged, neither rotated nor mirrored
    assert 80 < shown.min() < 115 and shown.max() > 215
    assert out[:, 0, 0].min() < 5 and out[:, 0, -1].max() > 225
    assert abs(out.mean() - images.mean()) < 3


# ---- brightness, contrast and erasing


def test_brightness_and_contrast_are_an_affine_function_of_the_pixels():
    gray = np.random.default_rng(0).integers(100, 150, (300, 1, 1))
    images = (gray + np.random.default_rng(1).integers(-30, 31, (300, 16, 16))).astype(np.uint8)
    out = augmented(images, only(brightness=0.1, contrast=0.4)).astype(float)
    before, mean = images - images.mean((1, 2), keepdims=True), out.mean((1, 2), keepdims=True)
    factor = (before * out).sum((1, 2), keepdims=True) / (before**2).sum((1, 2), keepdims=True)
    assert np.abs(mean + factor * before - out).max() < 1  # except for rounding
    assert 0.59 < factor.min() < 0.63 and 1.37 < factor.max() < 1.41
    added = mean[:, 0, 0] - images.mean((1, 2))
    assert -26 < added.min() < -23 and 23 < added.max() < 26
    assert abs(np.corrcoef(added, factor[:, 0, 0])[0, 1]) < 0.2


def test_brightness_is_clipped_to_black_and_white():
    images = np.tile(np.array([0, 255], np.uint8), (200, 8, 4))
    out = augmented(images, only(brightness=1, contrast=0.9))
    assert (out[:, :, 0] <= out[:, :, 1]).all()  # no value wraps around


def test_random_erasing_changes_one_rectangle():
    out = augmented(np.full((400, 40, 40), 77, np.uint8), only(random_erasing=0.5))
    boxes, values = [], []
    for image in out:
        rows, columns = np.nonzero(image != 77)
        if len(rows):
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            assert len(rows) > 0.9 * height * width  # one rectangle, except for noise that is 77 by chance
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


def test_all_frames_of_a_sequence_get_the_same_change():
    frames = noise(6, 1, 24, 24)
    out = augmented(np.repeat(frames, 3, axis=1), STRONG)
    assert out.shape == (6, 3, 24, 24)
    np.testing.assert_array_equal(out[:, 1:], out[:, :1].repeat(2, axis=1))
    assert (out[:, 0] != frames[:, 0]).any((1, 2)).all()


def test_differences_between_frames_are_kept():
    sequence = np.stack([np.full((4, 16, 16), shade, np.uint8) for shade in (50, 200)], axis=1)
    out = augmented(sequence, GEOMETRY["all"])
    assert (out[:, 0] == 50).all() and (out[:, 1] == 200).all()


@pytest.mark.parametrize("other", [{}, {"zoom": 1e-9}], ids=["single", "in an affine transform"])
def test_a_crop_is_a_part_of_the_image(other):
    sequence = np.tile(np.arange(16 * 15, dtype=np.uint8).reshape(16, 15), (300, 2, 1, 1))
    out = augmented(sequence, only(**other), crop=12)
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
    """Return eight uniform images from black to white, each of another class."""
    shades = np.linspace(0, 252, 8).astype(np.uint8)
    return np.broadcast_to(shades[:, None, None], (8, 20, 30)).copy(), np.eye(8, dtype=np.float32)


def mix(batch, **alphas) -> tuple[np.ndarray, np.ndarray]:
    """Return 200 mixtures of a batch: images (200, batch, …) and targets (200, batch, classes)."""
    x, y = MIX(*batch, only(**alphas), jax.random.split(jax.random.key(0), 200))
    return np.asarray(x), np.asarray(y)


@pytest.mark.parametrize("alphas", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 1.0, "cutmix": 1.0}], ids=str)
def test_targets_match_the_pixels(batch, alphas):
    x, y = mix(batch, **alphas)
    assert x.dtype == np.uint8 and y.dtype == np.float32
    np.testing.assert_allclose(y.sum(2), 1, atol=1e-6)
    np.testing.assert_allclose(x.mean((2, 3)), y @ batch[0][:, 0, 0].astype(float), atol=0.51)
    even = (x == x[..., :1, :1]).all((1, 2, 3))  # mixup instead of boxes
    assert {(True, False): even.all(), (False, True): even.mean() < 0.1, (True, True): 0.3 < even.mean() < 0.7}[
        "mixup" in alphas, "cutmix" in alphas
    ]


@pytest.mark.parametrize("alpha", [0.05, 0.4])
def test_the_coefficient_follows_alpha(batch, alpha):
    """The coefficient is the larger of a Beta(α, α) variable and its complement, the same for the whole batch."""
    _, y = mix(batch, mixup=alpha)
    coefficients = y[:, np.arange(8), np.arange(8)]
    assert (coefficients >= 0.5).all()
    assert all(len(np.unique(shares[shares < 1].round(5))) <= 1 for shares in coefficients)
    drawn = np.random.default_rng(0).beta(alpha, alpha, 4000)
    assert abs(coefficients.min(1).mean() - np.maximum(drawn, 1 - drawn).mean()) < 0.05


def test_cutmix_pastes_a_box_of_another_image(batch):
    x, y = mix(batch, cutmix=1.0)
    areas, centers = [], []
    for image, target, old, label in zip(
        x.reshape(-1, 20, 30), y.reshape(-1, 8), np.tile(batch[0], (200, 1, 1)), np.tile(range(8), 200), strict=True
    ):
        rows, columns = np.nonzero(image != old)
        if len(rows):
            area = (np.ptp(rows) + 1) * (np.ptp(columns) + 1)
            assert len(rows) == area  # a full rectangle
            assert area / 600 == pytest.approx(1 - target[label], abs=1e-5)
            areas.append(area / 600)
            centers.append((np.ptp(rows) / 2 + rows.min(), np.ptp(columns) / 2 + columns.min()))
    assert min(areas) < 0.05 and max(areas) > 0.8
    assert (np.min(centers, 0) < [3, 4]).all() and (np.max(centers, 0) > [16, 25]).all()
    on_host = [mixing.mix(*batch, only(cutmix=1.0), np.random.default_rng(seed))[1].trace() for seed in range(200)]
    assert abs(y.trace(axis1=1, axis2=2).mean() - np.mean(on_host)) < 8 * 0.08


def test_soft_targets_and_sequences_are_mixed(batch):
    distributions = np.random.default_rng(0).dirichlet(np.ones(8), 8).astype(np.float32)
    sequences = np.repeat(batch[0][:, None], 3, axis=1)
    x, y = mix((sequences, distributions), cutmix=1.0)
    single, weights = mix(batch, cutmix=1.0)
    np.testing.assert_array_equal(x, np.repeat(single[:, :, None], 3, axis=2))
    np.testing.assert_allclose(y, weights @ distributions, atol=1e-6)


# ---- keys and bounds


def test_the_key_determines_the_result():
    images = noise(6, 1, 24, 24).repeat(3, axis=1)
    one = augmented(images, STRONG)
    np.testing.assert_array_equal(one, augmented(images, STRONG))
    assert (one != augmented(images, STRONG, seed=1)).any((1, 2, 3)).all()


def test_keys_can_be_mapped_and_scanned():
    """Several seeds that are trained together get the same images as each single."""
    images = noise(6, 1, 24, 24).repeat(3, axis=1)

    def epoch(keys):
        return jax.lax.scan(lambda _, key: (None, jax_augmentation.augment(images, STRONG, key)), None, keys)[1]

    keys = jax.random.split(jax.random.key(0), (2, 2))
    out = np.asarray(jax.jit(jax.vmap(epoch), compiler_options=QUICKLY)(keys)).astype(int)
    for seed, step in np.ndindex(2, 2):
        single = np.asarray(STEP(images, augmentation=STRONG, key=keys[seed, step], crop=None))
        assert np.abs(out[seed, step] - single).max() <= 1  # float32 in another order
    assert (out[0] != out[1]).any((2, 3, 4)).all() and (out[:, 0] != out[:, 1]).any((2, 3, 4)).all()


def test_without_augmentation_nothing_changes(batch):
    np.testing.assert_array_equal(augmented(batch[0], only()), batch[0])
    images, targets = jax_augmentation.mix(*batch, only(), jax.random.key(0))
    assert images is batch[0] and targets is batch[1]


def test_unsupported_augmentations_are_an_error():
    with pytest.raises(ValueError, match="imgaug"):
        augmented(noise(2, 8, 8), Augmentation.model_validate("imgaug:light"))
    with pytest.raises(ValueError, match="crop"):
        augmented(noise(2, 8, 12), only(), crop=9)
