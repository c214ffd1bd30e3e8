"""Check records that somebody else made: what can be recomputed is, and the rest is compared with the dataset."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import yaml

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS as ALL_SPLITS
from fer_bench.datasets import DataConfig
from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols import cross_dataset
from fer_bench.protocols.registry import FILE_PREFIX, SPLIT_SEED, folds
from fer_bench.records import StoredRecord
from fer_bench.records.schema import BENCHMARK_VERSION, PROCEDURE_VERSIONS, Predictions, Trial
from fer_bench.records.store import READ_ERRORS

CHECKS = ("files", "predictions", "history", "dataset", "split", "unique")
NOT_CHECKED = "not checked"
SPLITS = ALL_SPLITS[1:]  # those that are predicted
SUM_TOLERANCE = 1e-3  # of the probabilities of an image, which are float32
DIGESTS_FILE = Path(__file__).with_name("split_digests.yaml")

Problems = Iterator[str]


@dataclass(frozen=True)
class Checked:
    """A record and what was found, by name of the check: nothing if it holds, NOT_CHECKED, or what is wrong.

    Attributes:
        accuracy: Accuracy on the test images, recomputed; NaN if the predictions cannot be read.
    """

    stored: StoredRecord
    accuracy: float
    found: Mapping[str, str]

    @property
    def problems(self) -> list[str]:
        """What is wrong, in sentences."""
        return [text for text in self.found.values() if text not in ("", NOT_CHECKED)]


def check_records(
    stored: Iterable[StoredRecord], data_config: DataConfig, others: Iterable[StoredRecord] = ()
) -> list[Checked]:
    """Check each record by itself, against the dataset, and against the others.

    - files: the record is complete, and its specification has the key in its folder's name.
    - predictions: each image once, with the label of a class and a distribution over the classes.
    - history: the recorded validation accuracy of the best epoch is that of the predictions.
    - dataset: its fingerprint is that of your copy.
    - split: validation and test have the images and labels of the protocol's fold, in your copy or else as published.
    - unique: no other record has the same key or the same probabilities.

    Args:
        stored: The records.
        data_config: Where your copies of the datasets are searched.
        others: Records that are known already.
    """
    load = cache(lambda data: _find_dataset(data, data_config))
    split = cache(lambda data, protocol: _find_split_digests(load(data), data, protocol))
    seen: dict[str, str] = {}
    for one in others:
        seen |= dict.fromkeys(_identities(one), one.path.name)
    checked = []
    for one in stored:
        trial, predictions = one.record.trial, _read_predictions(one)
        problems = {
            "files": _check_files(one, predictions),
            "predictions": _check_predictions(one, predictions),
            "history": _check_history(one, predictions),
            "dataset": _check_dataset(trial, load(trial.dataset)),
            "split": _check_split(trial, predictions, split(trial.dataset, trial.protocol)),
            "unique": _check_unique(one, seen),
        }
        found = {name: " ".join(sentences) for name, sentences in problems.items()}
        seen |= dict.fromkeys(_identities(one), one.path.name)
        test = predictions.get("test")
        checked.append(Checked(one, test.accuracy if test else math.nan, found))
    return checked


def digest_of_split(ids: np.ndarray, labels: np.ndarray) -> str:
    """Return a digest of which images a split has and of their labels, in any order."""
    lines = sorted(f"{name} {label}" for name, label in zip(ids.tolist(), labels.tolist(), strict=True))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _read_predictions(stored: StoredRecord) -> dict[str, Predictions]:
    found = {}
    for split in SPLITS:
        try:
            found[split] = stored.predictions(split)
        except READ_ERRORS:
            continue  # a protocol may have no validation split; a missing test split is a problem of the files
    return found


def _check_files(stored: StoredRecord, predictions: Mapping[str, Predictions]) -> Problems:
    record = stored.record
    if record.status != "finished":
        yield f"The trial is {record.status}."
    if "test" not in predictions:
        yield "The predictions of the test split are missing or damaged."
    newest = PROCEDURE_VERSIONS.get(record.trial.backend)
    if newest and record.trial.procedure_version > newest:
        yield "A newer version of fer-bench made the record."
    if record.benchmark_version != BENCHMARK_VERSION:
        yield f"It was made for benchmark version {record.benchmark_version}, not {BENCHMARK_VERSION}."


def _check_predictions(stored: StoredRecord, predictions: Mapping[str, Predictions]) -> Problems:
    classes = len(stored.record.classes)
    for split, of_split in predictions.items():
        p, number = of_split.probabilities, len(of_split.ids)
        if p.shape != (number, classes) or of_split.labels.shape != (number,):
            yield f"{split}: {number} images, {classes} classes, but probabilities of shape {p.shape}."
            continue
        if len(set(of_split.ids.tolist())) != number:
            yield f"{split}: an image is there twice."
        if number != stored.record.samples.get(split, number):
            yield f"{split}: {number} images, but the record says {stored.record.samples[split]}."
        if not ((of_split.labels >= 0) & (of_split.labels < classes)).all():
            yield f"{split}: a label is no class."
        wrong = ~(np.isfinite(p).all(1) & (p >= 0).all(1) & (np.abs(p.sum(1, dtype=float) - 1) < SUM_TOLERANCE))
        if wrong.any():
            first = of_split.ids[wrong][0]
            yield f"{split}: the probabilities of {wrong.sum()} images are no distribution, first those of {first}."
    if len(predictions) == len(SPLITS) and np.isin(predictions["test"].ids, predictions["validation"].ids).any():
        yield "An image is in validation and test."


def _check_history(stored: StoredRecord, predictions: Mapping[str, Predictions]) -> Problems:
    """Compare the accuracy that was recorded in training; other views, formats and votes have another one."""
    record, validation = stored.record, predictions.get("validation")
    trial = record.trial
    same_views = not (trial.external or trial.exported or trial.ensemble) and trial.recipe.get("tta") == "1"
    if not (same_views and validation and record.best_epoch):
        yield NOT_CHECKED
        return
    by_epoch = {epoch.epoch: epoch.validation_accuracy for epoch in record.history}
    recorded, found = by_epoch.get(record.best_epoch, math.nan), validation.accuracy
    if not abs(recorded - found) * len(validation.ids) < 0.5:  # less than one image
        yield f"The best epoch has {100 * recorded:.2f} % on validation, the predictions have {100 * found:.2f} %."


def _check_dataset(trial: Trial, dataset: Dataset | None) -> Problems:
    if dataset is None:
        yield NOT_CHECKED
    elif dataset.fingerprint != trial.fingerprint:
        yield f"The images or labels of {trial.dataset} differ from those of your copy."


def _check_split(
    trial: Trial, predictions: Mapping[str, Predictions], expected: list[dict[str, str]] | None
) -> Problems:
    if expected is None:
        yield NOT_CHECKED
        return
    if not 0 <= trial.fold < len(expected):
        yield f"{trial.protocol} has no fold {trial.fold}."
        return
    for split, of_split in predictions.items():
        if digest_of_split(of_split.ids, of_split.labels) != expected[trial.fold].get(split):
            yield f"The images or labels of {split} are not those of {trial.protocol}."


def _check_unique(stored: StoredRecord, seen: Mapping[str, str]) -> Problems:
    if same := [seen[identity] for identity in _identities(stored) if identity in seen]:
        yield f"It has the key or the probabilities of {same[0]}."


def _identities(stored: StoredRecord) -> list[str]:
    """Return what no two records share: the key, and a digest of the test probabilities, which exports repeat."""
    if stored.record.trial.exported:
        return [stored.record.trial.key]
    try:
        probabilities = stored.predictions("test").probabilities
    except READ_ERRORS:
        return [stored.record.trial.key]
    rounded = np.round(np.asarray(probabilities, float), 4)  # so that a change of the last digits hides nothing
    return [stored.record.trial.key, hashlib.sha256(rounded.tobytes()).hexdigest()]


def _find_dataset(data: str, data_config: DataConfig) -> Dataset | None:
    """Return your copy of a dataset; None if it is not found or cannot be read."""
    try:
        return cross_dataset.load(data, data_config)
    except UserError:
        return None


def _find_split_digests(dataset: Dataset | None, data: str, protocol: str) -> list[dict[str, str]] | None:
    """Return the digests of validation and test of each fold in your copy, or else as published; None if unknown."""
    if dataset is None or protocol.startswith(FILE_PREFIX):
        return _published_digests().get(data, {}).get(protocol)
    try:
        found = folds(protocol, dataset, SPLIT_SEED)
    except UserError:
        return None
    return [
        {
            split: digest_of_split(dataset.ids[i], dataset.labels[i])
            for split in SPLITS
            if len(i := getattr(fold, split))
        }
        for fold in found
    ]


@cache
def _published_digests() -> dict[str, dict[str, list[dict[str, str]]]]:
    content: dict[str, dict[str, list[dict[str, str]]]] = yaml.safe_load(DIGESTS_FILE.read_text(encoding="utf-8"))
    return content
