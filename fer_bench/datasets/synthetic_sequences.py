"""Drawn faces that move from rest to an expression, as those of CK+ do: for architectures that take sequences."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np

from fer_bench.datasets.cache import cached
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.faces import SIDE, Expression, Look, draw
from fer_bench.datasets.registry import DataConfig, Progress, register_dataset
from fer_bench.datasets.synthetic import random_expression, random_look, split_by_class

# Raised when the pictures change; part of what the cache must match.
VERSION = 1

SEED = 2010
PER_CLASS = 120
FRAMES = 8


@register_dataset(
    "synthetic_sequences",
    input_kind="sequences",
    title="synthetic face sequences",
    source="drawn by the program",
    samples=840,
    classes=7,
    split="official",
)
def synthetic_sequences(places: DataConfig) -> Dataset:
    """Drawn sequences of 8 grey 48×48 frames, from rest to one of FER2013's seven expressions; not a benchmark.

    images: (840, 8, 48, 48) uint8, 120 of each class; split 70/15/15 within each class. The same on every run.
    """
    return cached(
        "synthetic_sequences", None, places.cache_dir, lambda: draw_dataset(progress=places.progress), VERSION
    )


def draw_dataset(per_class: int = PER_CLASS, seed: int = SEED, progress: Progress | None = None) -> Dataset:
    """Draw the dataset; the fingerprint is left empty. ids: `sequence-00000`, classes take turns."""
    total = per_class * len(FER2013_CLASSES)
    labels = np.arange(total, dtype=np.int64) % len(FER2013_CLASSES)
    images = np.empty((total, FRAMES, SIDE, SIDE), np.uint8)
    for index, label in enumerate(labels):
        images[index] = _sequence(FER2013_CLASSES[label], np.random.default_rng([seed, index]))
        if progress and (index + 1) % 20 == 0:
            progress("drawing synthetic sequences", index + 1, total)
    return Dataset(
        name="synthetic_sequences",
        images=images,
        labels=labels,
        ids=np.array([f"sequence-{index:05d}" for index in range(total)]),
        classes=FER2013_CLASSES,
        fingerprint="",
        split=split_by_class(labels, np.random.default_rng([seed, total])),
    )


def _sequence(name: str, rng: np.random.Generator) -> np.ndarray:
    """(FRAMES, 48, 48) uint8: one face, still at first, its expression growing at a pace of its own."""
    rest, apex = random_expression("neutral", rng), random_expression(name, rng)
    look = random_look(rng)
    onset, pace = rng.uniform(0.1, 0.4), rng.uniform(6, 14)
    moment = np.linspace(0, 1, FRAMES)
    strength = 1 / (1 + np.exp(-pace * (moment - onset - 0.25)))
    drift = rng.normal(0, 0.02, 2)
    return np.stack(
        [
            draw(_between(rest, apex, share), _moved(look, drift * at), rng)
            for share, at in zip(strength, moment, strict=True)
        ]
    )


def _between(rest: Expression, apex: Expression, share: float) -> Expression:
    return Expression(
        **{
            muscle.name: (1 - share) * getattr(rest, muscle.name) + share * getattr(apex, muscle.name)
            for muscle in fields(rest)
        }
    )


def _moved(look: Look, by: np.ndarray) -> Look:
    return replace(look, shift=(look.shift[0] + by[0], look.shift[1] + by[1]))
