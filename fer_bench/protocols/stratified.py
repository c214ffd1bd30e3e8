"""Cutting samples into parts: stratified, whole subjects together where they are known, the same everywhere.

Chance comes from hashes of the seed with the pixels, or with the subject's name, and all arithmetic is in integers:
what samples are called, their order in a file, the machine and the versions of libraries have no part in the outcome.
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
WEIGHT_SCALE = 10**12  # of the weights of classes, which are integers


def get_groups(dataset: Dataset) -> np.ndarray | None:
    """What must not be torn apart: (samples,) subjects, else sequences; None where each sample stands alone."""
    return dataset.subjects if dataset.subjects is not None else dataset.sequences


def assign_folds(dataset: Dataset, samples: np.ndarray, num_folds: int, seed: int, by_image: bool = False) -> np.ndarray:
    """Cut some samples of a dataset into parts 0 … parts-1: (len(samples),) int64, in the order of `samples`.

    Without groups each class is spread within one sample; groups (see `groups_of`) stay whole, unless `images` deals
    them out over the parts, and each class is spread as well as they allow. DoesNotFit where there are fewer than
    `parts` of them.
    """
    labels, groups = dataset.labels[samples], get_groups(dataset)
    groups = dataset.ids[samples] if groups is None else groups[samples]
    whole = not by_image and len(np.unique(groups)) < len(samples)
    units = len(np.unique(groups)) if whole else len(samples)
    if units < num_folds:
        kind = "images" if not whole else "subjects" if dataset.subjects is not None else "sequences"
        raise ProtocolNotApplicable(f"'{dataset.name}' has {units} {kind} to cut into {num_folds} parts: too few.")
    if whole:
        return assign_groups(labels, groups, num_folds, seed)
    contents = _contents(dataset, samples)
    return assign_samples(labels, contents, groups if by_image else contents, num_folds, seed)


def split_off_validation(dataset: Dataset, samples: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation from the samples that may be trained on: a tenth of them, by whole groups, validates.

    Where there are fewer than ten groups, one of them does. DoesNotFit where there are not two.
    """
    groups = get_groups(dataset)
    units = len(samples) if groups is None else len(np.unique(groups[samples]))
    validates = assign_folds(dataset, samples, min(NUM_FOLDS, max(units, 2)), seed) == 0
    return samples[~validates], samples[validates]


def assign_samples(labels: np.ndarray, names: np.ndarray, groups: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """Each class, and all of them, spread over the parts within one sample: (samples,) int64 part numbers.

    names: (samples,) str, unique, of which chance is made. Within a class each group is dealt out in turn, so that
    whoever has two images is in two parts.
    """
    order = np.lexsort((names, hash_order(names, seed), hash_order(groups, seed), labels))
    result = np.empty(len(labels), np.int64)
    result[order] = np.arange(len(labels)) % parts
    return result


def assign_groups(labels: np.ndarray, groups: np.ndarray, parts: int, seed: int) -> np.ndarray:
    """Whole groups to parts, none of which stays empty: (samples,) int64 part numbers.

    The greatest group first, each to the part where its classes are scarcest, as in scikit-learn's StratifiedGroupKFold
    but in integers.
    """
    names, members = np.unique(groups, return_inverse=True)
    classes = int(labels.max()) + 1
    counts = np.zeros((len(names), classes + 1), np.int64)
    np.add.at(counts, (members, labels), 1)
    counts[:, classes] = counts.sum(axis=1)  # the size counts like a class of its own
    weights = WEIGHT_SCALE // np.maximum(counts.sum(axis=0), 1)
    held = np.zeros((parts, classes + 1), np.int64)
    chosen = np.empty(len(names), np.int64)
    for done, group in enumerate(np.lexsort((names, hash_order(names, seed), -counts[:, classes]))):
        taken = held[:, classes] > 0
        last_chance = len(names) - done <= np.count_nonzero(~taken)  # the groups left are needed for the empty parts
        cost = (held * counts[group] * weights).sum(axis=1)
        part = np.lexsort((held[:, classes], cost, taken & last_chance))[0]
        chosen[group] = part
        held[part] += counts[group]
    # So that it is not always the greatest group that is in part 0.
    numbers = np.argsort(hash_order([f"part {part}" for part in range(parts)], seed), kind="stable")
    return numbers[chosen][members]


def _contents(dataset: Dataset, samples: np.ndarray) -> np.ndarray:
    """A name for each sample of its pixels and label, with a number where several agree in them: (samples,) str."""
    pixels, labels = list(image_digests(Subset(dataset.images, samples))), dataset.labels[samples]
    names, seen = [""] * len(samples), Counter()
    for i in np.argsort(dataset.ids[samples], kind="stable"):
        name = f"{pixels[i].hex()}:{labels[i]}"
        names[i] = f"{name}:{seen[name]}"
        seen[name] += 1
    return np.array(names, dtype=np.str_)


def hash_order(names: Sequence[str] | np.ndarray, seed: int) -> np.ndarray:
    """A number for each name that looks like chance and is the same everywhere: (names,) uint64."""
    digests = b"".join(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:8] for name in names)
    return np.frombuffer(digests, ">u8").astype(np.uint64)
