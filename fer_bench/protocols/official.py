"""The split that a dataset's authors gave, as it is and without the twins in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fer_bench.datasets.dataset import SPLITS, Dataset
from fer_bench.protocols.duplicates import group_identical, not_duplicated
from fer_bench.protocols.fold import Fold, ProtocolNotApplicable
from fer_bench.protocols.registry import ARROW, register_protocol
from fer_bench.protocols.stratified import split_off_validation

CUT = "validation cut from training"


@register_protocol("official", version=1)
def official(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """One fold: FER2013 is fitted on Training, selected on PublicTest and predicted once on PrivateTest.

    Where the authors gave no validation part, a tenth of training is cut off for it, stratified and by whole subjects
    where they are known, and a badge says so.
    """
    fold = _parts(dataset, seed)
    yield replace(fold, no_duplicate=not_duplicated(group_identical(dataset.images), fold.test, _others(dataset, fold)))


@register_protocol("official-dedup", version=1)
def official_dedup(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """The official split without training and validation images that are pixel-identical to a later part's.

    A twin of a test image leaves training and validation, since it gives an answer away; a twin of a validation image
    leaves training, since it would favour the epochs that know it by heart. The test stays whole, so that figures
    compare; its images without a twin outside it are scored on their own too. Twins within a part stay.
    """
    fold, groups = _parts(dataset, seed), group_identical(dataset.images)
    clean = not_duplicated(groups, fold.test, _others(dataset, fold))
    validation = fold.validation[not_duplicated(groups, fold.validation, fold.test)]
    later = np.concatenate([fold.validation, fold.test])
    training = fold.training[not_duplicated(groups, fold.training, later)]
    for name, part in (("training", training), ("validation", validation)):
        if len(part) == 0:
            raise ProtocolNotApplicable(f"'{dataset.name}' has no {name} images without a twin in a later part.")
    yield replace(fold, training=training, validation=validation, clean=clean)


@register_protocol("cross", version=1)
def cross(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """Fitted on one dataset and predicted on the whole of another, over the classes of both: cross:TRAIN->TEST.

    Of the first, its official training part is fitted and its official validation part selects, as in `official`, and
    its test part is left alone; without an official split a tenth is cut off for validation, stratified and by whole
    subjects where they are known. The other one's images are resized to the size of the first's.
    """
    if ARROW not in dataset.name:
        raise ProtocolNotApplicable(f"The protocol 'cross' takes two datasets, as in 'cross:{dataset.name}->jaffe'.")
    fold = _parts(dataset, seed)
    yield replace(fold, no_duplicate=not_duplicated(group_identical(dataset.images), fold.test, _others(dataset, fold)))


def _parts(dataset: Dataset, seed: int) -> Fold:
    """The parts that the dataset's split names. DoesNotFit where one is missing that cannot be cut."""
    if dataset.split is None:
        raise ProtocolNotApplicable(f"The dataset '{dataset.name}' has no official split.")
    training, validation, test = (np.flatnonzero(dataset.split == part) for part in range(len(SPLITS)))
    for name, part in (("training", training), ("test", test)):
        if len(part) == 0:
            raise ProtocolNotApplicable(
                f"The dataset '{dataset.name}' has no {name} images, which the official protocol needs."
            )
    if len(validation):
        return Fold(training, validation, test)
    return Fold(*split_off_validation(dataset, training, seed), test, notes=(CUT,))


def _others(dataset: Dataset, fold: Fold) -> np.ndarray:
    return np.setdiff1d(np.arange(len(dataset)), fold.test)
