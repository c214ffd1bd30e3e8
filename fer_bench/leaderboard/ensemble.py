"""Ensembles of recorded trials: how members vote, and the records of the results."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench import records
from fer_bench.core.errors import UserError, write_error
from fer_bench.evaluation import ensembles
from fer_bench.leaderboard.ensemble_members import Candidates, Member, aligned_predictions
from fer_bench.records.schema import ENSEMBLE, EXTERNAL, Predictions, Record, Trial
from fer_bench.records.schema import Member as RecordedMember

PROCEDURE_VERSION = 1  # part of every key; to be raised when the same method gives other results
SPLITS = ("validation", "test")  # there are no predictions of the training split
MEMBER_FIELDS = ("key", "architecture", "recipe_name", "seed")  # what the record of an ensemble has of each trial
MAX_NAMES = 8  # members in a row's recipe name


@dataclass(frozen=True)
class VotingMethod:
    """How members vote. Selection and weights use the validation split of the same fold and seed only.

    Attributes:
        size: Size of a greedy selection with replacement; None to take all members.
        weighted: Whether members have the weights of the lowest log loss, instead of equal ones.
        across_seeds: Whether all seeds of the members vote together, instead of one ensemble per seed.
    """

    size: int | None = None
    weighted: bool = False
    across_seeds: bool = False

    @property
    def needs_validation(self) -> bool:
        return self.weighted or self.size is not None

    def __str__(self) -> str:
        method = "weighted vote of" if self.weighted else "vote of"
        if self.size:
            method = f"greedy {self.size}, weighted:" if self.weighted else f"greedy {self.size}:"
        return f"across seeds, {method}" if self.across_seeds else method


@dataclass(frozen=True)
class EnsembleResult:
    """The record of one seed and fold, its folder, and accuracies on validation, None without a validation split."""

    record: Record
    path: Path
    validation_accuracy: float | None
    best_member_accuracy: float | None


@dataclass(frozen=True)
class _Vote:
    """The members of one seed and fold, their weights, and the predictions of the vote, by split."""

    seed: int
    fold: int
    members: list[Member]
    weights: list[float]
    predictions: dict[str, Predictions]
    best_member_accuracy: float | None


def create_ensembles(results: Path, candidates: Candidates, method: VotingMethod) -> list[EnsembleResult]:
    """Create an ensemble for each seed and fold that all rows have, or for each fold across seeds, and record it.

    Args:
        results: The results folder.
        candidates: The rows that can vote.
        method: How they vote.

    Raises:
        UserError: There are fewer than two members, they have other samples or classes, no seed and fold in common, or
            no validation split that the method needs, or the records cannot be written.
    """
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    rows = candidates.rows
    if len(rows) < 2 and not method.across_seeds:
        raise UserError(f"An ensemble needs at least two rows, and there is only {candidates.label(rows[0])}.")
    votes = [_vote(candidates, method, *voters) for voters in candidates.seed_folds(method.across_seeds)]
    trial = _trial(candidates, method, _recipe_name(candidates, method, votes))
    return [_write(results, trial, vote, started) for vote in votes]


def _vote(candidates: Candidates, method: VotingMethod, seed: int, fold: int, members: Sequence[Member]) -> _Vote:
    stored = [record for _, record in members]
    if len(stored) < 2:
        raise UserError(f"An ensemble needs at least two trials, and there is only {stored[0].record.trial}.")
    names = [candidates.label(row) for row, _ in members]
    aligned: dict[str, tuple[Predictions, np.ndarray]] = {}
    for split in SPLITS:
        found = aligned_predictions(split, stored, names, split == "test" or method.needs_validation)
        if found is not None:
            aligned[split] = found
    chosen, best_accuracy = list(range(len(stored))), None
    weights: np.ndarray = np.ones(len(stored))
    if "validation" in aligned:
        first, probabilities = aligned["validation"]
        best_accuracy = max(_accuracy(first.labels, member) for member in probabilities)
        if method.size is not None:
            counts = Counter(ensembles.greedy_selection(first.labels, probabilities, method.size))
            chosen = sorted(counts)
            weights = np.array([counts[i] for i in chosen], dtype=float)
        if method.weighted:
            weights = ensembles.validation_weights(first.labels, probabilities[chosen])
    weights = weights / weights.sum()
    return _Vote(
        seed=seed,
        fold=fold,
        members=[members[i] for i in chosen],
        weights=weights.tolist(),
        predictions={split: _average(first, of[chosen], weights) for split, (first, of) in aligned.items()},
        best_member_accuracy=best_accuracy,
    )


def _average(first: Predictions, probabilities: np.ndarray, weights: np.ndarray) -> Predictions:
    averaged = ensembles.soft_vote(probabilities, weights).astype(np.float32)
    return Predictions(first.ids, first.labels, averaged, first.no_duplicate, first.groups)


def _accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def _trial(candidates: Candidates, method: VotingMethod, recipe_name: str) -> Trial:
    """Return the ensemble's trial; seed and fold are those of each vote.

    The rows' ids, the seed and the fold determine the members' keys, so the key follows from them and the method.
    """
    rows, ids = candidates.rows, sorted(row.id for row in candidates.rows)
    recipe: dict[str, Any] = {
        ENSEMBLE: {
            "method": "greedy" if method.size else "vote",
            "size": method.size,
            "weighted": method.weighted,
            "seeds": {row.id: candidates.seeds(row) for row in rows} if method.across_seeds else None,
            "rows": {row.id: row.trial.architecture for row in rows},
        },
        "tta": _join(str(row.trial.recipe.get("tta", 1)) for row in rows),
        "precision": _join(str(row.trial.recipe.get("precision", "unknown precision")) for row in rows),
    }
    if external := sorted(row.id for row in rows if row.trial.external):
        recipe[EXTERNAL] = external
    first = rows[0].trial
    weights = {row.trial.initial_weights for row in rows}
    return Trial(
        architecture=ENSEMBLE,
        source_digest=hashlib.sha256(json.dumps(ids).encode()).hexdigest(),
        dataset=first.dataset,
        fingerprint=first.fingerprint,
        protocol=first.protocol,
        fold=0,
        recipe_name=recipe_name,
        recipe=recipe,
        initial_weights=weights.pop() if len(weights) == 1 else _join(row.weights for row in rows),
        seed=0,
        backend=_join(row.trial.backend for row in rows),
        procedure_version=PROCEDURE_VERSION,
    )


def _join(values: Iterable[str]) -> str:
    return " + ".join(sorted(set(values)))


def _recipe_name(candidates: Candidates, method: VotingMethod, votes: list[_Vote]) -> str:
    """Return the method and the rows that vote in any seed or fold, highest weight first."""
    weights: dict[str, float] = defaultdict(float)
    for vote in votes:
        for (row, _), weight in zip(vote.members, vote.weights, strict=True):
            weights[row.id] += weight / len(votes)
    labels = candidates.labels
    ordered = sorted(weights, key=lambda row_id: (-round(weights[row_id], 6), labels[row_id]))
    percents = {i: f" {100 * weights[i]:.0f} %" if method.needs_validation else "" for i in ordered}
    names = [labels[row_id] + percents[row_id] for row_id in ordered[:MAX_NAMES]]
    if len(ordered) > MAX_NAMES:
        names.append(f"{len(ordered) - MAX_NAMES} more")
    # Commas separate a recipe's name from the settings that differ.
    return f"{method} {' + '.join(names)}".replace(", ", " ")


def _write(results: Path, trial: Trial, vote: _Vote, started: str) -> EnsembleResult:
    members = [stored.record for _, stored in vote.members]
    parameters = [record.num_parameters for record in members if record.num_parameters is not None]
    validation = vote.predictions.get("validation")
    record = Record(
        trial=trial.model_copy(update={"seed": vote.seed, "fold": vote.fold}),
        status="finished",
        started=started,
        machine=_machine([record.machine for record in members]),
        benchmark_version=members[0].benchmark_version,
        classes=members[0].classes,
        samples=members[0].samples,
        split_notes=list(dict.fromkeys(note for record in members for note in record.split_notes)),
        num_parameters=sum(parameters) if len(parameters) == len(members) else None,
        members=[
            RecordedMember(weight=weight, **{name: getattr(record.trial, name) for name in MEMBER_FIELDS})
            for record, weight in zip(members, vote.weights, strict=True)
        ],
    )
    try:
        path = records.write(results, record, vote.predictions)
    except OSError as error:
        raise write_error(f"The ensemble in {results}", error) from None
    accuracy = None if validation is None else _accuracy(validation.labels, validation.probabilities)
    return EnsembleResult(record, path, accuracy, vote.best_member_accuracy)


def _machine(machines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the members' machine; of several machines, what they have in common and the names of all processors."""
    common = {name: value for name, value in machines[0].items() if all(m.get(name) == value for m in machines)}
    return common | {"processor": _join(str(m.get("processor") or "unknown processor") for m in machines)}
