"""What an audit finds in a dataset and in its parts under a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.audit.near_duplicates import near_duplicate_pairs
from fer_bench.protocols.duplicates import group_identical
from fer_bench.protocols.fold import SPLITS, Fold

NO_SPLIT = -1  # the part of a sample that a fold leaves out
TEST = SPLITS.index("test")


@dataclass(frozen=True)
class FoldFindings:
    """What is the matter with one fold; images are counted, not pairs of them.

    counts: (parts, classes) int, images. twin_tests, near_tests and twin_validations are indices into the dataset.
    """

    counts: np.ndarray
    num_unassigned: int
    groups_across_splits: int  # groups of identical images that lie in more than one part
    test_duplicates: np.ndarray  # test images with an identical one in training or validation
    test_near_duplicates: np.ndarray  # and those that have none, but a nearly identical one
    validation_duplicates: np.ndarray  # validation images with an identical one in training
    subjects_seen: dict[str, int]  # test images whose subject, or sequence, is in training or validation too
    subjects_in_training: dict[str, int]  # of those, the ones for which it is in training


@dataclass(frozen=True)
class Findings:
    """What is the matter with a dataset, and with each fold of a protocol."""

    dataset: Dataset
    protocol: str
    duplicates: list[np.ndarray]  # groups of pixel-identical images, as indices
    num_conflicting: int  # of them, those with more than one label
    near_duplicates: np.ndarray  # (pairs, 2) indices of nearly identical images, without the identical ones
    constant: np.ndarray  # indices of images of a single grey level
    folds: list[FoldFindings]
    notes: tuple[str, ...]  # of the protocol

    @property
    def num_redundant(self) -> int:
        """How many images could go without any picture being lost."""
        return sum(len(group) - 1 for group in self.duplicates)

    def total(self, what: str) -> int:
        """Images over all folds: of `tested`, `twin_tests`, `near_tests` or `twin_validations`."""
        if what == "tested":
            return int(sum(fold.counts[TEST].sum() for fold in self.folds))
        return sum(len(getattr(fold, what)) for fold in self.folds)


def audit(dataset: Dataset, protocol: str, folds: Sequence[Fold]) -> Findings:
    """Look for duplicates, conflicting labels, empty images, and what the parts of each fold share.

    Of sequences, the last frame is what is compared for being nearly identical.
    """
    groups = group_identical(dataset.images)
    pixels = dataset.images.reshape(len(dataset), -1)
    twins = _groups(groups)
    near = _near(dataset, groups)
    return Findings(
        dataset=dataset,
        protocol=protocol,
        duplicates=twins,
        num_conflicting=sum(len(np.unique(dataset.labels[group])) > 1 for group in twins),
        near_duplicates=near,
        constant=np.flatnonzero(pixels.min(axis=1) == pixels.max(axis=1)),
        folds=[_fold(dataset, fold, groups, near) for fold in folds],
        notes=tuple(dict.fromkeys(remark for fold in folds for remark in fold.notes)),
    )


def split_numbers(dataset: Dataset, fold: Fold) -> np.ndarray:
    """The number in PARTS of each sample's part, NOWHERE for those left out: (samples,) int64."""
    parts = np.full(len(dataset), NO_SPLIT, np.int64)
    for number, name in enumerate(SPLITS):
        parts[getattr(fold, name)] = number
    return parts


def _groups(groups: np.ndarray) -> list[np.ndarray]:
    """The groups of two or more, as indices."""
    order = np.argsort(groups, kind="stable")
    found = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return [group for group in found if len(group) > 1]


def _near(dataset: Dataset, groups: np.ndarray) -> np.ndarray:
    """Nearly identical pairs: of each group of identical images with every member of the other one's."""
    images = dataset.images[:, -1] if dataset.images.ndim == 4 else dataset.images
    _, first = np.unique(groups, return_index=True)
    pairs = first[near_duplicate_pairs(np.asarray(images)[first])]
    members = {int(groups[group[0]]): group for group in _groups(groups)}
    return np.array(
        [
            (i, j)
            for one, other in pairs.tolist()
            for i in members.get(int(groups[one]), [one])
            for j in members.get(int(groups[other]), [other])
        ],
        dtype=np.int64,
    ).reshape(-1, 2)


def _fold(dataset: Dataset, fold: Fold, groups: np.ndarray, near: np.ndarray) -> FoldFindings:
    parts = split_numbers(dataset, fold)
    earlier = np.concatenate([fold.training, fold.validation])
    twin_tests = fold.test[np.isin(groups[fold.test], groups[earlier])]
    both = np.concatenate([near, near[:, ::-1]])
    near_tests = np.unique(both[(parts[both[:, 0]] == TEST) & np.isin(parts[both[:, 1]], (0, 1)), 0])
    kinds = {kind: names for kind in ("subjects", "sequences") if (names := getattr(dataset, kind)) is not None}
    return FoldFindings(
        counts=np.stack([np.bincount(dataset.labels[parts == p], minlength=len(dataset.classes)) for p in range(3)]),
        num_unassigned=int((parts == NO_SPLIT).sum()),
        groups_across_splits=_spanning(groups, parts),
        test_duplicates=twin_tests,
        test_near_duplicates=np.setdiff1d(near_tests, twin_tests),
        validation_duplicates=fold.validation[np.isin(groups[fold.validation], groups[fold.training])],
        subjects_seen={kind: int(np.isin(names[fold.test], names[earlier]).sum()) for kind, names in kinds.items()},
        subjects_in_training={kind: int(np.isin(names[fold.test], names[fold.training]).sum()) for kind, names in kinds.items()},
    )


def _spanning(groups: np.ndarray, parts: np.ndarray) -> int:
    """How many groups lie in more than one part."""
    inside = parts != NO_SPLIT
    pairs = np.unique(np.stack([groups[inside], parts[inside]]), axis=1)
    return int((np.bincount(pairs[0]) > 1).sum())
