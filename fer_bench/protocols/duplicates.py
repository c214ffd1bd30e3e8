"""Pixel-identical images."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator

import numpy as np

from fer_bench.datasets.subset import Subset, release_pages

BLOCK_SIZE = 4096  # images in memory at once


def group_identical(images: np.ndarray) -> np.ndarray:
    """Return a group number per image, equal for pixel-identical images: (samples,) int64, counted from 0.

    images: (samples, …) uint8.
    """
    groups: dict[bytes, int] = {}
    numbers = (groups.setdefault(digest, len(groups)) for digest in image_digests(images))
    return np.fromiter(numbers, np.int64, len(images))


def image_digests(images: np.ndarray | Subset) -> Iterator[bytes]:
    """Yield a 16-byte digest of each image's pixels."""
    for start in range(0, len(images), BLOCK_SIZE):
        block = np.ascontiguousarray(images[start : start + BLOCK_SIZE])
        for row in block.reshape(len(block), math.prod(images.shape[1:])):
            yield hashlib.blake2b(row.data, digest_size=16).digest()
        if isinstance(images, np.ndarray):
            release_pages(images)


def not_duplicated(groups: np.ndarray, indices: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return which samples have no pixel-identical image among others: (len(indices),) bool.

    groups: From `group_identical` of the whole dataset; the other two are indices into it.
    """
    return ~np.isin(groups[indices], groups[others])
