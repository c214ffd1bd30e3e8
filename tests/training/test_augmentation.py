"""Augmentation: the effect of each field on the images, and its limits."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fer_bench.config.recipe import POLICIES, Augmentation
from fer_bench.training.augmentation import affine_matrices, augment, random_erasing

ROOT = Path(__file__).resolve().parents[2]
STRONG = Augmentation(flip=0.5, rotation=30, shift=0.3, zoom=0.4)


def only(**fields) -> Augmentation:
    return Augmentation.model_validate({"policy": "none", **fields})


def augmented(images, augmentation, seed=0, crop=None):
    return augment(images, augmentation, np.random.default_rng(seed), crop)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (20, 9, 8), dtype=np.uint8)


def faint(count: int, side: int = 16) -> np.ndarray:
    """Return noise around a gray level per image, which no tested brightness or contrast clips."""
    rng = np.random.default_rng(0)
    gray = rng.integers(100, 150, (count, 1, 1))
    return (gray + rng.integers(-30, 31, (count, side, side))).astype(np.uint8)


def test_no_augmentation_is_the_identity(images):
    np.testing.assert_array_equal(augmented(images, only()), images)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_generator_determines_the_result(policy, images):
    augmentation = Augmentation.model_validate(policy)
    images = np.kron(images, np.ones((2, 2), np.uint8))
    before = images.copy()
    one = augmented(images, augmentation)
    assert one.shape == images.shape and one.dtype == np.uint8
    np.testing.assert_array_equal(one, augmented(images, augmentation))
    assert (one != augmented(images, augmentation, seed=1)).any() == (policy != "none")
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("policy", ["strong", "imgaug:strong", "imgaug:randaugment"])
def test_all_frames_of_a_sequence_get_the_same_change(policy):
    frames = np.random.default_rng(0).integers(0, 256, (6, 1, 24, 24), dtype=np.uint8)
    out = augmented(np.repeat(frames, 3, axis=1), Augmentation.model_validate(policy))
    assert out.shape == (6, 3, 24, 24)
    np.testing.assert_array_equal(out[:, 1:], out[:, :1].repeat(2, axis=1))
    assert (out[:, 0] != frames[:, 0]).any()


def test_differences_between_frames_are_kept():
    sequence = np.stack([np.full((4, 16, 16), shade, np.uint8) for shade in (50, 200)], axis=1)
    out = augmented(sequence, only(rotation=20, shift=0.2, resized_crop=0.5))
    assert (out[:, 0] == 50).all() and (out[:, 1] == 200).all()


@pytest.mark.parametrize("other", [{}, {"zoom": 1e-9}], ids=["alone", "in an affine transform"])
@pytest.mark.parametrize("shape", [(9, 8), (48, 48), (7, 7)])
def test_a_flip_is_an_exact_mirror(shape, other):
    images = np.random.default_rng(0).integers(0, 256, (6, *shape), dtype=np.uint8)
    np.testing.assert_array_equal(augmented(images, only(flip=1, **other)), images[:, :, ::-1])


def test_half_of_the_images_are_flipped():
    images = np.tile(np.arange(8, dtype=np.uint8), (400, 8, 1))
    assert 150 < (augmented(images, only(flip=0.5))[:, 0, 0] == 7).sum() < 250


def test_matrices_respect_the_limits():
    matrices = affine_matrices(2000, (48, 48), STRONG, np.random.default_rng(0))
    linear, center = matrices[:, :, :2], np.array([23.5, 23.5])
    scale = np.sqrt(np.abs(np.linalg.det(linear)))
    assert 0.6 <= scale.min() < 0.65 and 1.35 < scale.max() <= 1.4
    angle = np.degrees(np.arctan2(linear[:, 0, 1], linear[:, 1, 1]))
    assert -30 <= angle.min() < -28 and 28 < angle.max() <= 30
    translated = matrices @ np.append(center, 1) - center
    assert 0.28 * 48 < np.abs(translated).max() <= 0.3 * 48
    assert 0.4 < (np.linalg.det(linear) < 0).mean() < 0.6


def test_a_resized_crop_enlarges_a_part_of_the_image():
    height, width = 40, 60
    matrices = affine_matrices(2000, (height, width), only(resized_crop=0.5), np.random.default_rng(0))
    across, down = matrices[:, 0, 0], matrices[:, 1, 1]
    assert (matrices[:, 0, 1] == 0).all() and (matrices[:, 1, 0] == 0).all()
    area = 1 / (across * down)
    assert 0.5 <= area.min() < 0.51 and 0.99 < area.max() <= 1
    assert 0.7499 < (across / down).min() < 0.78 and 1.28 < (across / down).max() < 1.3334
    # The corners of the image move to the border or outside, so that no edge pixel is repeated.
    for x, y in [(-0.5, -0.5), (width - 0.5, height - 0.5)]:
        translated = matrices @ np.array([x, y, 1.0]) - [x, y]
        assert (np.sign([x, y]) * translated >= -1e-9).all()


def test_resized_crops_cover_the_whole_image():
    """Averaged over many crops, the center of the crop is the center of the image."""
    ramp = np.tile(np.arange(0, 240, 5, dtype=np.uint8), (3000, 48, 1))
    out = augmented(ramp, only(resized_crop=0.4))
    assert abs(out.mean() - ramp.mean()) < 1
    assert out[:, :, 0].max() > 15 and out[:, :, -1].min() < 220


def test_edges_are_repeated():
    bright = np.full((50, 16, 16), 200, np.uint8)
    assert (augmented(bright, STRONG) == 200).all()


def test_brightness_is_added_within_its_bounds():
    images = faint(300)
    added = augmented(images, only(brightness=0.1)).astype(int) - images
    assert (added == added[:, :1, :1]).all()  # the same for all pixels of an image
    assert -26 <= added.min() < -22 and 22 < added.max() <= 26


def test_contrast_keeps_the_mean_and_spreads_the_pixels():
    images = faint(300)
    out = augmented(images, only(contrast=0.4))
    np.testing.assert_allclose(out.mean((1, 2)), images.mean((1, 2)), atol=0.3)
    factor = out.std((1, 2)) / images.std((1, 2))
    assert 0.58 < factor.min() < 0.63 and 1.37 < factor.max() < 1.42


def test_brightness_is_clipped_to_black_and_white():
    images = np.tile(np.array([0, 255], np.uint8), (200, 8, 4))
    out = augmented(images, only(brightness=1, contrast=0.9))
    assert (out[:, :, 0] <= out[:, :, 1]).all()  # no value wraps around


def test_random_erasing_changes_one_rectangle():
    images = np.full((400, 1, 40, 40), 77, np.uint8)
    out = random_erasing(images, only(random_erasing=0.5), np.random.default_rng(0))
    assert (images == 77).all()
    areas, aspects = [], []
    for image in out[:, 0]:
        rows, columns = np.nonzero(image != 77)
        if len(rows):
            height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
            assert len(rows) > 0.9 * height * width  # one rectangle, except for noise that is 77 by chance
            areas.append(height * width / 1600)
            aspects.append(height / width)
    assert 150 < len(areas) < 250
    assert 0.015 < min(areas) < 0.04 and 0.18 < max(areas) < 0.22
    assert 0.25 < min(aspects) < 0.4 and 2.5 < max(aspects) < 4


def test_the_crop_is_taken_from_the_augmented_image():
    bright = np.full((30, 16, 16), 200, np.uint8)
    assert (augmented(bright, STRONG, crop=12) == 200).all()
    ramp = np.tile(np.arange(0, 160, 10, dtype=np.uint8), (200, 16, 1))
    out = augmented(ramp, only(zoom=1e-9), crop=12)  # cropped by the affine transform
    assert out.shape == (200, 12, 12)
    assert set(out[:, 0, 0]) == {0, 10, 20, 30, 40}
    assert (np.diff(out[:, 0].astype(int)) == 10).all()


@pytest.mark.parametrize("policy", ["strong", "imgaug:light"])
def test_a_read_only_memory_map_is_not_changed(tmp_path, images, policy):
    augmentation = Augmentation.model_validate(policy)
    np.save(tmp_path / "images.npy", images)
    memory_map = np.load(tmp_path / "images.npy", mmap_mode="r")
    np.testing.assert_array_equal(augmented(memory_map, augmentation), augmented(images, augmentation))
    np.testing.assert_array_equal(memory_map, images)


def test_imgaug_is_imported_only_by_its_policies():
    code = """
import sys, numpy as np
from fer_bench.training.augmentation import augment
from fer_bench.config.recipe import Augmentation
augment(np.zeros((2, 8, 8), np.uint8), Augmentation.model_validate("strong"), np.random.default_rng(0))
print(sorted({"imgaug", "keras", "tensorflow", "matplotlib"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
