"""From records to the leaderboard's rows: trials that are equal but for the seed and the fold, scored per seed."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench.evaluation.metrics import checked, confusion, scores
from fer_bench.records import Stored
from fer_bench.trial import Record, Trial

LeftOut = tuple[Path, str]
UNREADABLE = (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class SeedResult:
    """One seed of a row, its folds pooled: scores on the test predictions, and what its trials were."""

    seed: int
    records: list[Record]  # one per fold
    scores: dict[str, float]
    confusion: np.ndarray  # (classes, classes) int
    test_images: int
    clean_images: int  # of them, those known to have no twin in other parts; 0 where that was not looked at
    clean_accuracy: float  # on those; NaN where there are none, or where all are clean
    validation_accuracy: float  # NaN where no validation predictions were kept


@dataclass(frozen=True)
class Row:
    """Trials that are equal but for the seed and the fold."""

    id: str  # 12 hexadecimal digits, the same wherever the same row is computed
    trial: Trial  # the first of them; of its seed and fold nothing is to be read
    seeds: list[SeedResult]
    failed: list[Record]

    @property
    def records(self) -> list[Record]:
        """The finished trials first."""
        return [r for seed in self.seeds for r in seed.records] + self.failed

    @property
    def section(self) -> tuple[str, str, str]:
        """Dataset, protocol and data fingerprint: only rows that agree in them can be compared."""
        return self.trial.dataset, self.trial.protocol, self.trial.fingerprint

    @property
    def weights(self) -> str:
        """The kind of the initial weights: imagenet or random."""
        return self.trial.initial_weights.partition(":")[0]

    @property
    def folds(self) -> set[int]:
        return {r.trial.fold for r in self.records}

    @property
    def remarks(self) -> list[str]:
        """What must be known of its split, each once."""
        return list(dict.fromkeys(remark for record in self.records for remark in record.remarks))

    @property
    def complete(self) -> bool:
        """Whether every scored seed has all the folds that any trial of this row had."""
        return all({r.trial.fold for r in seed.records} == self.folds for seed in self.seeds)


def rows(stored: Iterable[Stored]) -> tuple[list[Row], list[LeftOut]]:
    """Group and score records. Those whose predictions cannot be read or scored are named in the second value."""
    groups: dict[str, list[Stored]] = defaultdict(list)
    for one in stored:
        groups[_identity(one.record.trial)].append(one)
    left_out: list[LeftOut] = []
    result = [_row(identity, members, left_out) for identity, members in groups.items()]
    return [row for row in result if row.seeds or row.failed], left_out


def _identity(trial: Trial) -> str:
    text = json.dumps(trial.model_dump(exclude={"seed", "fold", "recipe_name"}), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _row(identity: str, members: list[Stored], left_out: list[LeftOut]) -> Row:
    members = sorted(members, key=lambda s: (s.record.trial.seed, s.record.trial.fold))
    by_seed: dict[int, list[Stored]] = defaultdict(list)
    for one in members:
        if one.record.status == "finished":
            by_seed[one.record.trial.seed].append(one)
    results = [_seed_result(seed, folds, left_out) for seed, folds in by_seed.items()]
    return Row(
        id=identity,
        trial=members[0].record.trial,
        seeds=[r for r in results if r],
        failed=[s.record for s in members if s.record.status != "finished"],
    )


def _seed_result(seed: int, folds: list[Stored], left_out: list[LeftOut]) -> SeedResult | None:
    read = []
    for one in folds:
        try:
            read.append((one.record, _part(one, "test"), _validation(one)))
        except UNREADABLE as error:
            left_out.append((one.path, _reason(error)))
    if not read:
        return None
    labels, probabilities, clean = (np.concatenate([test[i] for _, test, _ in read]) for i in (0, 1, 2))
    right = probabilities.argmax(axis=1) == labels
    hits = [v[1].argmax(axis=1) == v[0] for _, _, v in read if v]
    return SeedResult(
        seed=seed,
        records=[record for record, _, _ in read],
        scores=scores(labels, probabilities),
        confusion=confusion(labels, probabilities),
        test_images=len(labels),
        clean_images=int(clean.sum()),
        clean_accuracy=float(right[clean].mean()) if 0 < clean.sum() < len(clean) else float("nan"),
        validation_accuracy=float(np.concatenate(hits).mean()) if hits else float("nan"),
    )


def _part(one: Stored, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities, and which samples are known to be clean."""
    predictions = one.predictions(part)
    labels, probabilities = checked(predictions.labels, predictions.probabilities)
    if probabilities.shape[1] != len(one.record.classes):
        raise ValueError(f"{probabilities.shape[1]} columns of probabilities for {len(one.record.classes)} classes")
    clean = np.zeros(len(labels), bool) if predictions.clean is None else predictions.clean
    if clean.shape != labels.shape or clean.dtype != bool:
        raise ValueError(f"{clean.dtype} {clean.shape} marks {len(labels)} samples as clean")
    return labels, probabilities, clean


def _validation(one: Stored) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    try:
        return _part(one, "validation")
    except KeyError:
        return None  # a protocol may have no validation part


def _reason(error: Exception) -> str:
    if isinstance(error, KeyError):
        return "predictions.npz holds no test predictions"
    if isinstance(error, ValueError) and "pickle" not in str(error):
        return f"its predictions cannot be scored: {error}"
    return f"predictions.npz cannot be read ({type(error).__name__})"
