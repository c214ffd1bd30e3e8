"""Near duplicates: brightened, noisy or shifted copies are found, and other images are not."""

import cv2
import numpy as np
import pytest

from fer_bench.datasets.synthetic import draw_dataset
from fer_bench.protocols.audit.near_duplicates import BLOCK_SIZE, near_duplicate_pairs, perceptual_hash


def random_images(count: int, side: int = 48) -> np.ndarray:
    """Smooth random images, all different."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(128, 60, (count, 6, 6))
    smooth = [cv2.resize(one, (side, side), interpolation=cv2.INTER_CUBIC) for one in coarse]
    fine = np.stack(smooth) + rng.normal(0, 4, (count, side, side))
    return np.clip(fine, 0, 255).astype(np.uint8)


CHANGES = {
    "brighter": lambda one: np.clip(one.astype(int) + 25, 0, 255),
    "more contrast": lambda one: np.clip((one.astype(int) - 128) * 1.3 + 128, 0, 255),
    "noise": lambda one: np.clip(one + np.random.default_rng(1).normal(0, 8, one.shape), 0, 255),
    "shifted": lambda one: np.roll(one, 1, axis=1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_only_the_changed_copy_is_found(change):
    images = random_images(200)
    images[150] = CHANGES[change](images[30])
    assert near_duplicate_pairs(images).tolist() == [[30, 150]]


def test_pairs_are_found_across_blocks():
    images = random_images(BLOCK_SIZE + 40)
    for one, other in ((3, 5), (7, BLOCK_SIZE + 2), (BLOCK_SIZE + 5, BLOCK_SIZE + 9)):
        images[other] = CHANGES["noise"](images[one])
    found = {tuple(pair) for pair in near_duplicate_pairs(images).tolist()}
    assert found == {(3, 5), (7, BLOCK_SIZE + 2), (BLOCK_SIZE + 5, BLOCK_SIZE + 9)}


def test_flat_images_are_skipped():
    images = random_images(5)
    images[[1, 2]] = [[[90]], [[91]]]
    assert near_duplicate_pairs(images).shape == (0, 2)
    assert near_duplicate_pairs(images[:0]).shape == (0, 2)
    assert near_duplicate_pairs(images[[1, 2]]).shape == (0, 2)


def test_the_hash_ignores_brightness_and_size():
    images = random_images(3)
    one = perceptual_hash(images)
    assert one.shape == (3, 64) and one.dtype == bool
    large = np.repeat(np.repeat(images, 2, 1), 2, 2)
    assert (one != perceptual_hash(large)).sum(axis=1).max() <= 2
    assert (one != perceptual_hash((images // 2).astype(np.uint8))).sum(axis=1).max() <= 4


def test_few_of_the_drawn_faces_are_near_duplicates():
    assert len(near_duplicate_pairs(draw_dataset(per_class=30).images)) <= 2
