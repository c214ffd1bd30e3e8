"""From records to the leaderboard's rows: trials that are equal but for the seed and the fold, scored per seed."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from fer_bench.evaluation.checks import validated_predictions
from fer_bench.evaluation.metrics import MetricResults, PerClass
from fer_bench.records import StoredRecord, robustness
from fer_bench.records.robustness import Robustness
from fer_bench.records.schema import Record, Trial
from fer_bench.records.store import READ_ERRORS

LeftOut = tuple[Path, str]
READ = (
    *("test_ids", "test_labels", "test_probabilities", "test_clean", "test_groups"),
    *("validation_labels", "validation_probabilities"),
)


@dataclass(frozen=True)
class SeedResult:
    """One seed of a row, its folds pooled: scores on the test predictions, and what its trials were."""

    seed: int
    records: list[Record]  # one per fold
    scores: dict[str, float]
    per_class: PerClass
    confusion: np.ndarray  # (classes, classes) int
    test_images: int
    clean_images: int  # of them, those known to have no twin in other parts; 0 where that was not looked at
    clean_accuracy: float  # on those; NaN where there are none, or where all are clean
    validation_accuracy: float  # NaN where no validation predictions were kept
    samples: str  # the same for seeds that were tested on the same samples with the same labels
    correct: np.ndarray  # (test samples,) bool, in an order that is the same for the same samples
    groups: np.ndarray | None  # (test samples,) str in that order, see Predictions; None where any fold has none
    fold_accuracies: dict[int, float]  # of each fold on its own
    fold_absent: dict[int, list[str]]  # classes without a test image, of the folds where there are any


@dataclass(frozen=True)
class Row:
    """Trials that are equal but for the seed and the fold."""

    id: str  # 12 hexadecimal digits, the same wherever the same row is computed
    trial: Trial  # the first of them; of its seed and fold nothing is to be read
    seeds: list[SeedResult]
    failed: list[Record]
    corrupted: list[Robustness] = field(default_factory=list)  # of the finished trials that were tried so

    @cached_property
    def records(self) -> list[Record]:
        """The finished trials first."""
        return [r for seed in self.seeds for r in seed.records] + self.failed

    @property
    def section(self) -> tuple[str, str, str]:
        """Dataset, protocol and data fingerprint: only rows that agree in them can be compared."""
        return self.trial.dataset, self.trial.protocol, self.trial.fingerprint

    @property
    def weights(self) -> str:
        """The kind of the initial weights: imagenet, random, or unknown."""
        return self.trial.initial_weights.partition(":")[0]

    @cached_property
    def folds(self) -> set[int]:
        return {r.trial.fold for r in self.records}

    @property
    def remarks(self) -> list[str]:
        """What must be known of its split, each once."""
        return list(dict.fromkeys(remark for record in self.records for remark in record.split_notes))

    @property
    def complete(self) -> bool:
        """Whether every scored seed has all the folds that any trial of this row had."""
        return all({r.trial.fold for r in seed.records} == self.folds for seed in self.seeds)


@dataclass(frozen=True)
class _Fold:
    """What was read of one trial."""

    record: Record
    ids: np.ndarray
    labels: np.ndarray
    probabilities: np.ndarray
    clean: np.ndarray
    groups: np.ndarray | None
    validation_right: np.ndarray  # (validation samples,) bool, empty where no validation predictions were kept

    @property
    def absent(self) -> list[str]:
        counts = np.bincount(self.labels, minlength=len(self.record.classes))
        return [name for name, count in zip(self.record.classes, counts, strict=True) if not count]


@dataclass(frozen=True)
class _Reading:
    """What is known so far while rows are read: what could not be, and the sets of test samples that were seen."""

    left_out: list[LeftOut] = field(default_factory=list)
    seen: dict[tuple[bytes, ...], tuple[str, np.ndarray]] = field(default_factory=dict)


def rows(stored: Iterable[StoredRecord]) -> tuple[list[Row], list[LeftOut]]:
    """Group and score records. Those whose predictions cannot be read or scored are named in the second value."""
    groups: dict[str, list[StoredRecord]] = defaultdict(list)
    for one in stored:
        groups[_identity(one.record.trial)].append(one)
    reading = _Reading()
    result = [_row(identity, members, reading) for identity, members in groups.items()]
    return [row for row in result if row.seeds or row.failed], reading.left_out


def _identity(trial: Trial) -> str:
    text = json.dumps(trial.model_dump(exclude={"seed", "fold", "recipe_name"}), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _row(identity: str, members: list[StoredRecord], reading: _Reading) -> Row:
    members = sorted(members, key=lambda s: (s.record.trial.seed, s.record.trial.fold))
    by_seed: dict[int, list[StoredRecord]] = defaultdict(list)
    for one in members:
        if one.record.status == "finished":
            by_seed[one.record.trial.seed].append(one)
    results = [_seed_result(seed, folds, reading) for seed, folds in by_seed.items()]
    return Row(
        id=identity,
        trial=members[0].record.trial,
        seeds=[r for r in results if r],
        failed=[s.record for s in members if s.record.status != "finished"],
        corrupted=[found for s in members if (found := _corrupted(s, reading))],
    )


def _corrupted(one: StoredRecord, reading: _Reading) -> Robustness | None:
    """Its accuracy under corruptions; a file of it that cannot be used is named, and harms the record no further."""
    if one.record.status != "finished":
        return None
    try:
        found = robustness.read(one.path)
        if found and found.key not in (None, one.record.trial.key):
            raise ValueError(f"{robustness.FILE} is of another trial")
    except ValueError as error:
        reading.left_out.append((one.path, f"{error}; all else of the record is there"))
        return None
    return found


def _seed_result(seed: int, stored: list[StoredRecord], reading: _Reading) -> SeedResult | None:
    folds = []
    for one in stored:
        try:
            folds.append(_fold(one))
        except READ_ERRORS as error:
            reading.left_out.append((one.path, _reason(error)))
    if not folds:
        return None
    ids, labels, probabilities, clean, validation_right = (
        _joined([getattr(fold, name) for fold in folds])
        for name in ("ids", "labels", "probabilities", "no_duplicate", "validation_right")
    )
    groups = None if any(fold.groups is None for fold in folds) else _joined([fold.groups for fold in folds])
    measured = MetricResults(labels, probabilities)
    right = measured.correct
    samples, order = _samples(ids, labels, reading)
    starts = np.cumsum([0, *(len(fold.labels) for fold in folds)])
    return SeedResult(
        seed=seed,
        records=[fold.record for fold in folds],
        scores=measured.scores,
        per_class=measured.per_class,
        confusion=measured.confusion,
        test_images=len(labels),
        clean_images=int(clean.sum()),
        clean_accuracy=float(right[clean].mean()) if 0 < clean.sum() < len(clean) else float("nan"),
        validation_accuracy=float(validation_right.mean()) if len(validation_right) else float("nan"),
        samples=samples,
        correct=right[order],
        groups=None if groups is None else groups[order],
        fold_accuracies={
            fold.record.trial.fold: float(right[start : start + len(fold.labels)].mean())
            for fold, start in zip(folds, starts[:-1], strict=True)
        },
        fold_absent={fold.record.trial.fold: fold.absent for fold in folds if fold.absent},
    )


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _samples(ids: np.ndarray, labels: np.ndarray, reading: _Reading) -> tuple[str, np.ndarray]:
    """A digest of the samples whatever their order, and the order that makes equal sets equal."""
    raw = (ids.dtype.str.encode(), ids.tobytes(), labels.tobytes())
    if raw not in reading.seen:
        order = np.lexsort((labels, ids))
        text = json.dumps([ids[order].tolist(), labels[order].tolist()])
        reading.seen[raw] = hashlib.sha256(text.encode()).hexdigest(), order
    return reading.seen[raw]


def _fold(one: StoredRecord) -> _Fold:
    found, classes = one.arrays(*READ), len(one.record.classes)
    labels, probabilities = _checked(found, "test", classes)
    ids, clean, groups = found["test_ids"], found.get("test_clean"), found.get("test_groups")
    if ids.shape != labels.shape or ids.dtype.kind != "U":
        raise ValueError(f"{ids.dtype} {ids.shape} names {len(labels)} samples")
    clean = np.zeros(len(labels), bool) if clean is None else clean
    if clean.shape != labels.shape or clean.dtype != bool:
        raise ValueError(f"{clean.dtype} {clean.shape} marks {len(labels)} samples as clean")
    if groups is not None and (groups.shape != labels.shape or groups.dtype.kind != "U"):
        raise ValueError(f"{groups.dtype} {groups.shape} groups {len(labels)} samples")
    right = np.zeros(0, bool)  # a protocol may have no validation part
    if "validation_labels" in found:
        validated, said = _checked(found, "validation", classes)
        right = said.argmax(axis=1) == validated
    return _Fold(one.record, ids, labels, probabilities, clean, groups, right)


def _checked(found: dict[str, np.ndarray], part: str, classes: int) -> tuple[np.ndarray, np.ndarray]:
    labels, probabilities = validated_predictions(found[f"{part}_labels"], found[f"{part}_probabilities"])
    if probabilities.shape[1:] != (classes,):
        raise ValueError(f"{probabilities.shape[1]} columns of probabilities for {classes} classes")
    return labels, probabilities


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"predictions.npz holds no {str(error.args[0]).partition('_')[0]} predictions"
    if isinstance(error, ValueError) and "pickle" not in str(error):
        return f"its predictions cannot be scored: {error}"
    return f"predictions.npz cannot be read ({type(error).__name__})"
