"""The built-in default for users without data: drawn faces in FER2013's classes and layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple

import numpy as np

from fer_bench.datasets.cache import cached
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.faces import Appearance, Expression, draw_face
from fer_bench.datasets.registry import DATASETS, DataConfig, Progress, register_dataset

# Increased when the images change; part of what the cache must match.
SYNTHETIC_VERSION = 2

SEED = 2013
PER_CLASS = 400
SPLIT_FRACTIONS = (0.70, 0.15, 0.15)  # training, validation, test: the order of SPLITS

# Each class at strength 1. An image shows between a third of this and a caricature, with noise on every muscle: weak
# fear looks like surprise, weak disgust like anger and weak expressions like neutral, while strong expressions are
# clear enough for a deep network without pretrained weights to learn from two thousand images in one or two epochs.
EXPRESSIONS = {
    "angry": Expression(
        brow_height=-0.8, brow_slant=1.0, eye_opening=-0.2, mouth_curve=-0.5, mouth_opening=0.25, teeth=0.9,
        mouth_width=-0.1,
    ),
    "disgust": Expression(
        brow_height=-0.5, brow_slant=0.6, eye_opening=-0.8, mouth_curve=-0.6, nose_wrinkle=1.0, mouth_width=0.1,
    ),
    "fear": Expression(
        brow_height=0.9, brow_slant=-0.9, eye_opening=0.9, mouth_curve=-0.1, mouth_opening=0.5, mouth_width=0.7,
        teeth=0.8,
    ),
    "happy": Expression(
        brow_height=0.1, eye_opening=-0.4, mouth_curve=1.0, mouth_opening=0.4, mouth_width=0.8, teeth=1.0, cheeks=1.0,
    ),
    "sad": Expression(
        brow_height=0.1, brow_slant=-1.0, eye_opening=-0.6, mouth_curve=-1.0, mouth_width=-0.2,
    ),
    "surprise": Expression(
        brow_height=1.2, eye_opening=1.0, mouth_opening=1.0, mouth_width=-0.35,
    ),
    "neutral": Expression(),
}  # fmt: skip
MIN_STRENGTH = 0.35
MAX_STRENGTH = 1.3
JITTER = 0.2


@register_dataset(
    "synthetic",
    title="synthetic faces",
    source="drawn by the program",
    terms="The faces are drawn by fer-bench (MIT License); no photograph is among them.",
    samples=2800,
    classes=7,
    split="official",
)
def synthetic(data_config: DataConfig) -> Dataset:
    """Drawn 48×48 gray faces in FER2013's seven classes; for trying things out, not a benchmark.

    images: (2800, 48, 48) uint8, 400 per class; split 70/15/15 within each class. The same on every run.
    """
    progress = data_config.progress
    return cached("synthetic", None, data_config.cache_dir, lambda: draw_dataset(progress=progress), SYNTHETIC_VERSION)


def draw_dataset(per_class: int = PER_CLASS, seed: int = SEED, progress: Progress | None = None) -> Dataset:
    """Draw the dataset. ids: `synthetic-00000`; the fingerprint stays empty."""

    def draw(name: str, rng: np.random.Generator) -> np.ndarray:
        return draw_face(random_expression(name, rng), random_appearance(rng), rng)

    return draw_samples("synthetic", "synthetic", draw, per_class, seed, progress)


def draw_samples(
    name: str,
    id_prefix: str,
    draw: Callable[[str, np.random.Generator], np.ndarray],
    per_class: int,
    seed: int,
    progress: Progress | None,
) -> Dataset:
    """Return a dataset of FER2013's classes, which alternate, with a random split.

    `draw` gets the class and the generator of one sample, and returns its uint8 pixels.
    """
    total = per_class * len(FER2013_CLASSES)
    labels = np.arange(total, dtype=np.int64) % len(FER2013_CLASSES)
    images = []
    for index, label in enumerate(labels):
        images.append(draw(FER2013_CLASSES[label], np.random.default_rng([seed, index])))
        if progress and (index + 1) % 20 == 0:
            progress(f"drawing {DATASETS.get(name).options['title']}", index + 1, total)
    return Dataset(
        name=name,
        images=np.stack(images),
        labels=labels,
        ids=np.array([f"{id_prefix}-{index:05d}" for index in range(total)]),
        classes=FER2013_CLASSES,
        fingerprint="",
        split=stratified_split(labels, np.random.default_rng([seed, total])),
    )


def stratified_split(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random split, (samples,) int8 indices into SPLITS, with the same fractions within each class."""
    split = np.empty(len(labels), np.int8)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        ends = np.rint(np.cumsum(SPLIT_FRACTIONS) * len(members)).astype(int)
        for number, chosen in enumerate(np.split(members, ends[:-1])):
            split[chosen] = number
    return split


def random_expression(name: str, rng: np.random.Generator) -> Expression:
    """Return the expression of a class at a random strength, with noise on every muscle."""
    strength = rng.uniform(MIN_STRENGTH, MAX_STRENGTH)
    return Expression(*(strength * position + rng.normal(0, JITTER) for position in astuple(EXPRESSIONS[name])))


def random_appearance(rng: np.random.Generator) -> Appearance:
    """Return a random face, pose, light and camera."""
    return Appearance(
        shift=tuple(rng.normal(0, 0.03, 2)),
        roll=rng.normal(0, 0.06),
        yaw=rng.uniform(-0.7, 0.7),
        size=rng.uniform(0.92, 1.06),
        head_width=rng.uniform(0.74, 0.86),
        head_height=rng.uniform(0.94, 1.04),
        jaw=rng.uniform(0.05, 0.25),
        skin=rng.uniform(150, 215),
        background=rng.uniform(40, 150),
        contrast=rng.uniform(0.8, 1.0),
        light=tuple(rng.normal(0, 8, 2)),
        hair=None if rng.random() < 0.25 else rng.uniform(10, 110),
        hairline=rng.uniform(0.68, 0.82),
        glasses=bool(rng.random() < 0.06),
        noise=rng.uniform(2, 7),
        blur=rng.uniform(0, 0.6),
    )
