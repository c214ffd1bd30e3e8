"""Ensembles of recorded trials: which rows, seeds and folds vote together, and the records that come of it."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench import records
from fer_bench.core.errors import UserError, write_error
from fer_bench.evaluation import ensembles
from fer_bench.leaderboard.ensemble_members import Candidates, aligned
from fer_bench.leaderboard.rows import Row
from fer_bench.records import StoredRecord
from fer_bench.records.schema import ENSEMBLE, EXTERNAL, Member, Predictions, Record, Trial

PROCEDURE = 1  # raised when the same method comes to mean something else; part of every key
PARTS = ("validation", "test")
LONGEST_NAMES = 8  # members named in a row's recipe


@dataclass(frozen=True)
class Method:
    """How members vote: all of them equally, by weights, or those that are chosen.

    size: of a greedy selection with replacement, None to take all; weighted: by the weights of least log loss;
    across_seeds: all seeds of the members together, instead of one ensemble for each. Selection and weights are of the
    validation part of the same fold and seed alone.
    """

    size: int | None = None
    weighted: bool = False
    across_seeds: bool = False

    @property
    def needs_validation(self) -> bool:
        return self.weighted or self.size is not None

    def __str__(self) -> str:
        how = "weighted vote of" if self.weighted else "vote of"
        if self.size:
            how = f"greedy {self.size}, weighted:" if self.weighted else f"greedy {self.size}:"
        return f"across seeds, {how}" if self.across_seeds else how


@dataclass(frozen=True)
class Made:
    """An ensemble of one seed and fold: its record and where that lies.

    validation: its accuracy there, best_member: the greatest of its candidates', both None without a validation part.
    """

    record: Record
    path: Path
    validation: float | None
    best_member: float | None


@dataclass(frozen=True)
class _Vote:
    """The members of one seed and fold with their shares, and what they say together."""

    seed: int
    fold: int
    members: list[StoredRecord]
    weights: list[float]
    predictions: dict[str, Predictions]
    best_member: float | None


def make(results: Path, candidates: Candidates, method: Method) -> list[Made]:
    """Vote, and write a record for each seed and fold that all rows have; of all seeds together, for each fold.

    UserError where rows were not tested on the same samples of the same classes, have no seed and fold in common, have
    no validation part that the method needs, or where nothing can be written.
    """
    started = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    rows = candidates.rows
    if len(rows) < 2 and not method.across_seeds:
        raise UserError(f"An ensemble needs two rows at least, and there is only {candidates.label(rows[0])}.")
    votes = [_vote(candidates, method, *place) for place in candidates.places(method.across_seeds)]
    trial = _trial(candidates, method, _name(candidates, method, votes))
    return [_write(results, trial, vote, started) for vote in votes]


def _vote(
    candidates: Candidates, method: Method, seed: int, fold: int, voters: list[tuple[Row, StoredRecord]]
) -> _Vote:
    stored = [one for _, one in voters]
    if len(stored) < 2:
        raise UserError(f"An ensemble needs two trials at least, and there is only {stored[0].record.trial}.")
    names = [candidates.label(row) for row, _ in voters]
    said = {part: aligned(part, stored, names, part == "test" or method.needs_validation) for part in PARTS}
    known = {part: found for part, found in said.items() if found is not None}
    chosen, weights = list(range(len(stored))), None
    best = None
    if "validation" in known:
        first, probabilities = known["validation"]
        best = max(_accuracy(first.labels, one) for one in probabilities)
        if method.size is not None:
            counts = Counter(ensembles.greedy(first.labels, probabilities, method.size))
            chosen, weights = sorted(counts), [counts[i] for i in sorted(counts)]
        if method.weighted:
            weights = ensembles.validation_weights(first.labels, probabilities[chosen])
    shares = np.ones(len(chosen)) if weights is None else np.asarray(weights, dtype=float)
    shares = shares / shares.sum()
    return _Vote(
        seed=seed,
        fold=fold,
        members=[stored[i] for i in chosen],
        weights=shares.tolist(),
        predictions={part: _said(first, found[chosen], shares) for part, (first, found) in known.items()},
        best_member=best,
    )


def _said(first: Predictions, members: np.ndarray, shares: np.ndarray) -> Predictions:
    voted = ensembles.soft_vote(members, shares).astype(np.float32)
    return Predictions(first.ids, first.labels, voted, first.no_duplicate, first.groups)


def _accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())


def _trial(candidates: Candidates, method: Method, name: str) -> Trial:
    """But for seed and fold, which are those of each vote.

    A row's identity, the seed and the fold determine a member's key, so the key follows from them and the method.
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
        "test_views": _common(str(row.trial.recipe.get("test_views", 1)) for row in rows),
        "precision": _common(str(row.trial.recipe.get("precision", "unknown precision")) for row in rows),
    }
    if others := sorted(row.id for row in rows if row.trial.external):
        recipe[EXTERNAL] = others
    first = rows[0].trial
    weights = {row.trial.initial_weights for row in rows}
    return Trial(
        architecture=ENSEMBLE,
        source_digest=hashlib.sha256(json.dumps(ids).encode()).hexdigest(),
        dataset=first.dataset,
        fingerprint=first.fingerprint,
        protocol=first.protocol,
        fold=0,
        recipe_name=name,
        recipe=recipe,
        initial_weights=weights.pop() if len(weights) == 1 else _common(row.weights for row in rows),
        seed=0,
        backend=_common(row.trial.backend for row in rows),
        procedure_version=PROCEDURE,
    )


