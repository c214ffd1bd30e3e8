"""Pixel-identical images."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import numpy as np

from fer_bench.datasets.subset import Subset, release_pages

BLOCK_SIZE = 4096  # images that are looked at together


def group_identical(images: np.ndarray) -> np.ndarray:
    """Which images are pixel-identical: (samples,) int64, equal numbers for equal images, counted from 0.

    images: (samples, …) uint8.
    """
    groups: dict[bytes, int] = {}
    return np.fromiter((groups.setdefault(digest, len(groups)) for digest in image_digests(images)), np.int64, len(images))


def image_digests(images: np.ndarray | Subset) -> Iterator[bytes]:
    """A digest of each image's pixels, 16 bytes."""
    for start in range(0, len(images), BLOCK_SIZE):
        block = np.ascontiguousarray(images[start : start + BLOCK_SIZE])
        for row in block.reshape(len(block), math.prod(images.shape[1:])):
            yield hashlib.blake2b(row, digest_size=16).digest()
        release_pages(images)


def not_duplicated(groups: np.ndarray, indices: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Which of some samples have no pixel-identical image among others: (len(samples),) bool.

    groups: (samples,) int64 as `identical` gives them, of the whole dataset; samples, others: indices into it.
    """
    return ~np.isin(groups[indices], groups[others])
