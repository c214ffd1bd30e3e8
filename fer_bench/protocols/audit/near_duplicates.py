"""Near duplicates: mirrored, rotated, shifted, zoomed, brightened, blurred or compressed copies in another split."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from fer_bench.protocols.audit.alignment import Level, align
from fer_bench.protocols.audit.changes import Change, measure
from fer_bench.protocols.audit.descriptors import VARIANTS, Describer, blocks

MIN_CONTRAST = 2.0  # standard deviation of gray levels; flatter images cannot be compared
MIN_SIMILARITY = 0.4  # of descriptors; half of all true copies of photographs reach 0.9
CANDIDATES_PER_IMAGE, MIN_CANDIDATES = 4, 1000  # the most similar pairs are aligned
BLOCK_SIZE = 256  # pairs aligned at once

# Pairs are aligned in stages. Those that reach the score of a stage are aligned in the next one.
STAGES = (
    (Level(24, 1, 4), 6, 0.6),
    (Level(24, 1, 2), 4, 0.7),
    (Level(48, 1, 2), 3, 0.87),
)
MIN_SCORE = STAGES[-1][2]
STRETCH_PENALTY = 0.5  # copies keep the ratio of height and width, while two faces often match better without it

# If any two images of a dataset look alike, as aligned faces do, copies must be more alike: their score must be above
# the median of random pairs by a multiple of the deviation, after Fisher's transformation.
NUM_RANDOM_PAIRS, MIN_RANDOM_PAIRS = 400, 50
MIN_DEVIATIONS = 5
COPY_SCORE = 0.95  # random pairs above are copies and do not count


class NearDuplicate(NamedTuple):
    """Indices of two images and what was done to the second compared with the first."""

    first: int
    second: int
    change: Change


def find_near_duplicates(images: np.ndarray, splits: np.ndarray) -> list[NearDuplicate]:
    """Return pairs of images of different splits that show the same picture, the lower index first.

    Candidates are the pairs with the most similar histograms of gradients, which tolerate small changes; their pixels
    are then aligned. Flat images are skipped. Takes time with the square of the number of images: a minute or two for
    36,000 on two cores.

    Args:
        images: (samples, height, width) uint8.
        splits: Images of the same number are not compared; (samples,) int64.
    """
    pixels = images.reshape(len(images), math.prod(images.shape[1:]))
    deviations = [pixels[block].std(axis=1, dtype=np.float32) for block in blocks(len(pixels))]
    textured = np.flatnonzero(np.concatenate([np.empty(0), *deviations]) >= MIN_CONTRAST)
    numbers, sizes = np.unique(splits[textured], return_counts=True)
    if len(numbers) < 2:
        return []
    rank = np.argsort(np.argsort(sizes, kind="stable"))  # the largest split is last, and only searched in
    ranks = rank[np.searchsorted(numbers, splits[textured])]
    order = np.argsort(ranks, kind="stable")
    chosen, ranks = textured[order], ranks[order]
    candidates = _search(images[chosen], ranks)
    pairs, warps = _verify(images, chosen[candidates.pairs], _start(candidates), _min_score(images, chosen, ranks))
    return [_oriented(images, one, other, warp) for (one, other), warp in zip(pairs.tolist(), warps, strict=True)]


class _Candidates(NamedTuple):
    """Pairs (pairs, 2), the variant of the first image and whether it is mirrored, and the similarity."""

    pairs: np.ndarray
    variants: np.ndarray
    mirrored: np.ndarray
    similarities: np.ndarray

    def best(self, count: int) -> _Candidates:
        """Return the most similar pairs, each once as it is and once mirrored: faces are nearly symmetric."""
        order = np.argsort(-self.similarities, kind="stable")
        keys = self.pairs[order] @ np.array([1 << 32, 2]) + self.mirrored[order]
        _, first = np.unique(keys, return_index=True)
        return _Candidates(*(field[order[np.sort(first)[:count]]] for field in self))


def _search(images: np.ndarray, ranks: np.ndarray) -> _Candidates:
    """Return the most similar pairs of images of different ranks, which are in ascending order."""
    describer = Describer(images)
    descriptors = describer.describe(images)
    max_count = max(CANDIDATES_PER_IMAGE * len(images), MIN_CANDIDATES)
    found = _Candidates(np.empty((0, 2), np.int64), np.empty(0, np.int8), np.empty(0, bool), np.empty(0, np.float32))
    threshold = MIN_SIMILARITY
    for block in blocks(int(np.searchsorted(ranks, ranks[-1]))):
        later = int(np.searchsorted(ranks, ranks[block.start], "right"))
        parts = [found]
        for variant, mirrored, queries in describer.queries(images[block]):
            similarities = (queries @ descriptors[later:].T).ravel()
            hits = np.flatnonzero(similarities >= threshold)
            one, other = np.divmod(hits, len(images) - later)
            pairs = np.stack([one + block.start, other + later], axis=1)
            differ = ranks[pairs[:, 0]] != ranks[pairs[:, 1]]
            fields = (np.full(len(hits), variant, np.int8), np.full(len(hits), mirrored), similarities[hits])
            parts.append(_Candidates(pairs[differ], *(field[differ] for field in fields)))
        found = _Candidates(*map(np.concatenate, zip(*parts, strict=True))).best(max_count)
        if len(found.pairs) == max_count:
            threshold = float(found.similarities[-1])
    return found


def _start(candidates: _Candidates) -> np.ndarray:
    """Return the transforms from the second images of candidates to the first: (pairs, 2, 3) float32."""
    warps = np.stack([variant.warp for variant in VARIANTS])[candidates.variants]
    # A mirrored query starts from the mirrored first image: x changes its sign.
    warps[candidates.mirrored, :, 0] *= -1
    return warps


def _verify(
    images: np.ndarray, pairs: np.ndarray, warps: np.ndarray, min_score: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pairs whose details agree after alignment, each once, and the transforms."""
    scores: np.ndarray = np.ones(len(pairs), np.float32)
    for level, num_steps, threshold in STAGES:
        warps, scores = _align_blocks(images, pairs, warps, level, num_steps)
        kept = scores >= threshold
        pairs, warps, scores = pairs[kept], warps[kept], scores[kept]
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= min_score]
    _, first = np.unique(pairs[order], axis=0, return_index=True)
    return pairs[order[first]], warps[order[first]]


