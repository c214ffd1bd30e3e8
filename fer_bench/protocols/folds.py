"""Protocols for datasets without an official split: several folds, or the first of them alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.fold import Fold, ProtocolNotApplicable
from fer_bench.protocols.registry import register_protocol
from fer_bench.protocols.stratified import NUM_FOLDS, assign_folds, get_groups, split_off_validation


@register_protocol("holdout-80-10-10", version=1)
def holdout(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """One fold: 80 % training, 10 % validation, 10 % test, stratified by class; ignores an official split.

    Whole subjects, or else sequences, stay together if they are known: the first fold of `kfold`.
    """
    yield next(kfold(dataset, seed))


@register_protocol("kfold", version=1)
def kfold(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """Ten folds, stratified by class; each sample is tested once and used for validation once.

    Whole subjects, or else sequences, stay together if they are known.
    """
    yield from _folds(dataset, seed)


@register_protocol("subject-kfold", version=1)
def subject_kfold(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """Ten folds, no subject in two splits, stratified by class as well as that allows: for CK+."""
    _require_subjects(dataset, "subject-kfold")
    yield from _folds(dataset, seed)


@register_protocol("image-kfold", version=1)
def image_kfold(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """Ten folds by image, the same subjects in training and test: leaky, to reproduce much of the CK+ literature.

    The images of a subject and class are spread over the folds. So all of CK+'s test images have their subject in
    training; in random folds, almost all have.
    """
    if get_groups(dataset) is None:
        raise ProtocolNotApplicable(
            f"The protocol 'image-kfold' separates images of one subject, but the subjects of '{dataset.name}' are "
            "unknown. Use kfold."
        )
    kind = "subjects" if dataset.subjects is not None else "sequences"
    yield from _folds(dataset, seed, by_image=True, notes=(f"leaky: same {kind} in training and test",))


@register_protocol("loso", version=1)
def loso(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """Leave one subject out: one fold per subject; a tenth of the other subjects (at least one) validate; for JAFFE."""
    subjects = _require_subjects(dataset, "loso")
    names = np.unique(subjects)
    if len(names) < 3:
        raise ProtocolNotApplicable(
            f"The protocol 'loso' requires at least three subjects, but '{dataset.name}' has {len(names)}."
        )
    for name in names:
        is_test = subjects == name
        yield Fold(*split_off_validation(dataset, np.flatnonzero(~is_test), seed), np.flatnonzero(is_test))


def _folds(dataset: Dataset, seed: int, by_image: bool = False, notes: tuple[str, ...] = ()) -> Iterator[Fold]:
    numbers = assign_folds(dataset, np.arange(len(dataset)), NUM_FOLDS, seed, by_image)
    for test in range(NUM_FOLDS):
        # Far from the test fold, so that the class counts in training also differ by at most one.
        validation = (test + NUM_FOLDS // 2) % NUM_FOLDS
        training = np.flatnonzero((numbers != test) & (numbers != validation))
        yield Fold(training, np.flatnonzero(numbers == validation), np.flatnonzero(numbers == test), notes=notes)


def _require_subjects(dataset: Dataset, protocol: str) -> np.ndarray:
    if dataset.subjects is None:
        raise ProtocolNotApplicable(
            f"The protocol '{protocol}' requires subjects, but those of '{dataset.name}' are unknown. Use "
            "holdout-80-10-10 or kfold."
        )
    return dataset.subjects
