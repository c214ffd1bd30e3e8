"""Some of a dataset's classes under a protocol, for models that do not have the others."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.subset import Subset
from fer_bench.protocols.fold import Fold

MAX_TITLE_LENGTH = 80  # characters of the class names in a title
_SUBSET = re.compile(r" \((\d+ of \d+ classes): .*\)$")


def restrict(
    dataset: Dataset, folds: Sequence[Fold], title: str, classes: Sequence[int]
) -> tuple[Dataset, list[Fold], str]:
    """Return the images of some classes, the same folds of these images, and a title that names the classes.

    A fold stays as it is except for the images of other classes. Folds without a test image of these classes are
    skipped.

    Args:
        dataset: The dataset.
        folds: Its folds.
        title: The protocol's title.
        classes: Indices into the dataset's classes, ascending.

    Raises:
        UserError: No test image has one of the classes.
    """
    numbers = np.full(len(dataset.classes), -1)
    numbers[list(classes)] = np.arange(len(classes))
    kept = np.flatnonzero(numbers[dataset.labels] >= 0)
    names = tuple(dataset.classes[i] for i in classes)
    restricted = [one for one in (_restrict_fold(fold, kept) for fold in folds) if len(one.test)]
    if not restricted:
        raise UserError(f"'{dataset.name}' has no test image of the classes {', '.join(names)}.")
    count = f"{len(names)} of {len(dataset.classes)} classes"
    num_test, of_all = (sum(len(fold.test) for fold in some) for some in (restricted, folds))
    note = f"Only images of {count} are scored ({', '.join(names)}): {num_test:,} of {of_all:,} test images."
    data = replace(
        dataset,
        images=cast(np.ndarray, Subset(dataset.images, kept)),
        labels=numbers[dataset.labels[kept]].astype(np.int64),
        ids=dataset.ids[kept],
        classes=names,
        split=_select(dataset.split, kept),
        subjects=_select(dataset.subjects, kept),
        soft_labels=None,
        sequences=_select(dataset.sequences, kept),
        notes=(*dataset.notes, note),
    )
    return data, restricted, f"{title} ({count}: {_listed(names)})"


def whole_protocol(title: str) -> tuple[str, str]:
    """Split the title of a protocol into that for all classes and `5 of 7 classes`, which is empty for all classes."""
    found = _SUBSET.search(title)
    return (title[: found.start()], found[1]) if found else (title, "")


def _select(values: np.ndarray | None, kept: np.ndarray) -> np.ndarray | None:
    return None if values is None else values[kept]


def _restrict_fold(fold: Fold, kept: np.ndarray) -> Fold:
    """Return a fold of the samples `kept`, as indices into them."""
    masks = {split: np.isin(getattr(fold, split), kept) for split in SPLITS}
    splits = {split: np.searchsorted(kept, getattr(fold, split)[mask]) for split, mask in masks.items()}
    no_duplicate = None if fold.no_duplicate is None else fold.no_duplicate[masks["test"]]
    return replace(fold, **splits, no_duplicate=no_duplicate)


def _listed(names: Sequence[str]) -> str:
    """Return the names without commas, which separate protocols; many names as the first ones and a digest of all."""
    text = " ".join(names)
    if len(text) <= MAX_TITLE_LENGTH:
        return text
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]
    return f"{text[:MAX_TITLE_LENGTH].rpartition(' ')[0]} … {digest}"
