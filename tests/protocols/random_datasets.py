"""Random datasets."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from hypothesis import strategies as st

from fer_bench.datasets.dataset import Dataset


def faces(samples: int, classes: int, subjects: int | None, seed: int, name: str = "faces") -> Dataset:
    """Return a dataset with unequal classes, and if requested with subjects that have unequal numbers of images."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, samples, p=rng.dirichlet(np.ones(classes))).astype(np.int64)
    names = None
    if subjects:
        who = np.concatenate([np.arange(subjects), rng.choice(subjects, samples, p=rng.dirichlet(np.ones(subjects)))])
        names = np.array([f"S{one:03d}" for one in rng.permutation(who[:samples])])
    return Dataset(
        name=name,
        images=rng.integers(0, 256, (samples, 4, 4), dtype=np.uint8),
        labels=labels,
        ids=np.array([f"{name}-{seed}-{i}" for i in range(samples)]),
        classes=tuple(f"class {c}" for c in range(classes)),
        fingerprint=f"fingerprint-{seed}",
        subjects=names,
    )


@st.composite
def datasets(draw, subjects: bool = False, split: bool = False) -> Dataset:
    """Draw a dataset of 30 to 300 images; with `subjects`, of ten to thirty subjects."""
    samples, seed = draw(st.integers(30, 300)), draw(st.integers(0, 10_000))
    num_subjects = draw(st.integers(10, 30)) if subjects else None
    made = faces(samples, draw(st.integers(2, 8)), num_subjects, seed)
    if not split:
        return made
    rng = np.random.default_rng(seed)
    numbers = np.r_[np.zeros(25), 2, rng.choice([0, 2], samples - 26)].astype(np.int8)
    return replace(made, split=rng.permutation(numbers))


def permuted(dataset: Dataset, order: np.ndarray) -> Dataset:
    """Return the same samples in another order."""
    arrays = {f.name: getattr(dataset, f.name) for f in fields(dataset)}
    return replace(dataset, **{name: a[order] for name, a in arrays.items() if isinstance(a, np.ndarray)})
