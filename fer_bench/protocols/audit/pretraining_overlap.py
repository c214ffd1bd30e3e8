"""Test images, and persons of test images, that a pretraining on other data has seen."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.files import write_atomically
from fer_bench.core.text import plural
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.images import resize
from fer_bench.protocols.audit.near_duplicates import find_near_duplicates
from fer_bench.protocols.duplicates import image_digests
from fer_bench.protocols.fold import Fold
from fer_bench.protocols.registry import ARROW, source_datasets

FOLDER = "pretraining_overlap"  # of the cache
VERSION = 1  # raised when the search finds other copies
MAX_IDENTICAL = 0.5  # fraction of the test images; beyond it nothing is measured


@dataclass(frozen=True)
class PretrainingData:
    """The dataset of a pretraining, the title of its protocol, and its fold."""

    dataset: Dataset
    protocol: str
    fold: Fold

    @property
    def used(self) -> np.ndarray:
        """Indices of the training and validation samples."""
        return np.concatenate([self.fold.training, self.fold.validation])


@dataclass(frozen=True)
class Overlap:
    """Which samples of a dataset pretraining has seen; each field is (samples,) bool.

    Attributes:
        same: Samples that are in the pretraining data themselves, perhaps cropped differently.
        identical: Samples with a pixel-identical image there, after resizing.
        near: Other samples with a changed copy there.
        subject: Samples whose subject is there.
    """

    same: np.ndarray
    identical: np.ndarray
    near: np.ndarray
    subject: np.ndarray


def check_overlap(
    target: Dataset, protocol: str, folds: Sequence[Fold], data: PretrainingData, cache_dir: Path
) -> tuple[list[Fold], str]:
    """Return the folds with notes on the test images that pretraining has seen, and a sentence on them.

    Args:
        target: The dataset that is trained on after the pretraining.
        protocol: Name of its protocol.
        folds: Its folds.
        data: The data of the pretraining.
        cache_dir: Folder in which the changed copies that were found are remembered.

    Raises:
        UserError: Test images are samples of the pretraining data, or most of them are identical with some.
    """
    tested = np.unique(np.concatenate([fold.test for fold in folds]))
    overlap = find_overlap(target, tested, data, cache_dir)
    counts = {name: int(getattr(overlap, name)[tested].sum()) for name in ("same", "identical", "near", "subject")}
    pretraining = f"the pretraining on {data.dataset.name}, {data.protocol}"
    where = f"{target.name}, {protocol}"
    if counts["same"] or counts["identical"] > MAX_IDENTICAL * len(tested):
        seen = max(counts["same"], counts["identical"])
        raise UserError(
            f"{where}: {seen:,} of the {len(tested):,} test images were in {pretraining}. Name a protocol that keeps "
            "the test images of the pretraining's dataset, such as official, or pretrain on another dataset."
        )
    notes = [f"{plural(counts['identical'], 'test image')} in pretraining"] if counts["identical"] else []
    notes += [f"changed copies of {plural(counts['near'], 'test image')} in pretraining"] if counts["near"] else []
    notes += ["leaky: same subjects in pretraining and test"] if counts["subject"] else []
    noted = [replace(fold, notes=(*fold.notes, *notes)) for fold in folds]
    return noted, f"{where}: {_sentence(counts, len(tested), pretraining)}"


def find_overlap(target: Dataset, tested: np.ndarray, data: PretrainingData, cache_dir: Path) -> Overlap:
    """Return which of the tested samples pretraining has seen.

    Ids and subjects are compared if both datasets are versions of one, such as ckplus and ckplus+neutral. Changed
    copies are not searched in that case: the target's own training images have them as well, and `data audit` counts
    them. Sequences are only compared as they are.

    Args:
        target: The dataset that is trained on after the pretraining.
        tested: Indices of its test samples in all folds.
        data: The data of the pretraining.
        cache_dir: Folder in which the changed copies that were found are remembered.
    """
    source, used = data.dataset, data.used
    same, identical, near, subject = (np.zeros(len(target), bool) for _ in range(4))
    related = _family(target.name) == _family(source.name)
    if related:
        same[tested] = np.isin(_unprefixed(target.ids[tested], target.name), source.ids[used])
        if target.subjects is not None and source.subjects is not None:
            own = _unprefixed(target.subjects[tested], target.name)
            subject[tested] = np.isin(own, source.subjects[used])
    if same.any():
        return Overlap(same, identical, near, subject)
    images = _resized(target.images[tested], source.images.shape[1:])
    if images is None:
        return Overlap(same, identical, near, subject)
    known = set(image_digests(source.images[used]))
    identical[tested] = [digest in known for digest in image_digests(images)]
    if not related and images.ndim == 3 and identical[tested].mean() <= MAX_IDENTICAL:
        near[tested[_near_duplicates(images, source.images[used], cache_dir)]] = True
    return Overlap(same, identical, near & ~identical, subject)


def _sentence(counts: dict[str, int], total: int, pretraining: str) -> str:
    found = [f"{counts['identical']:,} are pixel-identical with an image"] if counts["identical"] else []
    found += [f"{counts['near']:,} have a changed copy"] if counts["near"] else []
    found += [f"{counts['subject']:,} show a person"] if counts["subject"] else []
    if not found:
        return f"none of the {total:,} test images was in {pretraining}."
    return f"of the {total:,} test images, {', '.join(found)} in {pretraining}. A badge says so."


def _family(name: str) -> str:
    """Return the name of the dataset of which a dataset is a version; of TRAIN->TEST that of the tested one."""
    return re.split(r"[~+_]", source_datasets(name)[-1])[0]


def _unprefixed(names: np.ndarray, dataset: str) -> np.ndarray:
    """Return ids or subjects without the dataset's name, which those of TRAIN->TEST start with."""
    if ARROW not in dataset:
        return names
    prefix = f"{source_datasets(dataset)[-1]}/"
    return np.array([name.removeprefix(prefix) for name in names.tolist()], dtype=np.str_)


def _resized(images: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | None:
    """Return images of a shape; None for sequences of another shape."""
    if images.shape[1:] == shape:
        return images
    if images.ndim != 3 or len(shape) != 2:
        return None
    return np.array([resize(image, *shape) for image in images], np.uint8)


def _near_duplicates(images: np.ndarray, others: np.ndarray, cache_dir: Path) -> list[int]:
    """Return the indices of the images that have a changed copy among others. Takes up to minutes, once."""
    digest = hashlib.sha256(str(VERSION).encode())
    for array in (images, others):
        digest.update(b"".join(image_digests(array)) + b"|")
    file = cache_dir / FOLDER / f"{digest.hexdigest()[:32]}.json"
    with suppress(OSError, ValueError):
        known = json.loads(file.read_text())
        if isinstance(known, list) and all(isinstance(i, int) and 0 <= i < len(images) for i in known):
            return known
    splits: np.ndarray = np.repeat(np.arange(2), [len(images), len(others)])
    found = sorted({pair.first for pair in find_near_duplicates(np.concatenate([images, others]), splits)})
    with suppress(OSError):  # searched again next time
        write_atomically(file, json.dumps(found))
    return found