def _min_score(images: np.ndarray, chosen: np.ndarray, ranks: np.ndarray) -> float:
    """Return the score from which two of the chosen images are copies."""
    pairs = np.random.default_rng(0).integers(0, len(chosen), (2 * NUM_RANDOM_PAIRS, 2))
    pairs = chosen[pairs[ranks[pairs[:, 0]] != ranks[pairs[:, 1]]][:NUM_RANDOM_PAIRS]]
    warps: np.ndarray = np.tile(np.eye(2, 3, dtype=np.float32), (len(pairs), 1, 1))
    scores: np.ndarray = np.empty(0, np.float32)
    for level, num_steps, _ in STAGES:
        warps, scores = _align_blocks(images, pairs, warps, level, num_steps)
    scores = scores[np.abs(scores) < COPY_SCORE]
    if len(scores) < MIN_RANDOM_PAIRS:
        return MIN_SCORE
    median, high = np.quantile(np.arctanh(scores), [0.5, 0.84])
    return max(MIN_SCORE, float(np.tanh(median + MIN_DEVIATIONS * (high - median))))


def _align_blocks(
    images: np.ndarray, pairs: np.ndarray, warps: np.ndarray, level: Level, num_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the aligned transforms of many pairs, and their correlations less a penalty for stretching."""

    def align_block(block: slice) -> tuple[np.ndarray, np.ndarray]:
        first, second = pairs[block].T
        return align(level, images[first], images[second], warps[block], num_steps)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(align_block, blocks(len(pairs), size=BLOCK_SIZE)))
    if not results:
        return warps, np.empty(0, np.float32)
    warps, correlations = (np.concatenate(values) for values in zip(*results, strict=True))
    return warps, correlations - STRETCH_PENALTY * (_stretch(warps) - 1)


def _stretch(warps: np.ndarray) -> np.ndarray:
    """Return the ratio of the largest to the smallest enlargement of each transform."""
    enlargements = np.linalg.svd(warps[:, :, :2], compute_uv=False)
    return enlargements[:, 0] / np.maximum(enlargements[:, 1], 1e-3)


def _oriented(images: np.ndarray, first: int, second: int, warp: np.ndarray) -> NearDuplicate:
    change = measure(images[first], images[second], warp)
    return NearDuplicate(first, second, change) if first < second else NearDuplicate(second, first, change.reversed())
