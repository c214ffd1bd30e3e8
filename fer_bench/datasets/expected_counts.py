"""A copy's counts beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fer_bench.datasets.dataset import SPLITS, Dataset
from fer_bench.datasets.emotions import count_notes

WHOLE = "all"  # the part of a dataset without an official split

Counts = dict[str, tuple[int, ...]]  # part → images of each class


def counts(dataset: Dataset) -> Counts:
    """Part → how many of each class, for the parts that hold any."""
    if dataset.split is None:
        return {WHOLE: _per_class(dataset, np.ones(len(dataset), bool))}
    members = {name: dataset.split == part for part, name in enumerate(SPLITS)}
    return {name: _per_class(dataset, among) for name, among in members.items() if among.any()}


def published(dataset: Dataset, options: Mapping[str, Any]) -> Counts:
    """The counts that a dataset's entry declares, by part or by class alone; empty where there are none.

    Where a copy has no validation part and more test images than were published, its test part is held against both.
    """
    declared = options.get("counts") or {}
    if not declared or set(declared) <= {WHOLE, *SPLITS}:
        declared, own = dict(declared), counts(dataset)
        if {"validation", "test"} <= set(declared) and "validation" not in own:
            validation, test = declared["validation"], declared["test"]
            if sum(own.get("test", ())) > sum(test):
                del declared["validation"]
                declared["test"] = tuple(map(sum, zip(validation, test, strict=True)))
        return declared
    return {WHOLE: tuple(declared.get(name, 0) for name in dataset.classes)}


def differences(dataset: Dataset, options: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Sentences on where the counts are not the published ones; None where none are declared."""
    declared, own = published(dataset, options), counts(dataset)
    if not declared:
        return None
    told = [f"There are no {part} images." for part in declared if part != WHOLE and part not in own]
    for part in (part for part in own if part in declared):
        labels = np.repeat(np.arange(len(dataset.classes)), own[part])
        told += count_notes(labels, dataset.classes, declared[part], "" if part == WHOLE else f"{part} ")
    if not set(own) <= set(declared):
        told.append("Its parts are not the published ones.")
    return tuple(told)


def _per_class(dataset: Dataset, among: np.ndarray) -> tuple[int, ...]:
    return tuple(np.bincount(dataset.labels[among], minlength=len(dataset.classes)).tolist())
