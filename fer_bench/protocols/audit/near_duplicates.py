"""Near duplicates: scaled, recompressed, brightened or slightly cropped copies of an image."""

from __future__ import annotations

import math

import numpy as np

NUM_FREQUENCIES = 8  # per side: 64 bits
MAX_HASH_DISTANCE = 8  # differing bits, of 64
MIN_CORRELATION = 0.9  # of the pixels; crops of one photograph that are one or two pixels apart reach it
BLOCK_SIZE = 1024  # images compared at once
MIN_CONTRAST = 2.0  # standard deviation of gray levels; flatter images cannot be compared


def near_duplicate_pairs(images: np.ndarray) -> np.ndarray:
    """Return pairs of nearly identical images: (pairs, 2) int64, the lower index first.

    Candidates are pairs whose perceptual hashes differ in at most MAX_HASH_DISTANCE of 64 bits; their pixels must
    correlate by MIN_CORRELATION or more. All pairs are compared, which takes seconds for some ten thousand images. Flat
    images are skipped.

    images: (samples, height, width) uint8.
    """
    pixels = images.reshape(len(images), math.prod(images.shape[1:]))
    textured = np.flatnonzero(pixels.std(axis=1, dtype=np.float32) >= MIN_CONTRAST)
    candidates = textured[_similar_hashes(perceptual_hash(images[textured]))]
    return candidates[_correlation(pixels, candidates) >= MIN_CORRELATION]


def perceptual_hash(images: np.ndarray) -> np.ndarray:
    """Return the 64 lowest frequencies of each image compared with their median: (samples, 64) bool.

    This is pHash (Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010), except that the
    cosine transform is of the pixels without smoothing, and the mean brightness is excluded from the median.

    images: (samples, height, width) uint8.
    """
    height, width = images.shape[1:]
    rows, columns = _cosines(height), _cosines(width)
    spectrum = np.empty((len(images), NUM_FREQUENCIES, NUM_FREQUENCIES), np.float32)
    for start in range(0, len(images), BLOCK_SIZE):
        block = slice(start, start + BLOCK_SIZE)
        spectrum[block] = rows @ images[block].astype(np.float32) @ columns.T
    flat = spectrum.reshape(len(images), NUM_FREQUENCIES**2)
    return flat > np.median(flat[:, 1:], axis=1, keepdims=True)


def _cosines(length: int) -> np.ndarray:
    """Return the first rows of the discrete cosine transform: (NUM_FREQUENCIES, length) float32."""
    angles = np.pi / length * (np.arange(length) + 0.5) * np.arange(NUM_FREQUENCIES)[:, None]
    return np.cos(angles).astype(np.float32)


def _similar_hashes(hashes: np.ndarray) -> np.ndarray:
    """Return pairs of hashes that differ in at most MAX_HASH_DISTANCE bits: (pairs, 2) int64."""
    signs = np.where(hashes, np.float32(1), np.float32(-1))
    min_product = hashes.shape[1] - 2 * MAX_HASH_DISTANCE
    pairs: list[np.ndarray] = [np.empty((0, 2), np.int64)]
    for start in range(0, len(signs), BLOCK_SIZE):
        one, other = np.nonzero(signs[start : start + BLOCK_SIZE] @ signs[start:].T >= min_product)
        later = other > one
        pairs.append(np.stack([one[later], other[later]], axis=1) + start)
    return np.concatenate(pairs)


def _correlation(pixels: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return Pearson's correlation of the pixels of each pair: (pairs,) float32."""
    correlations = np.empty(len(pairs), np.float32)
    for start in range(0, len(pairs), BLOCK_SIZE):
        one, other = (_standardize(pixels[side]) for side in pairs[start : start + BLOCK_SIZE].T)
        correlations[start : start + BLOCK_SIZE] = (one * other).mean(axis=1)
    return correlations


def _standardize(pixels: np.ndarray) -> np.ndarray:
    values = pixels.astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    return values / values.std(axis=1, keepdims=True)
