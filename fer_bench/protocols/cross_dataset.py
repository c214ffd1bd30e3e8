"""Two datasets as one, for training on the first and testing on the other."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np

from fer_bench.core.splits import SPLITS
from fer_bench.datasets import DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import canonical_label
from fer_bench.datasets.face_crop import load as face_crop
from fer_bench.datasets.images import resize
from fer_bench.protocols.fold import Fold, ProtocolNotApplicable
from fer_bench.protocols.registry import (
    ARROW,
    CROSS_PREFIX,
    SPLIT_SEED,
    expand_protocols,
    folds,
    source_datasets,
    title,
)

TEST = SPLITS.index("test")
VERSION = 1  # raised when `concatenate` gives other samples; part of the fingerprint


def load(data: str, data_config: DataConfig) -> Dataset:
    """Return the dataset of that name, or for TRAIN->TEST the two as one. Raises UserError as `face_crop.load`."""
    datasets = [face_crop.load(name, data_config) for name in source_datasets(data)]
    return datasets[0] if len(datasets) == 1 else concatenate(*datasets)


def load_folds(
    name: str | None, protocol: str, data_config: DataConfig, seed: int = SPLIT_SEED
) -> tuple[Dataset, list[Fold], str]:
    """Return a dataset, or the two of the protocol cross:TRAIN->TEST as one, its folds and the protocol's title.

    Raises:
        ProtocolNotApplicable: The protocol does not apply to the dataset.
        UserError: The protocol is unknown, or the dataset or a split file cannot be read.
    """
    (expanded,) = expand_protocols([name] if name and not protocol.startswith(CROSS_PREFIX) else [], [protocol])
    dataset = load(expanded.data, data_config)
    return dataset, folds(expanded.protocol, dataset, seed), title(expanded.protocol)


def concatenate(train: Dataset, test: Dataset) -> Dataset:
    """Return the samples of two datasets in their common classes, with the first's class order and image size.

    The first dataset gives its official training and validation splits, or all samples as training. All samples of the
    other one are the test split. Ids, subjects and sequences get the dataset's name as a prefix. If only one dataset
    has subjects or sequences, each sample of the other is a group of its own.

    Raises:
        ProtocolNotApplicable: Fewer than two classes are common, or one dataset has images and the other sequences.
    """
    name = f"{train.name}{ARROW}{test.name}"
    if train.images.ndim != test.images.ndim or train.images.shape[1:-2] != test.images.shape[1:-2]:
        raise ProtocolNotApplicable(f"'{name}': one has images and the other sequences, or their lengths differ.")
    known = {canonical_label(c) for c in test.classes}
    classes = tuple(dict.fromkeys(c for c in train.classes if canonical_label(c) in known))
    if len(classes) < 2:
        raise ProtocolNotApplicable(f"'{name}': fewer than two classes in common ({', '.join(classes) or 'none'}).")
    first = _Selection(train, classes, np.ones(len(train), bool) if train.split is None else train.split != TEST)
    second = _Selection(test, classes, np.ones(len(test), bool))
    selections = (first, second)
    split = np.zeros(len(first.labels), np.int8) if train.split is None else train.split[first.indices]
    return Dataset(
        name=name,
        images=np.concatenate([first.images, _resize(second.images, *train.images.shape[-2:])]),
        labels=np.concatenate([selection.labels for selection in selections]),
        ids=np.concatenate([selection.prefixed(selection.source.ids) for selection in selections]),
        classes=classes,
        fingerprint=_fingerprint(train, test),
        split=np.concatenate([split, np.full(len(second.labels), TEST, np.int8)]),
        subjects=_concatenate_names("subjects", selections),
        sequences=_concatenate_names("sequences", selections),
        notes=(*(f"{source.name}: {note}" for source in (train, test) for note in source.notes), *_skipped(selections)),
    )


class _Selection:
    """The samples of one dataset in the common classes."""

    def __init__(self, source: Dataset, classes: tuple[str, ...], selected: np.ndarray) -> None:
        common = [canonical_label(c) for c in classes]
        numbers = np.array([common.index(c) if c in common else -1 for c in map(canonical_label, source.classes)])
        labels = numbers[source.labels]
        self.source = source
        self.indices = np.flatnonzero(selected & (labels >= 0))
        self.labels = labels[self.indices].astype(np.int64)
        self.images = source.images[self.indices]
        self.skipped_classes = [c for c, number in zip(source.classes, numbers, strict=True) if number < 0]

    def prefixed(self, names: np.ndarray | None) -> np.ndarray:
        """Return the names of the selected samples, or else their ids, with the dataset's name as a prefix."""
        selected = (self.source.ids if names is None else names)[self.indices]
        return np.array([f"{self.source.name}/{name}" for name in selected], dtype=np.str_)


def _concatenate_names(kind: Literal["subjects", "sequences"], selections: Sequence[_Selection]) -> np.ndarray | None:
    names = [getattr(selection.source, kind) for selection in selections]
    if all(values is None for values in names):
        return None
    return np.concatenate([one.prefixed(values) for one, values in zip(selections, names, strict=True)])


def _skipped(selections: Sequence[_Selection]) -> list[str]:
    classes = [f"{', '.join(one.skipped_classes)} of {one.source.name}" for one in selections if one.skipped_classes]
    return [f"Skipped {' and '.join(classes)}: only one of the two datasets has such images."] if classes else []


def _resize(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize images or sequences."""
    if images.shape[-2:] == (height, width):
        return images
    resized = [resize(image, height, width) for image in images.reshape(-1, *images.shape[-2:])]
    return np.array(resized, np.uint8).reshape(*images.shape[:-2], height, width)


def _fingerprint(train: Dataset, test: Dataset) -> str:
    # The hashed text is part of every recorded trial: keep it.
    return hashlib.sha256(f"pool {VERSION} {train.fingerprint} {test.fingerprint}".encode()).hexdigest()
