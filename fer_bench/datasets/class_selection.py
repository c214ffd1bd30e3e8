"""Some classes of a dataset as a dataset of its own: fer2013~classes=angry+happy+sad. Imports no NumPy by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fer_bench.core.errors import UserError
from fer_bench.core.text import did_you_mean
from fer_bench.datasets.emotions import canonical_label

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset

MARK = "~classes="  # between a dataset's name and the names of classes
SEPARATOR = "+"
# Increased when the same classes give other samples; part of what the cache must match.
VERSION = 1


def split_classes(name: str) -> tuple[str, list[str]]:
    """Return a dataset's name without its classes, and the classes; none if the dataset has all."""
    base, _, classes = name.partition(MARK)
    return base, [one for part in classes.split(SEPARATOR) if (one := part.strip())]


def with_classes(name: str, classes: Sequence[str]) -> str:
    """Return the name of a dataset with some classes only. Raise UserError if the name has classes already."""
    if not classes:
        return name
    if MARK in name:
        raise UserError(f"'{name}' names its classes already. Remove them there, or omit --classes.")
    return f"{name}{MARK}{SEPARATOR.join(classes)}"


def find_classes(dataset: Dataset, classes: Sequence[str]) -> list[str]:
    """Return the dataset's names of some of its classes, in its order. Raise UserError if one is unknown or alone."""
    wanted = {canonical_label(name): name for name in classes}
    names = [name for name in dataset.classes if wanted.pop(canonical_label(name), None)]
    if wanted:
        unknown = next(iter(wanted.values()))
        raise UserError(f"'{dataset.name}' has no class '{unknown}'. {did_you_mean(unknown, dataset.classes)}")
    if len(names) < 2:
        raise UserError(
            f"'{dataset.name}' with the class {names[0]} alone cannot be learned. Name two or more classes."
        )
    return names


def select_classes(dataset: Dataset, names: Sequence[str]) -> Dataset:
    """Return the images of some classes, with the same split, subjects and ids, but without a fingerprint.

    Soft labels are scaled to a sum of 1. names: From `find_classes`.
    """
    import numpy as np

    indices = [dataset.classes.index(name) for name in names]
    numbers = np.full(len(dataset.classes), -1)
    numbers[indices] = np.arange(len(indices))
    kept = np.flatnonzero(numbers[dataset.labels] >= 0)
    soft_labels = None if dataset.soft_labels is None else dataset.soft_labels[kept][:, indices]
    counts = f"{len(kept):,} of {len(dataset):,} images"
    note = f"{len(names)} of {len(dataset.classes)} classes ({', '.join(names)}): {counts}."
    arrays: dict[str, Any] = {field: getattr(dataset, field) for field in ("ids", "split", "subjects", "sequences")}
    arrays = {field: array[kept] for field, array in arrays.items() if array is not None}
    return replace(
        dataset,
        name=with_classes(dataset.name, names),
        images=dataset.images[kept],
        labels=numbers[dataset.labels[kept]].astype(np.int64),
        classes=tuple(names),
        fingerprint="",
        soft_labels=None if soft_labels is None else soft_labels / soft_labels.sum(axis=1, keepdims=True),
        notes=(note, *dataset.notes),
        **arrays,
    )
