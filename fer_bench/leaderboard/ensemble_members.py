"""Which rows of the leaderboard vote in an ensemble, and what their trials said of the same samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.leaderboard.row_labels import names_of
from fer_bench.leaderboard.rows import LeftOut, Row, rows
from fer_bench.records import StoredRecord, load
from fer_bench.records.schema import Predictions

Place = tuple[int, int]  # seed and fold


@dataclass(frozen=True)
class Candidates:
    """Rows of one dataset and protocol that may vote, in an order that does not depend on how they were named.

    labels: what the leaderboard calls them, by identity; stored: their records by key; left_out: records of the folder
    that cannot be read.
    """

    rows: list[Row]
    labels: dict[str, str]
    stored: dict[str, StoredRecord]
    left_out: list[LeftOut]

    def label(self, row: Row) -> str:
        return self.labels[row.id]

    def keys(self, row: Row) -> list[str]:
        return [record.trial.key for seed in row.seeds for record in seed.records]

    def seeds(self, row: Row) -> list[int]:
        """Those that have all the folds which vote."""
        folds = {fold for _, fold in self._common}
        return sorted(s.seed for s in row.seeds if folds <= {r.trial.fold for r in s.records})

    def places(self, across_seeds: bool) -> Iterator[tuple[int, int, list[tuple[Row, StoredRecord]]]]:
        """Seed, fold and those who vote there: for each seed and fold that all rows have; or all seeds in each fold.

        UserError where there is none.
        """
        if not across_seeds:
            for seed, fold in sorted(self._common):
                yield seed, fold, [(row, self._of(row)[seed, fold]) for row in self.rows]
            return
        for fold in sorted({fold for _, fold in self._common}):
            yield 0, fold, [(row, self._of(row)[seed, fold]) for row in self.rows for seed in self.seeds(row)]

    def without(self, across_seeds: bool) -> list[Place]:
        """Seeds and folds that some rows have and others lack, so that no ensemble is made of them."""
        if across_seeds:
            return []
        return sorted({place for row in self.rows for place in self._of(row)} - self._common)

    @cached_property
    def _common(self) -> set[Place]:
        common = set.intersection(*(set(self._of(row)) for row in self.rows))
        if not common:
            shown = "; ".join(f"{self.label(row)} has {_seeds(self._of(row))}" for row in self.rows[:5])
            raise UserError(f"These rows have no seed and fold in common, so none can vote together: {shown}.")
        return common

    def _of(self, row: Row) -> dict[Place, StoredRecord]:
        return {
            (record.trial.seed, record.trial.fold): self.stored[record.trial.key]
            for seed in row.seeds
            for record in seed.records
        }


def candidates(
    results: Path, members: Sequence[str], dataset: str | None = None, protocol: str | None = None
) -> Candidates:
    """The rows of a results folder that members name, or all of them; they must be of one dataset and protocol.

    A member is a label of the leaderboard, an architecture, the first characters (6 at least) of a row's identity, or a
    pattern for labels and architectures. Ensembles are meant only where they are named without a pattern. A row without
    a finished trial is no candidate. UserError for a name that nothing has, or where no or several datasets and
    protocols are left, or several versions of the data.
    """
    read = load(results)
    found, unreadable = rows(read)
    labels = {identity: name["label"] for identity, name in names_of(found).items()}
    there = [
        row
        for row in found
        if row.seeds and dataset in (None, row.trial.dataset) and protocol in (None, row.trial.protocol)
    ]
    if not there:
        asked = "".join(f" with {what} {name}" for what, name in (("dataset", dataset), ("protocol", protocol)) if name)
        raise UserError(f"There are no finished trials{asked} in {results}.")
    if members:
        chosen = {row.id: row for text in members for row in _named(text, there, labels, results)}
    else:
        chosen = {row.id: row for row in there if not row.trial.ensemble}
    if not chosen:
        raise UserError(f"There are no rows but ensembles in {results}: name them with --members to vote again.")
    ordered = sorted(chosen.values(), key=lambda row: (row.trial.architecture, row.id))
    _check_one_section(ordered, labels)
    return Candidates(ordered, labels, read.stored, [*read.left_out, *unreadable])


def aligned(
    part: str, stored: Sequence[StoredRecord], names: Sequence[str], needed: bool
) -> tuple[Predictions, np.ndarray] | None:
    """The first one's predictions of a part, and all of them in its order: (members, samples, classes) float64.

    None where one has no such part and it is not needed. UserError where it is, or where one has other classes, samples
    or labels than the first; `names` are what they are called.
    """
    read = []
    for one, name in zip(stored, names, strict=True):
        try:
            read.append(one.predictions(part))
        except KeyError:
            if not needed:
                return None
            raise UserError(
                f"{name} has no {part} predictions ({one.record.trial}), and weights and selection are made on them."
            ) from None
    first, classes = read[0], stored[0].record.classes
    members = np.empty((len(read), *first.probabilities.shape))
    for place, (one, name) in enumerate(zip(read, names, strict=True)):
        if stored[place].record.classes != classes:
            raise UserError(f"{name} has other classes than {names[0]}: they cannot vote together.")
        order = _order(one, first)
        if order is None:
            raise UserError(
                f"{name} was not tried on the same {part} samples as {names[0]}: they cannot vote together "
                f"({stored[place].record.trial})."
            )
        members[place] = one.probabilities[order]
    marked = next((one for one in read if one.clean is not None), None)
    if marked is not None and first.clean is None:
        first = Predictions(first.ids, first.labels, first.probabilities, marked.clean[_order(marked, first)])
    return first, members


def _order(one: Predictions, first: Predictions) -> np.ndarray | None:
    """Indices that bring predictions into the order of the first ones; None where they are of other samples."""
    if len(one.ids) != len(first.ids):
        return None
    mine, theirs = np.argsort(one.ids, kind="stable"), np.argsort(first.ids, kind="stable")
    order = np.empty(len(mine), dtype=np.intp)
    order[theirs] = mine
    same = np.array_equal(one.ids[order], first.ids) and np.array_equal(one.labels[order], first.labels)
    return order if same else None


def _named(text: str, there: Iterable[Row], labels: dict[str, str], results: Path) -> list[Row]:
    """The rows that one value of --members names: a label, or several names with commas between them."""
    there = list(there)
    if whole := [row for row in there if labels[row.id] == text.strip()]:  # a label may hold commas
        return whole
    named = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        matching = _matching(name, there, labels)
        if not matching:
            known = ", ".join(sorted({labels[row.id] for row in there}))
            raise UserError(f"Nothing is recorded for '{name}' in {results}; there are finished trials of {known}.")
        named += matching
    return named


def _matching(name: str, there: list[Row], labels: dict[str, str]) -> list[Row]:
    if exact := [row for row in there if labels[row.id] == name]:
        return exact
    if models := [row for row in there if row.trial.architecture == name]:
        return models
    if re.fullmatch("[0-9a-f]{6,12}", name) and (rows := [row for row in there if row.id.startswith(name)]):
        return rows
    plain = [row for row in there if not row.trial.ensemble]
    return [row for row in plain if any(fnmatchcase(n, name) for n in (labels[row.id], row.trial.architecture))]


def _check_one_section(rows: list[Row], labels: dict[str, str]) -> None:
    sections = sorted({row.section[:2] for row in rows})
    if len(sections) > 1:
        shown = ", ".join(f"{dataset} {protocol}" for dataset, protocol in sections)
        raise UserError(f"An ensemble is of one dataset and protocol; choose with --dataset and --protocol: {shown}.")
    first = rows[0]
    for row in rows:
        if row.trial.fingerprint != first.trial.fingerprint:
            raise UserError(
                f"{labels[row.id]} was tried on other data of the name {row.trial.dataset} than {labels[first.id]} "
                f"(fingerprints {row.trial.fingerprint[:8]} and {first.trial.fingerprint[:8]}): they cannot vote "
                "together."
            )


def _seeds(places: Iterable[Place]) -> str:
    shown = [f"seed {seed}" + (f" fold {fold}" if fold else "") for seed, fold in sorted(places)]
    return ", ".join(shown[:3]) + (f" and {len(shown) - 3} more" if len(shown) > 3 else "")
