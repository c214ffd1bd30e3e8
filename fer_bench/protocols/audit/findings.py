"""What an audit finds in a dataset and in its splits under a protocol."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from fer_bench.core.splits import SPLITS
from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.audit.near_duplicates import NearDuplicate, find_near_duplicates
from fer_bench.protocols.duplicates import group_identical
from fer_bench.protocols.fold import Fold

NO_SPLIT = -1  # the split number of a sample that is in no split
TEST = SPLITS.index("test")
TRAINING, VALIDATION = SPLITS.index("training"), SPLITS.index("validation")
FoldIndices = Literal["test_duplicates", "test_near_duplicates", "validation_duplicates", "validation_near_duplicates"]


@dataclass(frozen=True)
class FoldFindings:
    """Findings on one fold; indices are into the dataset.

    Attributes:
        counts: Number of images, (splits, classes) int.
        num_unassigned: Number of images in no split.
        groups_across_splits: Number of groups of identical images in more than one split.
        test_duplicates: Indices of test images with an identical image in training or validation.
        test_near_duplicates: Indices of the other test images that have a near duplicate there.
        num_near_in_training: Number of those whose near duplicate is in training.
        near_changes: Number of those by kind of change; a near duplicate may have several.
        validation_duplicates: Indices of validation images with an identical image in training.
        validation_near_duplicates: Indices of the other validation images that have a near duplicate in training.
        subjects_seen: Number of test images whose subject (or sequence) is in training or validation, by `subjects` or
            `sequences`.
        subjects_in_training: Number of those whose subject (or sequence) is in training.
    """

    counts: np.ndarray
    num_unassigned: int
    groups_across_splits: int
    test_duplicates: np.ndarray
    test_near_duplicates: np.ndarray
    num_near_in_training: int
    near_changes: dict[str, int]
    validation_duplicates: np.ndarray
    validation_near_duplicates: np.ndarray
    subjects_seen: dict[str, int]
    subjects_in_training: dict[str, int]


@dataclass(frozen=True)
class Findings:
    """Findings on a dataset and on each fold of a protocol.

    Attributes:
        dataset: The dataset.
        protocol: Name of the protocol.
        duplicates: Groups of pixel-identical images, as indices.
        num_conflicting: Number of groups with more than one label.
        near_duplicates: Pairs of changed copies in different splits of a fold.
        constant: Indices of images with a single gray level.
        folds: Findings on each fold.
        notes: Notes of the folds, without repetitions.
    """

    dataset: Dataset
    protocol: str
    duplicates: list[np.ndarray]
    num_conflicting: int
    near_duplicates: list[NearDuplicate]
    constant: np.ndarray
    folds: list[FoldFindings]
    notes: tuple[str, ...]

    @property
    def num_redundant(self) -> int:
        """Number of images that could be removed with one of each group remaining."""
        return sum(len(group) - 1 for group in self.duplicates)

    @property
    def num_tested(self) -> int:
        """Number of test images over all folds."""
        return int(sum(fold.counts[TEST].sum() for fold in self.folds))

    def total(self, name: FoldIndices) -> int:
        """Return the number of images over all folds in one of the arrays of `FoldFindings`."""
        return sum(len(getattr(fold, name)) for fold in self.folds)


def audit(dataset: Dataset, protocol: str, folds: Sequence[Fold]) -> Findings:
    """Search for duplicates, conflicting labels, empty images, and for what the splits of each fold share.

    Sequences are compared by their last frame when near duplicates are searched.
    """
    groups = group_identical(dataset.images)
    pixels = dataset.images.reshape(len(dataset), -1)
    duplicates = _duplicate_groups(groups)
    near_duplicates = _near_duplicates(dataset, groups, folds)
    return Findings(
        dataset=dataset,
        protocol=protocol,
        duplicates=duplicates,
        num_conflicting=sum(len(np.unique(dataset.labels[group])) > 1 for group in duplicates),
        near_duplicates=near_duplicates,
        constant=np.flatnonzero(pixels.min(axis=1) == pixels.max(axis=1)),
        folds=[_audit_fold(dataset, fold, groups, near_duplicates) for fold in folds],
        notes=tuple(dict.fromkeys(note for fold in folds for note in fold.notes)),
    )


def split_numbers(dataset: Dataset, fold: Fold) -> np.ndarray:
    """Return the index in SPLITS of each sample's split, or NO_SPLIT: (samples,) int64."""
    numbers = np.full(len(dataset), NO_SPLIT, np.int64)
    for number, split in enumerate(SPLITS):
        numbers[getattr(fold, split)] = number
    return numbers


