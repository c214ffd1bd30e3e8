"""Rows of the leaderboard from records: trials that differ in seed and fold only, scored per seed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from fer_bench.evaluation.checks import validated_predictions
from fer_bench.evaluation.metrics import MetricResults, PerClass, confusion_matrix
from fer_bench.records import StoredRecord, robustness
from fer_bench.records.kept_models import read_info
from fer_bench.records.robustness import Robustness
from fer_bench.records.schema import Record, Trial
from fer_bench.records.store import READ_ERRORS

SkippedRecord = tuple[Path, str]  # folder and reason
Section = tuple[str, str, str, int]  # dataset, protocol, data fingerprint and benchmark version
SECTION = ["dataset", "protocol", "fingerprint", "benchmark_version"]  # the same, as columns of the frame
SYNTHETIC = "synthetic"  # the dataset of drawn faces, which is not a benchmark
ARRAYS = (
    *("test_ids", "test_labels", "test_probabilities", "test_no_duplicate", "test_groups"),
    *("validation_labels", "validation_probabilities"),
)


@dataclass(frozen=True)
class SeedResult:
    """The results of one seed of a row, scored on the pooled test predictions of its folds.

    Attributes:
        seed: The seed.
        records: One record per fold.
        scores: Value by metric.
        per_class: Scores of each class.
        confusion: Confusion matrix, (classes, classes) int.
        test_images: Number of test images.
        dedup_test_images: Number of test images without a duplicate in another split; 0 if unknown.
        dedup_accuracy: Accuracy on these; NaN if there are none, or if no test image has a duplicate.
        validation_confusion: Confusion matrix of validation; zeros if there are no validation predictions.
        sample_digest: Equal for seeds that were tested on the same samples with the same labels.
        correct: (test samples,) bool, in an order that is the same for equal `sample_digest`.
        groups: (test samples,) str in that order, see `Predictions`; None if a fold has none.
        fold_accuracies: Accuracy by fold.
        absent_classes_by_fold: Classes without a test image, of the folds that have such classes.
    """

    seed: int
    records: list[Record]
    scores: dict[str, float]
    per_class: PerClass
    confusion: np.ndarray
    test_images: int
    dedup_test_images: int
    dedup_accuracy: float
    validation_confusion: np.ndarray
    sample_digest: str
    correct: np.ndarray
    groups: np.ndarray | None
    fold_accuracies: dict[int, float]
    absent_classes_by_fold: dict[int, list[str]]

    @property
    def validation_images(self) -> int:
        return int(self.validation_confusion.sum())

    @property
    def validation_accuracy(self) -> float:
        """Accuracy on validation; NaN if there are no validation predictions."""
        images = self.validation_images
        return float(np.trace(self.validation_confusion) / images) if images else float("nan")


@dataclass(frozen=True)
class LeaderboardRow:
    """Trials that differ in seed and fold only.

    Attributes:
        id: 12 hexadecimal digits, which depend on the trials alone, and the benchmark version if it is not the first.
        trial: The first trial; its seed and fold have no meaning here.
        seeds: The finished seeds.
        failed: The records of trials that did not finish.
        robustness: Accuracy under corruptions, of the finished trials that were tested for it.
        model_file: The kept model with the best validation accuracy; None if no model was kept.
    """

    id: str
    trial: Trial
    seeds: list[SeedResult]
    failed: list[Record]
    robustness: list[Robustness] = field(default_factory=list)
    model_file: Path | None = None

    @cached_property
    def records(self) -> list[Record]:
        """The records, finished trials first."""
        return [r for seed in self.seeds for r in seed.records] + self.failed

    @property
    def section(self) -> Section:
        """What rows must agree in to be compared: dataset, protocol, data fingerprint and benchmark version."""
        return self.trial.dataset, self.trial.protocol, self.trial.fingerprint, self.benchmark_version

    @property
    def benchmark_version(self) -> int:
        """The benchmark version that all records were made for."""
        return self.records[0].benchmark_version

    @property
    def weights(self) -> str:
        """The kind of the initial weights: imagenet, random, or unknown."""
        return self.trial.initial_weights.partition(":")[0]

    @cached_property
    def folds(self) -> set[int]:
        return {r.trial.fold for r in self.records}

    @property
    def split_notes(self) -> list[str]:
        """The notes on the split, without repetition."""
        return list(dict.fromkeys(note for record in self.records for note in record.split_notes))

    @property
    def model_notes(self) -> list[str]:
        """The notes on an external model, without repetition."""
        return list(dict.fromkeys(note for record in self.records for note in record.model_notes))

    @cached_property
    def comparable_seeds(self) -> list[SeedResult]:
        """The seeds with the test samples that most seeds have, of equally many the larger set of samples."""
        counts = Counter(seed.sample_digest for seed in self.seeds)
        main = max(self.seeds, key=lambda seed: (counts[seed.sample_digest], len(seed.correct)), default=None)
        return [seed for seed in self.seeds if main and seed.sample_digest == main.sample_digest]

    @property
    def complete(self) -> bool:
        """Whether every finished seed has all the folds that any trial of this row has."""
        return all({r.trial.fold for r in seed.records} == self.folds for seed in self.seeds)


@dataclass(frozen=True)
class _Fold:
    """The predictions of one trial; `validation_confusion` is 0 if there are no validation predictions."""

    record: Record
    ids: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    no_duplicate: np.ndarray
    groups: np.ndarray | None
    validation_confusion: np.ndarray


@dataclass(frozen=True)
class _ReadState:
    """What accumulates while rows are read: skipped records, and digest and order of each set of test samples."""

    skipped: list[SkippedRecord] = field(default_factory=list)
    sample_sets: dict[tuple[bytes, ...], tuple[str, np.ndarray]] = field(default_factory=dict)


def absent_classes(classes: Sequence[str], num_images: Sequence[int] | np.ndarray) -> list[str]:
    """Return the names of the classes without images."""
    return [name for name, number in zip(classes, num_images, strict=True) if not number]


def by_sample_set(rows: Iterable[LeaderboardRow]) -> list[list[LeaderboardRow]]:
    """Group the finished rows by the test samples of their comparable seeds, the samples of most rows first."""
    sets: dict[str, list[LeaderboardRow]] = defaultdict(list)
    for row in rows:
        if row.seeds:
            sets[row.comparable_seeds[0].sample_digest].append(row)
    return sorted(sets.values(), key=lambda members: (-len(members), -len(members[0].comparable_seeds[0].correct)))


def groups_of(rows: Iterable[LeaderboardRow]) -> np.ndarray | None:
    """Return the groups of the samples of rows with equal samples, None if no seed has them."""
    return next((s.groups for row in rows for s in row.comparable_seeds if s.groups is not None), None)


def build_rows(stored: Iterable[StoredRecord]) -> tuple[list[LeaderboardRow], list[SkippedRecord]]:
    """Group and score records; return the rows, and the records whose predictions cannot be read or scored."""
    groups: dict[str, list[StoredRecord]] = defaultdict(list)
    for record in stored:
        version = record.record.benchmark_version
        groups[record.record.trial.row_id + (f"-{version}" if version > 1 else "")].append(record)
    state = _ReadState()
    rows = [_build_row(row_id, members, state) for row_id, members in groups.items()]
    return [row for row in rows if row.seeds or row.failed], state.skipped


def _build_row(row_id: str, members: list[StoredRecord], state: _ReadState) -> LeaderboardRow:
    members = sorted(members, key=lambda s: (s.record.trial.seed, s.record.trial.fold))
    by_seed: dict[int, list[StoredRecord]] = defaultdict(list)
    for member in members:
        if member.record.status == "finished":
            by_seed[member.record.trial.seed].append(member)
    results = [_seed_result(seed, folds, state) for seed, folds in by_seed.items()]
    return LeaderboardRow(
        id=row_id,
        trial=members[0].record.trial,
        seeds=[result for result in results if result],
        failed=[member.record for member in members if member.record.status != "finished"],
        robustness=[found for member in members if (found := _read_robustness(member, state))],
        model_file=_best_model(members),
    )


def _best_model(members: Iterable[StoredRecord]) -> Path | None:
    """Return the kept model with the best validation accuracy."""
    files = [file for member in members if (file := member.model_file)]
    return max(files, key=lambda file: info.order if (info := read_info(file.parent)) else (-1.0, ""), default=None)


def _read_robustness(stored: StoredRecord, state: _ReadState) -> Robustness | None:
    """Return a finished trial's accuracy under corruptions; a file that cannot be used is listed as skipped."""
    if stored.record.status != "finished":
        return None
    try:
        found = robustness.read(stored.path)
        if found and found.key not in (None, stored.record.trial.key):
            raise ValueError(f"{robustness.ROBUSTNESS_FILE} belongs to another trial")
    except ValueError as error:
        state.skipped.append((stored.path, f"{error}; the rest of the record is used"))
        return None
    return found