def _common(values) -> str:
    return " + ".join(sorted(set(values)))


def _name(candidates: Candidates, method: Method, votes: list[_Vote]) -> str:
    """What people read of a row: the method and the rows that vote in any seed or fold, the weightiest first."""
    owner = {key: row for row in candidates.rows for key in candidates.keys(row)}
    shares: Counter[str] = Counter()
    for vote in votes:
        for member, weight in zip(vote.members, vote.weights, strict=True):
            shares[owner[member.record.trial.key].id] += weight / len(votes)
    labels = {row.id: candidates.label(row) for row in candidates.rows}
    told = sorted(shares, key=lambda identity: (-round(shares[identity], 6), labels[identity]))
    equal = not method.needs_validation
    names = [labels[i] + ("" if equal else f" {100 * shares[i]:.0f} %") for i in told[:LONGEST_NAMES]]
    rest = [f"{len(told) - LONGEST_NAMES} more"] if len(told) > LONGEST_NAMES else []
    # A comma would set departures from a recipe apart.
    return f"{method} {' + '.join([*names, *rest])}".replace(", ", " ")


def _write(results: Path, trial: Trial, vote: _Vote, started: str) -> Made:
    members = [one.record for one in vote.members]
    parameters = [record.num_parameters for record in members]
    validation = vote.predictions.get("validation")
    record = Record(
        trial=trial.model_copy(update={"seed": vote.seed, "fold": vote.fold}),
        status="finished",
        started=started,
        machine=_machine([record.machine for record in members]),
        classes=members[0].classes,
        samples=members[0].samples,
        split_notes=list(dict.fromkeys(remark for record in members for remark in record.split_notes)),
        num_parameters=None if None in parameters else sum(parameters),
        members=[_member(record, weight) for record, weight in zip(members, vote.weights, strict=True)],
    )
    try:
        path = records.write(results, record, vote.predictions)
    except OSError as error:
        raise write_error(f"The ensemble in {results}", error) from None
    accuracy = None if validation is None else _accuracy(validation.labels, validation.probabilities)
    return Made(record, path, accuracy, vote.best_member)


def _member(record: Record, weight: float) -> Member:
    trial = record.trial
    return Member(
        key=trial.key,
        architecture=trial.architecture,
        recipe_name=trial.recipe_name,
        seed=trial.seed,
        weight=weight,
    )


def _machine(machines: list[dict[str, Any]]) -> dict[str, Any]:
    """The members' machine; of several, what they have in common and the names of all their processors."""
    common = {name: value for name, value in machines[0].items() if all(m.get(name) == value for m in machines)}
    return common | {"processor": _common(str(m.get("processor") or "unknown processor") for m in machines)}
