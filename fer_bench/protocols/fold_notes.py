"""What is wrong with the folds of any protocol: classes that a split lacks, and subjects in training and test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fer_bench.core.splits import SPLITS
from fer_bench.core.text import list_first, plural
from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.fold import Fold
from fer_bench.protocols.stratified import get_groups

MAX_LISTED = 3


def with_notes(dataset: Dataset, folds: Sequence[Fold]) -> list[Fold]:
    """Return the folds with further notes, which become badges: absent classes and shared subjects."""
    absent = tuple(
        f"no {list_first(list(counts), MAX_LISTED)} in {split}{_folds_phrase(counts, len(folds))}"
        for split, counts in absent_classes(dataset, folds).items()
        if counts
    )
    return [
        replace(fold, notes=tuple(dict.fromkeys((*fold.notes, *_leak_note(dataset, fold), *absent)))) for fold in folds
    ]


def absent_classes(dataset: Dataset, folds: Sequence[Fold]) -> dict[str, dict[str, int]]:
    """Return split → class that it lacks → number of folds in which it does.

    With several folds, the test splits count together, because they are scored together, and validation is not counted.
    """
    present = {split: [_classes_in(dataset, getattr(fold, split)) for fold in folds] for split in SPLITS}
    if len(folds) > 1:
        present["validation"] = []
        present["test"] = [set().union(*present["test"])]
    counts = {
        split: Counter(c for own in found for c in set(dataset.classes) - own) for split, found in present.items()
    }
    return {split: {c: counts[split][c] for c in dataset.classes if counts[split][c]} for split in SPLITS}


def describe_problems(dataset: Dataset, folds: Sequence[Fold]) -> list[str]:
    """Return sentences on absent classes, with the numbers of their images, and on subjects in training and test."""
    totals = dict(zip(dataset.classes, np.bincount(dataset.labels, minlength=len(dataset.classes)), strict=True))
    kind = "subjects" if dataset.subjects is not None else "sequences"
    sentences = []
    if any(_leak_note(dataset, fold) for fold in folds):
        other = "loso or subject-kfold" if dataset.subjects is not None else "kfold"
        sentences.append(f"the same {kind} are in training and test, which flatters models. {other} keeps them apart.")
    for split, counts in absent_classes(dataset, folds).items():
        if counts:
            named = [f"{name} ({plural(int(totals[name]), 'image')} in all)" for name in counts]
            where = f"{split}{_folds_phrase(counts, len(folds))}"
            effect = ": a class that is never trained is never predicted" if split == "training" else ""
            sentences.append(f"no {list_first(named, MAX_LISTED)} in {where}{effect}.")
    return sentences


def _classes_in(dataset: Dataset, indices: np.ndarray) -> set[str]:
    return {dataset.classes[label] for label in np.unique(dataset.labels[indices])}


def _folds_phrase(counts: dict[str, int], num_folds: int) -> str:
    """Return in how many folds of several a class is absent; nothing for all of them, as for one fold."""
    highest = max(counts.values())
    return f" of {highest} of {num_folds} folds" if num_folds > 1 and 0 < highest < num_folds else ""


def _leak_note(dataset: Dataset, fold: Fold) -> tuple[str, ...]:
    groups = get_groups(dataset)
    if groups is None or not np.isin(groups[fold.test], groups[fold.training]).any():
        return ()
    kind = "subjects" if dataset.subjects is not None else "sequences"
    return (f"leaky: same {kind} in training and test",)
