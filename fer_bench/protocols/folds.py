"""Splits of our own, for datasets whose authors gave none: several folds, or the first of them alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.fold import Fold, ProtocolNotApplicable
from fer_bench.protocols.registry import register_protocol
from fer_bench.protocols.stratified import NUM_FOLDS, assign_folds, get_groups, split_off_validation


@register_protocol("holdout-80-10-10", version=1)
def holdout(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """One fold: 80 % training, 10 % validation, 10 % test, each class in the same shares; any official split is put by.

    Whole subjects, or sequences, stay together where they are known: the first fold of `kfold`.
    """
    yield next(kfold(dataset, seed))


@register_protocol("kfold", version=1)
def kfold(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """Ten folds, each class in the same shares in all of them; each sample is tested once and validates once.

    Whole subjects, or sequences, stay together where they are known.
    """
    yield from _folds(dataset, seed)


@register_protocol("subject-kfold", version=1)
def subject_kfold(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """Ten folds, no person in two parts, each class in the same shares as well as that allows: for CK+."""
    _need_subjects(dataset, "subject-kfold")
    yield from _folds(dataset, seed)


@register_protocol("image-kfold", version=1)
def image_kfold(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """Ten folds by image, the same persons in training and test: leaky, to reproduce much of the CK+ literature.

    Each person's images of a class are dealt out over the folds, so that all of CK+'s test images have their person in
    training; drawn blindly, all but a few do.
    """
    if get_groups(dataset) is None:
        raise ProtocolNotApplicable(
            f"The protocol 'image-kfold' tears subjects apart, and those of '{dataset.name}' are not known: take kfold."
        )
    torn = "persons" if dataset.subjects is not None else "sequences"
    yield from _folds(dataset, seed, images=True, remarks=(f"leaky: same {torn} in training and test",))


@register_protocol("loso", version=1)
def loso(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """Leave one subject out: a fold for each person, a tenth of the others (one at least) validates; for JAFFE."""
    _need_subjects(dataset, "loso")
    persons = np.unique(dataset.subjects)
    if len(persons) < 3:
        raise ProtocolNotApplicable(
            f"The protocol 'loso' needs three subjects or more, and '{dataset.name}' has {len(persons)}."
        )
    for person in persons:
        tested = dataset.subjects == person
        yield Fold(*split_off_validation(dataset, np.flatnonzero(~tested), seed), np.flatnonzero(tested))


def _folds(dataset: Dataset, seed: int, images: bool = False, remarks: tuple[str, ...] = ()) -> Iterator[Fold]:
    parts = assign_folds(dataset, np.arange(len(dataset)), NUM_FOLDS, seed, images)
    for number in range(NUM_FOLDS):
        # The part that validates is far from the tested one: so the shares of a class in training stay within one too.
        validates = (number + NUM_FOLDS // 2) % NUM_FOLDS
        training = np.flatnonzero((parts != number) & (parts != validates))
        yield Fold(training, np.flatnonzero(parts == validates), np.flatnonzero(parts == number), notes=remarks)


def _need_subjects(dataset: Dataset, protocol: str) -> None:
    if dataset.subjects is None:
        raise ProtocolNotApplicable(
            f"The protocol '{protocol}' needs to know the subjects, and '{dataset.name}' names none."
        )