def _seed_result(seed: int, stored: list[StoredRecord], state: _ReadState) -> SeedResult | None:
    folds = []
    for record in stored:
        try:
            folds.append(_read_fold(record))
        except READ_ERRORS as error:
            state.skipped.append((record.path, _reason(error)))
    if not folds:
        return None
    ids = _concatenate([fold.ids for fold in folds])
    labels = _concatenate([fold.labels for fold in folds])
    no_duplicate = _concatenate([fold.no_duplicate for fold in folds])
    groups = [fold.groups for fold in folds if fold.groups is not None]
    results = MetricResults(labels, _concatenate([fold.probabilities for fold in folds]))
    sample_digest, order = _sample_order(ids, labels, state)
    ends, classes = np.cumsum([len(fold.labels) for fold in folds]), folds[0].record.classes
    return SeedResult(
        seed=seed,
        records=[fold.record for fold in folds],
        scores=results.scores,
        per_class=results.per_class,
        confusion=results.confusion,
        test_images=len(labels),
        dedup_test_images=int(no_duplicate.sum()),
        dedup_accuracy=float(results.correct[no_duplicate].mean())
        if 0 < no_duplicate.sum() < len(labels)
        else float("nan"),
        validation_confusion=np.sum([fold.validation_confusion for fold in folds], axis=0),
        sample_digest=sample_digest,
        correct=results.correct[order],
        groups=_concatenate(groups)[order] if len(groups) == len(folds) else None,
        fold_accuracies={
            fold.record.trial.fold: float(correct.mean())
            for fold, correct in zip(folds, np.split(results.correct, ends[:-1]), strict=True)
        },
        absent_classes_by_fold={
            fold.record.trial.fold: names
            for fold in folds
            if (names := absent_classes(classes, np.bincount(fold.labels, minlength=len(classes))))
        },
    )


