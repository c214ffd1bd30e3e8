"""Descriptors that change little if an image is rotated, shifted or zoomed a little, brightened or compressed."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

SIDE = 24  # pixels; the images are reduced to it
NUM_CELLS, NUM_ORIENTATIONS = 4, 8  # cells per side
CELL_SIGMA = 3.0  # pixels; wide cells tolerate small shifts
RADIUS = 10.5  # pixels; what a rotation or a shift moves out of the image is outside
NUM_COMPONENTS = 96
REGULARIZATION = 0.02  # of the mean variance of the components; few images, which estimate it badly, get more
BLOCK_SIZE = 512  # images at once
MAX_SAMPLE = 8192  # images from which the whitening is estimated
SMOOTHING = 1.0  # standard deviation in pixels of an image of REFERENCE_SIDE
REFERENCE_SIDE = 48


class Variant(NamedTuple):
    """A change of the queries; shifts in pixels of an image of REFERENCE_SIDE. Each variant is also mirrored."""

    angle: float = 0.0  # degrees
    zoom: float = 1.0
    right: float = 0.0
    down: float = 0.0

    @property
    def warp(self) -> np.ndarray:
        """From (x, y, 1) in the changed image to (x, y) in the image, in units of half the side from the middle."""
        cosine, sine = (function(math.radians(self.angle)) / self.zoom for function in (math.cos, math.sin))
        linear = np.array([[cosine, -sine], [sine, cosine]])
        shift = 2 / REFERENCE_SIDE * linear @ [self.right, self.down]
        return np.column_stack([linear, -shift]).astype(np.float32)


# The histograms tolerate what lies between these.
VARIANTS = (
    Variant(),
    Variant(right=-2.4, down=-2.4),
    Variant(right=2.4, down=-2.4),
    Variant(right=-2.4, down=2.4),
    Variant(right=2.4, down=2.4),
    Variant(zoom=0.88),
    Variant(zoom=1.14),
    Variant(angle=-9),
    Variant(angle=9),
)


def resampling(length: int, side: int, sigma: float) -> np.ndarray:
    """Return a matrix that smooths and resamples rows or columns of pixels: (side, length) float32.

    sigma: Standard deviation of the Gaussian, in pixels of an image of REFERENCE_SIDE.
    """
    centers = (np.arange(side) + 0.5) * length / side
    width = max(sigma * length / REFERENCE_SIDE, 0.4)  # a narrower one may fall between two pixels
    weights = np.exp(-0.5 * ((np.arange(length) + 0.5 - centers[:, None]) / width) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def blocks(count: int, start: int = 0, size: int = BLOCK_SIZE) -> Iterator[slice]:
    """Yield slices of at most `size` that cover the range."""
    return (slice(first, min(first + size, count)) for first in range(start, count, size))


class Describer:
    """Whitened histograms of gradient orientations, so that different faces are nearly uncorrelated.

    Dalal and Triggs, Histograms of Oriented Gradients for Human Detection, CVPR 2005; whitening as in Hariharan, Malik
    and Ramanan, Discriminative Decorrelation for Clustering and Classification, ECCV 2012.
    """

    def __init__(self, images: np.ndarray) -> None:
        """Estimate the whitening from images, (samples, height, width) uint8."""
        sample = images[:: -(-len(images) // MAX_SAMPLE)]
        values = _flat(np.concatenate([_histograms(_reduce(sample[block])) for block in blocks(len(sample))]))
        self.mean = values.mean(axis=0)
        variances, axes = np.linalg.eigh(np.cov(values - self.mean, rowvar=False).astype(np.float64))
        variances, axes = variances[-NUM_COMPONENTS:], axes[:, -NUM_COMPONENTS:]
        regularization = REGULARIZATION + NUM_COMPONENTS / len(sample)
        scale = np.sqrt(np.maximum(variances, 0) + regularization * variances.mean() + 1e-12)
        self.axes = (axes / scale).astype(np.float32)

    def describe(self, images: np.ndarray) -> np.ndarray:
        """Return descriptors of length 1: (samples, NUM_COMPONENTS) float32."""
        return np.concatenate([self._whiten(_histograms(_reduce(images[block]))) for block in blocks(len(images))])

    def queries(self, images: np.ndarray) -> Iterator[tuple[int, bool, np.ndarray]]:
        """Yield the number of a variant, whether it is mirrored, and the descriptors of the images changed so."""
        small = _reduce(images)
        for number, variant in enumerate(VARIANTS):
            histograms = _histograms((small.reshape(len(small), -1) @ _warping(variant)).reshape(small.shape))
            yield number, False, self._whiten(histograms)
            yield number, True, self._whiten(_mirrored(histograms))

    def _whiten(self, histograms: np.ndarray) -> np.ndarray:
        values = (_flat(histograms) - self.mean) @ self.axes
        return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)


def _flat(histograms: np.ndarray) -> np.ndarray:
    """Return the square roots of histograms that sum to 1, so that few strong edges do not decide: (samples, bins)."""
    flat = histograms.reshape(len(histograms), -1)
    return np.sqrt(flat / np.maximum(flat.sum(axis=1, keepdims=True), 1e-6))


def _reduce(images: np.ndarray) -> np.ndarray:
    """Return smaller images: (samples, SIDE, SIDE) float32."""
    rows, columns = (resampling(length, SIDE, SMOOTHING) for length in images.shape[1:])
    return rows @ images.astype(np.float32) @ columns.T


@cache
def _warping(variant: Variant) -> np.ndarray:
    """Return a matrix that applies a variant to the pixels of reduced images: (SIDE², SIDE²) float32.

    Pixels are interpolated; outside the image, the nearest pixel of the border counts.
    """
    offsets = (np.arange(SIDE) + 0.5) * 2 / SIDE - 1
    y, x = (axis.ravel() for axis in np.meshgrid(offsets, offsets, indexing="ij"))
    places = variant.warp @ np.stack([x, y, np.ones_like(x)])
    columns, rows = np.clip((places + 1) * SIDE / 2 - 0.5, 0, SIDE - 1)
    pixels = np.arange(SIDE)
    weights = [np.maximum(1 - np.abs(pixels - at[:, None]), 0) for at in (rows, columns)]  # (SIDE², SIDE) each
    return np.einsum("pr,pc->rcp", *weights).reshape(SIDE**2, SIDE**2).astype(np.float32)


def _histograms(small: np.ndarray) -> np.ndarray:
    """Return the histograms of reduced images: (samples, NUM_CELLS, NUM_CELLS, NUM_ORIENTATIONS) float32.

    A gradient counts in all nearby cells.
    """
    vertical, horizontal = np.zeros_like(small), np.zeros_like(small)
    vertical[:, 1:-1] = small[:, 2:] - small[:, :-2]
    horizontal[:, :, 1:-1] = small[:, :, 2:] - small[:, :, :-2]
    offsets = np.arange(SIDE) - (SIDE - 1) / 2
    distances = np.hypot(offsets[:, None], offsets)
    window = (1 / (1 + np.exp((distances - RADIUS) / 0.6))).astype(np.float32)
    vertical, horizontal = vertical * window, horizontal * window
    centers = np.linspace(-0.75, 0.75, NUM_CELLS) * SIDE / 2
    cells = np.exp(-0.5 * ((offsets - centers[:, None]) / CELL_SIGMA) ** 2).astype(np.float32)
    result = np.empty((len(small), NUM_CELLS, NUM_CELLS, NUM_ORIENTATIONS), np.float32)
    for number, angle in enumerate(2 * np.pi * np.arange(NUM_ORIENTATIONS) / NUM_ORIENTATIONS):
        along = horizontal * np.float32(np.cos(angle)) + vertical * np.float32(np.sin(angle))
        result[..., number] = cells @ np.maximum(along, 0) @ cells.T
    return result


def _mirrored(histograms: np.ndarray) -> np.ndarray:
    """Return the histograms of the mirrored images."""
    orientations = (NUM_ORIENTATIONS // 2 - np.arange(NUM_ORIENTATIONS)) % NUM_ORIENTATIONS
    return histograms[:, :, ::-1][..., orientations]
