"""Near-duplicate images: scaled, recompressed, brightened or slightly cropped copies of each other."""

from __future__ import annotations

import math

import numpy as np

NUM_FREQUENCIES = 8  # a side: 64 bits
MAX_HASH_DISTANCE = 8  # bits that may differ, of 64
MIN_CORRELATION = 0.9  # of the pixels, at least: crops of one photograph that are a pixel or two apart reach it
BLOCK_SIZE = 1024  # images compared at once
MIN_CONTRAST = 2.0  # standard deviation of grey levels, below which an image shows nothing to compare


def near_duplicate_pairs(images: np.ndarray) -> np.ndarray:
    """Pairs of images that show nearly the same: (pairs, 2) int64, the lower index first.

    images: (samples, height, width) uint8. Candidates are those whose perceptual hashes differ in at most DISTANCE bits
    of 64; of them those stay whose pixels correlate by CORRELATION or more. All pairs are compared, in seconds for some
    ten thousands of images. Flat images are left out.
    """
    pixels = images.reshape(len(images), math.prod(images.shape[1:]))
    shown = np.flatnonzero(pixels.std(axis=1, dtype=np.float32) >= MIN_CONTRAST)
    candidates = shown[_similar_hashes(perceptual_hash(images[shown]))]
    return candidates[_correlation(pixels, candidates) >= MIN_CORRELATION]


def perceptual_hash(images: np.ndarray) -> np.ndarray:
    """The 64 lowest frequencies of each image against their median: (samples, 64) bool.

    images: (samples, height, width) uint8. The hash known as pHash: Zauner, Implementation and Benchmarking of
    Perceptual Image Hash Functions, 2010; here the cosine transform is of the pixels as they are, and the mean
    brightness is left out of the median.
    """
    height, width = images.shape[1:]
    rows, columns = _cosines(height), _cosines(width)
    parts = [
        rows @ images[start : start + BLOCK_SIZE].astype(np.float32) @ columns.T for start in range(0, len(images), BLOCK_SIZE)
    ]
    spectrum = np.concatenate([np.empty((0, NUM_FREQUENCIES, NUM_FREQUENCIES), np.float32), *parts])
    spectrum = spectrum.reshape(len(images), NUM_FREQUENCIES**2)
    return spectrum > np.median(spectrum[:, 1:], axis=1, keepdims=True)


def _cosines(length: int) -> np.ndarray:
    """The first rows of the discrete cosine transform: (FREQUENCIES, length) float32."""
    angles = np.pi / length * (np.arange(length) + 0.5) * np.arange(NUM_FREQUENCIES)[:, None]
    return np.cos(angles).astype(np.float32)


def _similar_hashes(hashes: np.ndarray) -> np.ndarray:
    """Pairs of hashes that differ in at most DISTANCE bits: (pairs, 2) int64."""
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    least = hashes.shape[1] - 2 * MAX_HASH_DISTANCE  # of the product of two rows of signs
    found = [np.empty((0, 2), np.int64)]
    for start in range(0, len(signs), BLOCK_SIZE):
        one, other = np.nonzero(signs[start : start + BLOCK_SIZE] @ signs[start:].T >= least)
        later = other > one
        found.append(np.stack([one[later], other[later]], axis=1) + start)
    return np.concatenate(found)


def _correlation(pixels: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Pearson's correlation of the pixels of each pair: (pairs,) float32."""
    result = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), BLOCK_SIZE):
        one, other = (_standardize(pixels[side]) for side in pairs[start : start + BLOCK_SIZE].T)
        result[start : start + BLOCK_SIZE] = (one * other).mean(axis=1)
    return result


def _standardize(pixels: np.ndarray) -> np.ndarray:
    values = pixels.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return values / values.std(axis=1, keepdims=True)