def _concatenate(arrays: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if len(arrays) > 1 else arrays[0]  # a single array needs no copy


def _sample_order(ids: np.ndarray, labels: np.ndarray, state: _ReadState) -> tuple[str, np.ndarray]:
    """Return a digest of the samples that ignores their order, and the indices that sort them."""
    raw = (ids.dtype.str.encode(), ids.tobytes(), labels.tobytes())
    if raw not in state.sample_sets:
        order = np.lexsort((labels, ids))
        text = json.dumps([ids[order].tolist(), labels[order].tolist()])
        state.sample_sets[raw] = hashlib.sha256(text.encode()).hexdigest(), order
    return state.sample_sets[raw]


def _read_fold(stored: StoredRecord) -> _Fold:
    arrays, num_classes = stored.arrays(*ARRAYS), len(stored.record.classes)
    labels, probabilities = _validated(arrays, "test", num_classes)
    ids, groups = arrays["test_ids"], arrays.get("test_groups")
    no_duplicate = arrays.get("test_no_duplicate", np.zeros(len(labels), bool))
    for name, array, kind in (("ids", ids, "U"), ("no_duplicate", no_duplicate, "b"), ("groups", groups, "U")):
        if array is not None and (array.shape != labels.shape or array.dtype.kind != kind):
            raise ValueError(f"{name} has shape {array.shape} and type {array.dtype} for {len(labels)} samples")
    confusion = np.zeros((num_classes, num_classes), np.int64)  # a protocol may have no validation split
    if "validation_labels" in arrays:
        validation_labels, predicted = _validated(arrays, "validation", num_classes)
        confusion = confusion_matrix(validation_labels, predicted.argmax(axis=1), num_classes)
    return _Fold(stored.record, ids, labels, probabilities, no_duplicate, groups, confusion)


def _validated(arrays: dict[str, np.ndarray], split: str, num_classes: int) -> tuple[np.ndarray, np.ndarray]:
    labels, probabilities = validated_predictions(arrays[f"{split}_labels"], arrays[f"{split}_probabilities"])
    if probabilities.shape[1:] != (num_classes,):
        raise ValueError(f"{probabilities.shape[1]} columns of probabilities for {num_classes} classes")
    return labels, probabilities


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"predictions.npz has no {str(error.args[0]).partition('_')[0]} predictions"
    if isinstance(error, ValueError) and "pickle" not in str(error):
        return f"its predictions cannot be scored: {error}"
    return f"predictions.npz cannot be read ({type(error).__name__})"
