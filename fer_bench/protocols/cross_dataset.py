"""Two datasets as one, for training on the first and testing on the other."""

from __future__ import annotations

import hashlib

import numpy as np

from fer_bench.datasets import DataConfig
from fer_bench.datasets.dataset import SPLITS, Dataset
from fer_bench.datasets.emotions import canonical
from fer_bench.datasets.face_crop import load as preparation
from fer_bench.datasets.faces import opencv
from fer_bench.protocols.fold import ProtocolNotApplicable
from fer_bench.protocols.registry import ARROW, source_datasets

TEST = SPLITS.index("test")
VERSION = 1  # raised when the pooling changes; part of the fingerprint


def load(data: str, places: DataConfig) -> Dataset:
    """The dataset of that name, or for TRAIN->TEST the two as one. UserError as in `preparation.load`."""
    loaded = [preparation.load(name, places) for name in source_datasets(data)]
    return loaded[0] if len(loaded) == 1 else concatenate(*loaded)


def concatenate(train: Dataset, test: Dataset) -> Dataset:
    """The samples of two datasets in the classes that both have, in the first one's order and size.

    Of the first, the official training and validation parts where it has a split, else all of it, as training; the
    whole of the other is the test part. ids, subjects and sequences bear their dataset's name. A subject that is not
    known is one for each sample. The fingerprint is made from both. DoesNotFit where fewer than two classes are shared,
    or one holds images and the other one sequences.
    """
    name = f"{train.name}{ARROW}{test.name}"
    if train.images.ndim != test.images.ndim or train.images.shape[1:-2] != test.images.shape[1:-2]:
        raise ProtocolNotApplicable(f"'{name}': one holds images and the other sequences, or their lengths differ.")
    known = {_meaning(c) for c in test.classes}
    classes = tuple(dict.fromkeys(c for c in train.classes if _meaning(c) in known))
    if len(classes) < 2:
        raise ProtocolNotApplicable(f"'{name}': fewer than two classes in common ({', '.join(classes) or 'none'}).")
    ours = _Part(train, classes, np.ones(len(train), bool) if train.split is None else train.split != TEST)
    theirs = _Part(test, classes, np.ones(len(test), bool))
    resized = _resized(theirs.images, train.images.shape[-2:])
    split = np.zeros(len(ours.labels), np.int8) if train.split is None else train.split[ours.kept]
    parts = (ours, theirs)
    return Dataset(
        name=name,
        images=np.concatenate([ours.images, resized]),
        labels=np.concatenate([part.labels for part in parts]),
        ids=np.concatenate([part.named(part.source.ids) for part in parts]),
        classes=classes,
        fingerprint=_fingerprint(train, test),
        split=np.concatenate([split, np.full(len(theirs.labels), TEST, np.int8)]),
        subjects=_names("subjects", parts),
        sequences=_names("sequences", parts),
        notes=(*(f"{source.name}: {note}" for source in (train, test) for note in source.notes), *_left_out(parts)),
    )


class _Part:
    """Those samples of one dataset that go into the pool."""

    def __init__(self, source: Dataset, classes: tuple[str, ...], wanted: np.ndarray) -> None:
        meanings = [_meaning(c) for c in classes]
        numbers = np.array([meanings.index(_meaning(c)) if _meaning(c) in meanings else -1 for c in source.classes])
        labels = numbers[source.labels]
        self.source = source
        self.kept = np.flatnonzero(wanted & (labels >= 0))
        self.labels = labels[self.kept].astype(np.int64)
        self.images = source.images[self.kept]
        self.unshared = [c for c, number in zip(source.classes, numbers, strict=True) if number < 0]

    def named(self, names: np.ndarray | None) -> np.ndarray:
        """Names of the kept samples with the dataset's before them; their ids where there are none."""
        chosen = (self.source.ids if names is None else names)[self.kept]
        return np.array([f"{self.source.name}/{name}" for name in chosen], dtype=np.str_)


def _meaning(name: str) -> str:
    return canonical(name) or name.strip().lower()


def _names(kind: str, parts: tuple[_Part, ...]) -> np.ndarray | None:
    given = [getattr(part.source, kind) for part in parts]
    if all(names is None for names in given):
        return None
    return np.concatenate([part.named(names) for part, names in zip(parts, given, strict=True)])


def _left_out(parts: tuple[_Part, ...]) -> list[str]:
    told = [f"{', '.join(part.unshared)} of {part.source.name}" for part in parts if part.unshared]
    return [f"{' and '.join(told)} left out: only one of the two has such images."] if told else []


def _resized(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Images or sequences at another height and width; area means downwards, linear upwards."""
    height, width = size
    if images.shape[-2:] == (height, width):
        return images
    cv2 = opencv()
    smaller = min(images.shape[-2:]) >= min(size)
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    flat = images.reshape(-1, *images.shape[-2:])
    result = np.empty((len(flat), height, width), np.uint8)
    for index, image in enumerate(flat):
        result[index] = cv2.resize(image, (width, height), interpolation=method)
    return result.reshape(*images.shape[:-2], height, width)


def _fingerprint(train: Dataset, test: Dataset) -> str:
    return hashlib.sha256(f"pool {VERSION} {train.fingerprint} {test.fingerprint}".encode()).hexdigest()
