"""What an audit finds in a dataset and in its parts under a protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.audit.near_duplicates import near_pairs
from fer_bench.protocols.duplicates import identical
from fer_bench.protocols.fold import SPLITS, Fold

NOWHERE = -1  # the part of a sample that a fold leaves out
TEST = SPLITS.index("test")


@dataclass(frozen=True)
class FoldFindings:
    """What is the matter with one fold; images are counted, not pairs of them.

    counts: (parts, classes) int, images. twin_tests, near_tests and twin_validations are indices into the dataset.
    """

    counts: np.ndarray
    left_out: int
    spanning: int  # groups of identical images that lie in more than one part
    twin_tests: np.ndarray  # test images with an identical one in training or validation
    near_tests: np.ndarray  # and those that have none, but a nearly identical one
    twin_validations: np.ndarray  # validation images with an identical one in training
    seen: dict[str, int]  # test images whose subject, or sequence, is in training or validation too
    trained: dict[str, int]  # of those, the ones for which it is in training


@dataclass(frozen=True)
class Findings:
    """What is the matter with a dataset, and with each fold of a protocol."""

    dataset: Dataset
    protocol: str
    twins: list[np.ndarray]  # groups of pixel-identical images, as indices
    conflicting: int  # of them, those with more than one label
    near: np.ndarray  # (pairs, 2) indices of nearly identical images, without the identical ones
    constant: np.ndarray  # indices of images of a single grey level
    folds: list[FoldFindings]
    remarks: tuple[str, ...]  # of the protocol

    @property
    def surplus(self) -> int:
        """How many images could go without any picture being lost."""
        return sum(len(group) - 1 for group in self.twins)

    def total(self, what: str) -> int:
        """Images over all folds: of `tested`, `twin_tests`, `near_tests` or `twin_validations`."""
        if what == "tested":
            return int(sum(fold.counts[TEST].sum() for fold in self.folds))
        return sum(len(getattr(fold, what)) for fold in self.folds)


def audit(dataset: Dataset, protocol: str, folds: Sequence[Fold]) -> Findings:
    """Look for duplicates, conflicting labels, empty images, and what the parts of each fold share.

    Of sequences, the last frame is what is compared for being nearly identical.
    """
    groups = identical(dataset.images)
    pixels = dataset.images.reshape(len(dataset), -1)
    twins = _groups(groups)
    near = _near(dataset, groups)
    return Findings(
        dataset=dataset,
        protocol=protocol,
        twins=twins,
        conflicting=sum(len(np.unique(dataset.labels[group])) > 1 for group in twins),
        near=near,
        constant=np.flatnonzero(pixels.min(axis=1) == pixels.max(axis=1)),
        folds=[_fold(dataset, fold, groups, near) for fold in folds],
        remarks=tuple(dict.fromkeys(remark for fold in folds for remark in fold.notes)),
    )


def parts_of(dataset: Dataset, fold: Fold) -> np.ndarray:
    """The number in PARTS of each sample's part, NOWHERE for those left out: (samples,) int64."""
    parts = np.full(len(dataset), NOWHERE, np.int64)
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
    pairs = first[near_pairs(np.asarray(images)[first])]
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
    parts = parts_of(dataset, fold)
    earlier = np.concatenate([fold.training, fold.validation])
    twin_tests = fold.test[np.isin(groups[fold.test], groups[earlier])]
    both = np.concatenate([near, near[:, ::-1]])
    near_tests = np.unique(both[(parts[both[:, 0]] == TEST) & np.isin(parts[both[:, 1]], (0, 1)), 0])
    kinds = {kind: names for kind in ("subjects", "sequences") if (names := getattr(dataset, kind)) is not None}
    return FoldFindings(
        counts=np.stack([np.bincount(dataset.labels[parts == p], minlength=len(dataset.classes)) for p in range(3)]),
        left_out=int((parts == NOWHERE).sum()),
        spanning=_spanning(groups, parts),
        twin_tests=twin_tests,
        near_tests=np.setdiff1d(near_tests, twin_tests),
        twin_validations=fold.validation[np.isin(groups[fold.validation], groups[fold.training])],
        seen={kind: int(np.isin(names[fold.test], names[earlier]).sum()) for kind, names in kinds.items()},
        trained={kind: int(np.isin(names[fold.test], names[fold.training]).sum()) for kind, names in kinds.items()},
    )


def _spanning(groups: np.ndarray, parts: np.ndarray) -> int:
    """How many groups lie in more than one part."""
    inside = parts != NOWHERE
    pairs = np.unique(np.stack([groups[inside], parts[inside]]), axis=1)
    return int((np.bincount(pairs[0]) > 1).sum())
