"""Near duplicates: changed copies in another split are found and named, and other images are not."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from fer_bench.datasets.synthetic import draw_dataset
from fer_bench.protocols.audit.changes import OTHER, Change
from fer_bench.protocols.audit.descriptors import BLOCK_SIZE
from fer_bench.protocols.audit.near_duplicates import find_near_duplicates


def clip(image: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def mirror(image: np.ndarray) -> np.ndarray:
    return cv2.flip(image, 1)


def warp(
    angle: float = 0, zoom: float = 1, right: float = 0, down: float = 0, border: int = cv2.BORDER_REPLICATE
) -> Callable[[np.ndarray], np.ndarray]:
    """Rotate, zoom and shift; shifts in pixels of an image of 48 pixels."""

    def change(image: np.ndarray) -> np.ndarray:
        height, width = image.shape
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, zoom)
        matrix[:, 2] += right * width / 48, down * height / 48
        return cv2.warpAffine(image, matrix, (width, height), borderMode=border)

    return change


def brighten(image: np.ndarray) -> np.ndarray:
    return clip(image.astype(float) * 1.1 + 12)


def more_contrast(image: np.ndarray) -> np.ndarray:
    return clip((image.astype(float) - image.mean()) * 1.3 + image.mean())


def add_noise(image: np.ndarray) -> np.ndarray:
    return clip(image + np.random.default_rng(1).normal(0, 8, image.shape))


def compress(quality: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda image: cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 0)


def crop(image: np.ndarray) -> np.ndarray:
    edge = len(image) // 16
    return cv2.resize(image[edge:-edge, 2 * edge :], image.shape[::-1])


CHANGES = {
    "mirrored": [mirror],
    "rotated by 5°": [warp(angle=5)],
    "rotated by 15°": [warp(angle=-15, border=cv2.BORDER_CONSTANT)],
    "shifted by 2 %": [warp(right=-1)],
    "shifted by 12 %": [warp(right=4, down=4, border=cv2.BORDER_CONSTANT)],
    "zoomed in by 15 %": [warp(zoom=1.15)],
    "zoomed out by 15 %": [warp(zoom=1 / 1.15)],
    "brighter": [brighten],
    "darker": [lambda image: clip(image.astype(float) - 30)],
    "more contrast": [more_contrast],
    "noise": [add_noise],
    "blur": [lambda image: cv2.GaussianBlur(image, (0, 0), len(image) / 60)],
    "compression": [compress(30)],
    "mirrored, rotated by 10°": [mirror, warp(angle=10)],
    "mirrored, brighter": [mirror, brighten],
    "mirrored, zoomed in": [mirror, crop],
    "rotated by 8°, shifted by 8 %": [warp(angle=8, right=3, down=-3)],
    "rotated by 12°": [warp(angle=12), compress(40)],
}


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    """84 drawn faces."""
    return draw_dataset(per_class=12).images


def change(image: np.ndarray, kind: str) -> np.ndarray:
    for step in CHANGES[kind]:
        image = step(image)
    return image


def plant(images: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray, dict[tuple[int, int], str]]:
    """Append `count` copies of each kind in another split. Returns the images, splits, and the kinds of the pairs."""
    originals = np.arange(count * len(CHANGES))
    kinds = np.repeat(list(CHANGES), count)
    copies = np.stack([change(images[i], kind) for i, kind in zip(originals, kinds, strict=True)])
    splits = np.repeat([0, 1], [len(images), len(copies)])
    pairs = {(int(i), len(images) + int(i)): str(kind) for i, kind in enumerate(kinds)}
    return np.concatenate([images, copies]), splits, pairs


def test_all_kinds_of_copies_are_found_and_named(faces):
    images, splits, planted = plant(faces, 2)
    found = {(first, second): str(done) for first, second, done in find_near_duplicates(images, splits)}
    missed = [kind for pair, kind in planted.items() if pair not in found]
    assert len(missed) <= 2 and len(found.keys() - planted.keys()) <= 1, (missed, found.keys() - planted.keys())
    exact = ("mirrored", "brighter", "darker", "more contrast")
    for pair, kind in planted.items():
        for word in kind.split(", "):
            if pair in found and word.startswith(exact):
                assert word in found[pair]
            elif pair in found and word not in ("noise", "blur", "compression"):
                assert word.split(" by ")[0] in found[pair]


@pytest.mark.parametrize("size", [(32, 32), (120, 90)])
def test_images_of_other_sizes_are_compared(faces, size):
    large = np.stack([cv2.resize(face, size, interpolation=cv2.INTER_CUBIC) for face in faces[:40]])
    images, splits, planted = plant(large, 1)
    found = {(first, second) for first, second, _ in find_near_duplicates(images, splits)}
    assert len(found & planted.keys()) >= len(CHANGES) - 2 and len(found) <= len(CHANGES) + 1


def test_images_of_one_split_are_not_compared(faces):
    images = np.concatenate([faces[:30], faces[:10, :, ::-1]])
    assert find_near_duplicates(images, np.zeros(40, int)) == []
    splits = np.r_[np.full(30, 7), np.full(9, 7), 3]
    assert [(first, second) for first, second, _ in find_near_duplicates(images, splits)] == [(9, 39)]


def test_copies_are_found_across_blocks():
    coarse = np.random.default_rng(0).normal(128, 60, (BLOCK_SIZE + 300, 6, 6))
    images = np.stack([clip(cv2.resize(one, (24, 24), interpolation=cv2.INTER_CUBIC)) for one in coarse])
    pairs = [(3, BLOCK_SIZE + 200), (BLOCK_SIZE + 4, 7), (BLOCK_SIZE + 50, BLOCK_SIZE + 299)]
    for one, other in pairs:
        images[other] = mirror(images[one])
    splits = (np.arange(len(images)) > BLOCK_SIZE + 100).astype(int)
    splits[7] = 2
    found = {(first, second) for first, second, _ in find_near_duplicates(images, splits)}
    assert found == {(3, BLOCK_SIZE + 200), (7, BLOCK_SIZE + 4), (BLOCK_SIZE + 50, BLOCK_SIZE + 299)}


def test_flat_images_are_skipped(faces):
    images = faces[:6].copy()
    images[[1, 2]] = [[[90]], [[91]]]
    assert find_near_duplicates(images, np.arange(6)) == []
    assert find_near_duplicates(images[:0], np.arange(0)) == []
    assert find_near_duplicates(images[[1, 2]], np.arange(2)) == []
    images[2] = mirror(images[5])
    assert [(first, second) for first, second, _ in find_near_duplicates(images[[2, 5]], np.arange(2))] == [(0, 1)]


def test_few_different_faces_are_taken_for_copies(faces):
    assert len(find_near_duplicates(faces, np.arange(len(faces)) % 3)) <= 1


def test_a_change_is_described_from_either_side():
    done = Change(mirrored=True, angle=7.6, shift=2.4, zoom=1.25, brightness=20, contrast=0.8)
    assert str(done) == "mirrored, rotated by 8°, zoomed in by 25 %, shifted by 5 %, brighter, less contrast"
    assert "zoomed out by 25 %" in str(done.reversed()) and "darker, more contrast" in str(done.reversed())
    assert done.kinds() == done.reversed().kinds()
    assert str(Change(mirrored=False, angle=0.2, shift=0, zoom=1, brightness=1, contrast=1)) == OTHER
