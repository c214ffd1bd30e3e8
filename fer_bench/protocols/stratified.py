"""Assign samples to folds: stratified by class, whole subjects together if they are known, equal on all machines.

All randomness comes from hashes of the seed with the pixels or the subject's name, and all arithmetic is on integers.
So the result depends on neither the samples' names, their order in a file, the machine nor library versions.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.subset import Subset
from fer_bench.protocols.duplicates import image_digests
from fer_bench.protocols.fold import ProtocolNotApplicable

NUM_FOLDS = 10
WEIGHT_SCALE = 10**12  # class weights are integers on this scale


def get_groups(dataset: Dataset) -> np.ndarray | None:
    """Return the subject of each sample, or else its sequence: (samples,) str; None if neither is known."""
    return dataset.subjects if dataset.subjects is not None else dataset.sequences


def assign_folds(
    dataset: Dataset, samples: np.ndarray, num_folds: int, seed: int, by_image: bool = False
) -> np.ndarray:
    """Assign samples (indices, (n,) int64) to folds, stratified by class: (n,) int64 fold numbers from 0.

    Groups (see `get_groups`) stay whole, and classes are balanced as well as the groups allow. Without groups, the
    counts of a class in two folds differ by at most one. With `by_image`, the images of a group are spread over the
    folds instead. Raises ProtocolNotApplicable if there are fewer samples or groups than folds.
    """
    labels, groups = dataset.labels[samples], get_groups(dataset)
    groups = dataset.ids[samples] if groups is None else groups[samples]
    num_groups = len(np.unique(groups))
    whole_groups = not by_image and num_groups < len(samples)
    n_units = num_groups if whole_groups else len(samples)
    if n_units < num_folds:
        kind = "images" if not whole_groups else "subjects" if dataset.subjects is not None else "sequences"
        raise ProtocolNotApplicable(f"'{dataset.name}' has only {n_units} {kind}, too few for {num_folds} folds.")
    if whole_groups:
        return _assign_groups(labels, groups, num_folds, seed)
    names = _content_names(dataset, samples)
    return _assign_samples(labels, names, groups if by_image else names, num_folds, seed)


def split_off_validation(dataset: Dataset, samples: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Split samples into training and validation: a tenth, by whole groups, is for validation.

    With fewer than ten groups, one of them is for validation. Raises ProtocolNotApplicable if there is only one.
    """
    groups = get_groups(dataset)
    n_units = len(samples) if groups is None else len(np.unique(groups[samples]))
    is_validation = assign_folds(dataset, samples, min(NUM_FOLDS, max(n_units, 2)), seed) == 0
    return samples[~is_validation], samples[is_validation]


def _assign_samples(labels: np.ndarray, names: np.ndarray, groups: np.ndarray, num_folds: int, seed: int) -> np.ndarray:
    """Spread each class over the folds, so that counts differ by at most one: (samples,) int64 fold numbers.

    Within a class, samples are dealt out group by group: a group with two images is in two folds. Names are unique;
    the random order is a hash of them.
    """
    order = np.lexsort((names, _hash_order(names, seed), _hash_order(groups, seed), labels))
    folds = np.empty(len(labels), np.int64)
    folds[order] = np.arange(len(labels)) % num_folds
    return folds


def _assign_groups(labels: np.ndarray, groups: np.ndarray, num_folds: int, seed: int) -> np.ndarray:
    """Assign whole groups to folds, none of which stays empty: (samples,) int64 fold numbers.

    The largest group is first; each goes to the fold in which its classes are rarest, as in scikit-learn's
    StratifiedGroupKFold but with integers.
    """
    names, members = np.unique(groups, return_inverse=True)
    classes = int(labels.max()) + 1
    counts = np.zeros((len(names), classes + 1), np.int64)
    np.add.at(counts, (members, labels), 1)
    counts[:, classes] = counts.sum(axis=1)  # the size counts like another class
    weights = WEIGHT_SCALE // np.maximum(counts.sum(axis=0), 1)
    totals = np.zeros((num_folds, classes + 1), np.int64)
    fold_of_group = np.empty(len(names), np.int64)
    for done, group in enumerate(np.lexsort((names, _hash_order(names, seed), -counts[:, classes]))):
        filled = totals[:, classes] > 0
        must_fill = len(names) - done <= np.count_nonzero(~filled)  # the remaining groups are needed for empty folds
        cost = (totals * counts[group] * weights).sum(axis=1)
        fold = np.lexsort((totals[:, classes], cost, filled & must_fill))[0]
        fold_of_group[group] = fold
        totals[fold] += counts[group]
    # Shuffled, so that the largest group is not always in fold 0. The hashed text is part of every split: keep it.
    numbers = np.argsort(_hash_order([f"part {number}" for number in range(num_folds)], seed), kind="stable")
    return numbers[fold_of_group][members]


def _hash_order(names: Sequence[str] | np.ndarray, seed: int) -> np.ndarray:
    """Return a pseudo-random number per name that is equal on all machines: (names,) uint64."""
    digests = b"".join(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8] for name in names)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def _content_names(dataset: Dataset, samples: np.ndarray) -> np.ndarray:
    """Return a unique name per sample, from its pixels and label and a number for duplicates: (samples,) str."""
    digests, labels = list(image_digests(Subset(dataset.images, samples))), dataset.labels[samples]
    names, counter = [""] * len(samples), Counter[str]()
    for i in np.argsort(dataset.ids[samples], kind="stable"):
        name = f"{digests[i].hex()}:{labels[i]}"
        names[i] = f"{name}:{counter[name]}"
        counter[name] += 1
    return np.array(names, dtype=np.str_)
