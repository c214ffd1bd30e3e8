"""Alignment of two images that may show the same picture, and how well their details agree then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_bench.protocols.audit.descriptors import resampling

RADIUS = 0.86  # of half the side; what is outside may have been filled
DAMPING = 1e-3  # of the mean diagonal of the normal equations
MAX_STEP = 0.2  # of half the side
MIN_OVERLAP = 0.5  # of the disc


@dataclass(frozen=True)
class Level:
    """Pixels per side, and the two Gaussians whose difference is compared, in pixels of an image of REFERENCE_SIDE."""

    side: int
    low: float
    high: float


def align(
    level: Level, first: np.ndarray, second: np.ndarray, warps: np.ndarray, num_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit affine transforms from the second images to the first, and return them with the correlations.

    Inverse compositional Gauss-Newton steps on normalized images (Baker and Matthews, Lucas-Kanade 20 Years On, 2004).

    Args:
        level: Resolution and frequencies.
        first: (pairs, height, width) uint8.
        second: (pairs, height, width) uint8.
        warps: Where to start, (pairs, 2, 3): from (x, y, 1) in the second image to (x, y) in the first, in units of
            half the side from the middle.
        num_steps: Number of steps.

    Returns:
        (pairs, 2, 3) float32, and Pearson's correlation of the pixels that both have in a disc: (pairs,) float32.
    """
    source, target = (_details(level, images) for images in (first, second))
    offsets = (np.arange(level.side, dtype=np.float32) + 0.5) * 2 / level.side - 1
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    inside = np.hypot(x, y) <= RADIUS
    points = np.stack([x[inside], y[inside], np.ones(inside.sum(), np.float32)])
    values = target[:, inside]
    steepest, inverse = _normal_equations(target, inside, points)
    warps = warps.astype(np.float32)
    for _ in range(num_steps):
        moved, common = _sample(source, warps @ points)
        errors = _normalize(moved, common) - _normalize(values, common)
        warps = _compose(warps, (inverse @ (steepest @ errors[:, :, None])).reshape(-1, 2, 3))
    moved, common = _sample(source, warps @ points)
    correlations = (_normalize(moved, common) * _normalize(values, common)).sum(axis=1)
    return warps, np.where(common.mean(axis=1) >= MIN_OVERLAP, correlations, -1).astype(np.float32)


def _details(level: Level, images: np.ndarray) -> np.ndarray:
    """Return the difference of two smoothed images: (samples, side, side) float32."""
    pixels, (height, width) = images.astype(np.float32), images.shape[1:]
    rows, columns = (resampling(length, level.side, level.low) for length in (height, width))
    smooth_rows, smooth_columns = (resampling(length, level.side, level.high) for length in (height, width))
    return rows @ pixels @ columns.T - smooth_rows @ pixels @ smooth_columns.T


def _normal_equations(target: np.ndarray, inside: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how the pixels change with the six parameters, (pairs, 6, points), and the inverse normal matrices."""
    values = target[:, inside]
    lengths = np.maximum(np.linalg.norm(values - values.mean(axis=1, keepdims=True), axis=1), 1e-6)
    down, right = np.gradient(target, 2 / target.shape[1], axis=(1, 2))
    slopes = np.stack([right[:, inside], down[:, inside]], axis=1) / lengths[:, None, None]
    steepest = (slopes[:, :, None] * points).reshape(len(target), 6, -1)
    normal = steepest @ steepest.transpose(0, 2, 1)
    damping = DAMPING * normal.trace(axis1=1, axis2=2) / 6 + 1e-6
    normal += damping[:, None, None] * np.eye(6, dtype=np.float32)
    return steepest, np.linalg.inv(normal)


def _sample(images: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels at (pairs, 2, points), interpolated, and which of the points are in the disc, as 0 and 1."""
    side = images.shape[1]
    common = (np.square(points).sum(axis=1) <= RADIUS**2).astype(np.float32)
    places = np.clip((points + 1) * (side / 2) - 0.5, 0, side - 1.001)
    corners = places.astype(np.intp)
    places -= corners.astype(np.float32)
    (columns, rows), (left, top) = (np.moveaxis(values, 1, 0) for values in (places, corners))
    corner = top * side + left + (np.arange(len(images)) * side**2)[:, None]
    flat = images.ravel()
    upper, lower = flat[corner], flat[corner + side]
    upper += (flat[corner + 1] - upper) * columns
    lower += (flat[corner + side + 1] - lower) * columns
    return upper + (lower - upper) * rows, common


def _normalize(values: np.ndarray, common: np.ndarray) -> np.ndarray:
    """Return the values with mean 0 and length 1 over the common points, and 0 elsewhere."""
    count = np.maximum(common.sum(axis=1, keepdims=True), 1)
    values = (values - (values * common).sum(axis=1, keepdims=True) / count) * common
    return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)


def _compose(warps: np.ndarray, step: np.ndarray) -> np.ndarray:
    """Return the warps after the inverse of a step."""
    step = np.clip(step, -MAX_STEP, MAX_STEP) + np.eye(2, 3, dtype=np.float32)
    linear = warps[:, :, :2] @ np.linalg.inv(step[:, :, :2])
    return np.concatenate([linear, warps[:, :, 2:] - linear @ step[:, :, 2:]], axis=2)
