"""Compare the number of samples per class with the published counts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS
from fer_bench.datasets.dataset import Dataset

ALL = "all"  # stands for the split of a dataset without an official split

# If more samples are in another class than published, exchanged counts are no accident.
MAX_MOVED_SHARE = 0.05

Counts = dict[str, tuple[int, ...]]  # split → samples per class


def class_counts(dataset: Dataset) -> Counts:
    """Return split → samples per class, for the splits that have any."""
    if dataset.split is None:
        return {ALL: _count_labels(dataset, np.ones(len(dataset), bool))}
    masks = {name: dataset.split == number for number, name in enumerate(SPLITS)}
    return {name: _count_labels(dataset, mask) for name, mask in masks.items() if mask.any()}


def published_counts(dataset: Dataset, options: Mapping[str, Any]) -> Counts:
    """Return the counts that a dataset's entry declares, by split or only by class; empty if it declares none.

    If a copy has no validation split and more test images than were published, its test split is compared with both.
    """
    declared = options.get("counts") or {}
    if declared and not set(declared) <= {ALL, *SPLITS}:
        return {ALL: tuple(declared.get(name, 0) for name in dataset.classes)}
    declared, own = dict(declared), class_counts(dataset)
    if {"validation", "test"} <= set(declared) and "validation" not in own:
        validation, test = declared["validation"], declared["test"]
        if sum(own.get("test", ())) > sum(test):
            del declared["validation"]
            declared["test"] = tuple(map(sum, zip(validation, test, strict=True)))
    return declared


def count_mismatches(dataset: Dataset, options: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return one sentence per split that differs from the published counts; None if no counts are declared."""
    declared, own = published_counts(dataset, options), class_counts(dataset)
    if not declared:
        return None
    mismatches = [f"There are no {split} images." for split in declared if split != ALL and split not in own]
    for split in (split for split in own if split in declared):
        counts = zip(dataset.classes, own[split], declared[split], strict=True)
        wrong = [f"{name} {count:,} instead of {expected:,}" for name, count, expected in counts if count != expected]
        if wrong:
            subject = "The counts" if split == ALL else f"The {split} counts"
            mismatches.append(f"{subject} are not the published ones: {', '.join(wrong)}.")
    if not set(own) <= set(declared):
        mismatches.append("Its splits are not the published ones.")
    return tuple(mismatches)


def check_order(dataset: Dataset, options: Mapping[str, Any]) -> None:
    """Raise UserError if the counts per class are the published ones in another order, and far from them."""
    declared, own = published_counts(dataset, options), class_counts(dataset)
    if not declared or set(own) != set(declared) or any(sorted(own[key]) != sorted(declared[key]) for key in own):
        return
    pairs = [pair for key in own for pair in zip(own[key], declared[key], strict=True)]
    if sum(abs(count - expected) for count, expected in pairs) > MAX_MOVED_SHARE * len(dataset):
        key = next(key for key in own if own[key] != declared[key])
        counts = zip(dataset.classes, own[key], declared[key], strict=True)
        wrong = [f"{name} {count:,} instead of {expected:,}" for name, count, expected in counts if count != expected]
        raise UserError(
            f"The classes of {options.get('title', dataset.name)} have the published counts in another order "
            f"({', '.join(wrong)}): the labels are of another list of classes. Write names instead of numbers, or "
            "rename the folders."
        )


def _count_labels(dataset: Dataset, mask: np.ndarray) -> tuple[int, ...]:
    return tuple(np.bincount(dataset.labels[mask], minlength=len(dataset.classes)).tolist())
