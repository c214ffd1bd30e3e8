"""Drawn faces that move from rest to an expression, as in CK+: for architectures that take sequences."""

from __future__ import annotations

from dataclasses import astuple, replace

import numpy as np

from fer_bench.datasets.cache import cached
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.faces import Appearance, Expression, draw_face
from fer_bench.datasets.registry import DataConfig, Progress, register_dataset
from fer_bench.datasets.synthetic import draw_samples, random_appearance, random_expression

# Increased when the images change; part of what the cache must match.
VERSION = 1

SEED = 2010
PER_CLASS = 120
FRAMES = 8


@register_dataset(
    "synthetic_sequences",
    input_kind="sequences",
    title="synthetic face sequences",
    source="drawn by the program",
    terms="The faces are drawn by fer-bench (MIT License); no photograph is among them.",
    samples=840,
    classes=7,
    split="official",
)
def synthetic_sequences(data_config: DataConfig) -> Dataset:
    """Drawn sequences of 8 gray 48×48 frames, from rest to one of FER2013's seven expressions; not a benchmark.

    images: (840, 8, 48, 48) uint8, 120 per class; split 70/15/15 within each class. The same on every run.
    """
    return cached(
        "synthetic_sequences", None, data_config.cache_dir, lambda: draw_dataset(progress=data_config.progress), VERSION
    )


def draw_dataset(per_class: int = PER_CLASS, seed: int = SEED, progress: Progress | None = None) -> Dataset:
    """Draw the dataset. ids: `sequence-00000`; the fingerprint stays empty."""
    return draw_samples("synthetic_sequences", "sequence", _draw_sequence, per_class, seed, progress)


def _draw_sequence(name: str, rng: np.random.Generator) -> np.ndarray:
    """Return (FRAMES, 48, 48) uint8: one face, first at rest, whose expression grows at a random pace."""
    rest, apex = random_expression("neutral", rng), random_expression(name, rng)
    appearance = random_appearance(rng)
    onset, pace = rng.uniform(0.1, 0.4), rng.uniform(6, 14)
    times = np.linspace(0, 1, FRAMES)
    strengths = 1 / (1 + np.exp(-pace * (times - onset - 0.25)))
    drift = rng.normal(0, 0.02, 2)
    return np.stack(
        [
            draw_face(_interpolate(rest, apex, strength), _shift(appearance, drift * time), rng)
            for strength, time in zip(strengths, times, strict=True)
        ]
    )


def _interpolate(rest: Expression, apex: Expression, strength: float) -> Expression:
    pairs = zip(astuple(rest), astuple(apex), strict=True)
    return Expression(*((1 - strength) * start + strength * end for start, end in pairs))


def _shift(appearance: Appearance, offset: np.ndarray) -> Appearance:
    return replace(appearance, shift=(appearance.shift[0] + offset[0], appearance.shift[1] + offset[1]))
