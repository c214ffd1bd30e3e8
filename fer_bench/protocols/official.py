"""The official split of a dataset, with and without its duplicates, and training across datasets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from fer_bench.core.splits import SPLITS
from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.duplicates import group_identical, not_duplicated
from fer_bench.protocols.fold import Fold, ProtocolNotApplicable
from fer_bench.protocols.registry import ARROW, register_protocol
from fer_bench.protocols.stratified import split_off_validation

VALIDATION_FROM_TRAINING = "validation cut from training"


@register_protocol("official", version=1)
def official(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """One fold: FER2013 is trained on Training, selected on PublicTest and predicted once on PrivateTest.

    If there is no official validation split, a tenth of training is split off for it, stratified and by whole subjects
    if they are known, and a badge says so.
    """
    fold = _official_fold(dataset, seed)
    yield replace(fold, no_duplicate=_test_not_duplicated(dataset, fold, group_identical(dataset.images)))


@register_protocol("official-dedup", version=1)
def official_dedup(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """The official split without training and validation images that are pixel-identical to a later split's.

    Duplicates of test images are removed from training and validation, because they reveal answers. Duplicates of
    validation images are removed from training, because they favor epochs that memorize. The test split stays complete,
    so that figures compare; its images without a duplicate elsewhere are also scored separately. Duplicates within a
    split stay.
    """
    fold, groups = _official_fold(dataset, seed), group_identical(dataset.images)
    validation = fold.validation[not_duplicated(groups, fold.validation, fold.test)]
    later = np.concatenate([fold.validation, fold.test])
    training = fold.training[not_duplicated(groups, fold.training, later)]
    for split, indices in (("training", training), ("validation", validation)):
        if len(indices) == 0:
            raise ProtocolNotApplicable(f"'{dataset.name}' has no {split} images without a duplicate in a later split.")
    yield replace(
        fold, training=training, validation=validation, no_duplicate=_test_not_duplicated(dataset, fold, groups)
    )


@register_protocol("cross", version=1)
def cross(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """Trained on one dataset and tested on the whole of another, with the classes of both: cross:TRAIN->TEST.

    The first dataset's official training and validation splits are used as in `official`, and its test split is not
    used. Without an official split, a tenth is split off for validation, stratified and by whole subjects if they are
    known. The other dataset's images are resized to the first's size.
    """
    if ARROW not in dataset.name:
        raise ProtocolNotApplicable(f"The protocol 'cross' requires two datasets, as in 'cross:{dataset.name}->jaffe'.")
    yield from official(dataset, seed)


def _official_fold(dataset: Dataset, seed: int) -> Fold:
    """Return the splits of `dataset.split`. Raises ProtocolNotApplicable if a required one is missing."""
    if dataset.split is None:
        raise ProtocolNotApplicable(f"The dataset '{dataset.name}' has no official split. {_other_protocols(dataset)}")
    training, validation, test = (np.flatnonzero(dataset.split == number) for number in range(len(SPLITS)))
    for split, indices in (("training", training), ("test", test)):
        if len(indices) == 0:
            raise ProtocolNotApplicable(
                f"The official split of '{dataset.name}' has no {split} images. {_other_protocols(dataset)}"
            )
    if len(validation):
        return Fold(training, validation, test)
    return Fold(*split_off_validation(dataset, training, seed), test, notes=(VALIDATION_FROM_TRAINING,))


def _other_protocols(dataset: Dataset) -> str:
    """Return a sentence on the protocols that split all images anew."""
    names = "loso, subject-kfold or holdout-80-10-10" if dataset.subjects is not None else "holdout-80-10-10 or kfold"
    return f"Name a protocol that splits all images: --protocol {names}."


def _test_not_duplicated(dataset: Dataset, fold: Fold, groups: np.ndarray) -> np.ndarray:
    return not_duplicated(groups, fold.test, np.setdiff1d(np.arange(len(dataset)), fold.test))