def _duplicate_groups(groups: np.ndarray) -> list[np.ndarray]:
    """Return the groups of two or more images, as indices."""
    order = np.argsort(groups, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return [group for group in members if len(group) > 1]


def _near_duplicates(dataset: Dataset, groups: np.ndarray, folds: Sequence[Fold]) -> list[NearDuplicate]:
    """Return near duplicates in different splits of a fold; of two groups of identical images, all pairs of members."""
    images = dataset.images[:, -1] if dataset.images.ndim == 4 else dataset.images
    splits = np.stack([split_numbers(dataset, fold) for fold in folds])
    _, patterns = np.unique(splits, axis=1, return_inverse=True)
    used = np.flatnonzero((splits != NO_SPLIT).any(axis=0))
    # Identical images of one split are compared once.
    members: dict[tuple[int, int], list[int]] = {}
    for i in used.tolist():
        members.setdefault((int(groups[i]), int(patterns[i])), []).append(i)
    alike = list(members.values())
    first = np.array([indices[0] for indices in alike], np.int64)
    return [
        NearDuplicate(i, j, change)
        for one, other, change in find_near_duplicates(np.asarray(images)[first], patterns[first])
        if groups[first[one]] != groups[first[other]]
        for i in alike[one]
        for j in alike[other]
    ]


def _audit_fold(
    dataset: Dataset, fold: Fold, groups: np.ndarray, near_duplicates: Sequence[NearDuplicate]
) -> FoldFindings:
    splits = split_numbers(dataset, fold)
    earlier = np.concatenate([fold.training, fold.validation])
    test_duplicates = fold.test[np.isin(groups[fold.test], groups[earlier])]
    validation_duplicates = fold.validation[np.isin(groups[fold.validation], groups[fold.training])]
    changes = _changed_copies(near_duplicates, splits, TEST, (TRAINING, VALIDATION), test_duplicates)
    in_training = _changed_copies(near_duplicates, splits, TEST, (TRAINING,), test_duplicates)
    validated = _changed_copies(near_duplicates, splits, VALIDATION, (TRAINING,), validation_duplicates)
    kinds = {kind: names for kind in ("subjects", "sequences") if (names := getattr(dataset, kind)) is not None}

    def seen_in(indices: np.ndarray) -> dict[str, int]:
        return {kind: int(np.isin(names[fold.test], names[indices]).sum()) for kind, names in kinds.items()}

    assigned = splits != NO_SPLIT
    across = np.unique(np.stack([groups[assigned], splits[assigned]]), axis=1)
    return FoldFindings(
        counts=np.stack(
            [np.bincount(dataset.labels[splits == number], minlength=len(dataset.classes)) for number in range(3)]
        ),
        num_unassigned=int((~assigned).sum()),
        groups_across_splits=int((np.bincount(across[0]) > 1).sum()),
        test_duplicates=test_duplicates,
        test_near_duplicates=np.array(sorted(changes), np.int64),
        num_near_in_training=len(in_training),
        near_changes=dict(Counter(kind for kinds in changes.values() for kind in sorted(kinds))),
        validation_duplicates=validation_duplicates,
        validation_near_duplicates=np.array(sorted(validated), np.int64),
        subjects_seen=seen_in(earlier),
        subjects_in_training=seen_in(fold.training),
    )


def _changed_copies(
    near_duplicates: Sequence[NearDuplicate],
    splits: np.ndarray,
    split: int,
    others: tuple[int, ...],
    excluded: np.ndarray,
) -> dict[int, set[str]]:
    """Return the images of a split with a near duplicate in other splits, and the kinds of change.

    Args:
        near_duplicates: All pairs.
        splits: The split number of each sample.
        split: The split of the images.
        others: The splits of their near duplicates.
        excluded: Indices of images to omit.
    """
    omitted = set(excluded.tolist())
    kinds: dict[int, set[str]] = {}
    for first, second, change in near_duplicates:
        for image, copy in ((first, second), (second, first)):
            if splits[image] == split and splits[copy] in others and image not in omitted:
                kinds.setdefault(image, set()).update(change.kinds())
    return kinds
