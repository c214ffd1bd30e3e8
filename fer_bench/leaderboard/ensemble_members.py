"""Which rows of the leaderboard vote in an ensemble, and their predictions of the same samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import list_first, same_spelling, split_names
from fer_bench.leaderboard.row_labels import label_rows
from fer_bench.leaderboard.row_warnings import suspicion
from fer_bench.leaderboard.rows import LeaderboardRow, SkippedRecord, build_rows
from fer_bench.records import StoredRecord, load
from fer_bench.records.schema import Predictions

SeedFold = tuple[int, int]  # seed and fold
Member = tuple[LeaderboardRow, StoredRecord]
MIN_ID_LENGTH = 6  # characters of a row's id that identify it
MAX_LISTED_ROWS = 5
MAX_LISTED_FOLDS = 3


@dataclass(frozen=True)
class Candidates:
    """Rows of one dataset and protocol that can vote, in an order that does not depend on how they were named.

    Attributes:
        rows: The rows.
        labels: Labels of the leaderboard's rows, by row id.
        stored: The records, by key.
        skipped: Records of the folder that were skipped.
    """

    rows: list[LeaderboardRow]
    labels: dict[str, str]
    stored: dict[str, StoredRecord]
    skipped: list[SkippedRecord]

    def label(self, row: LeaderboardRow) -> str:
        return self.labels[row.id]

    def seeds(self, row: LeaderboardRow) -> list[int]:
        """Return the seeds that have all the folds that vote."""
        folds = {fold for _, fold in self._common}
        return sorted(seed.seed for seed in row.seeds if folds <= {r.trial.fold for r in seed.records})

    def seed_folds(self, across_seeds: bool) -> Iterator[tuple[int, int, list[Member]]]:
        """Yield seed, fold and the members that vote there.

        across_seeds: Whether all seeds vote together, once per fold with 0 as the seed. Raises UserError if the rows
        have no seed and fold in common.
        """
        if not across_seeds:
            for seed, fold in sorted(self._common):
                yield seed, fold, [(row, self._records(row)[seed, fold]) for row in self.rows]
            return
        for fold in sorted({fold for _, fold in self._common}):
            yield 0, fold, [(row, self._records(row)[seed, fold]) for row in self.rows for seed in self.seeds(row)]

    def incomplete_seed_folds(self, across_seeds: bool) -> list[SeedFold]:
        """Return the seeds and folds that only some rows have, which get no ensemble."""
        if across_seeds:
            return []
        return sorted({seed_fold for row in self.rows for seed_fold in self._records(row)} - self._common)

    @cached_property
    def _common(self) -> set[SeedFold]:
        common = set.intersection(*(set(self._records(row)) for row in self.rows))
        if not common:
            rows = self.rows[:MAX_LISTED_ROWS]
            shown = "; ".join(f"{self.label(row)} has {_list_seed_folds(self._records(row))}" for row in rows)
            raise UserError(f"These rows have no seed and fold in common, so they cannot vote together: {shown}.")
        return common

    def _records(self, row: LeaderboardRow) -> dict[SeedFold, StoredRecord]:
        return {
            (record.trial.seed, record.trial.fold): self.stored[record.trial.key]
            for seed in row.seeds
            for record in seed.records
        }


def select_candidates(
    results: Path, members: Sequence[str], dataset: str | None = None, protocol: str | None = None
) -> Candidates:
    """Return the rows of a results folder that are named; all rows but ensembles and suspected ones if none is named.

    A name is a label of the leaderboard, an architecture, the first characters of a row's id, or a pattern for labels
    and architectures. Patterns never match ensembles. Rows without a finished trial are no candidates.

    Args:
        results: The results folder.
        members: The names.
        dataset: Only rows of this dataset.
        protocol: Only rows of this protocol.

    Raises:
        UserError: Nothing has one of the names, no row is left, or the rows have several datasets, protocols, versions
            of the data or benchmark versions.
    """
    records = load(results)
    rows, unreadable = build_rows(records)
    labels = {row_id: names["label"] for row_id, names in label_rows(rows).items()}
    finished = [
        row
        for row in rows
        if row.seeds
        and (dataset is None or same_spelling(dataset, [row.trial.dataset]))
        and (protocol is None or same_spelling(protocol, [row.trial.protocol]))
    ]
    if not finished:
        options = {"dataset": dataset, "protocol": protocol}
        filters = "".join(f" with {option} {name}" for option, name in options.items() if name)
        raise UserError(f"There are no finished trials{filters} in {results}.")
    if members:
        chosen = {row.id: row for text in members for row in _resolve(text, finished, labels, results)}
    else:
        single = [row for row in finished if not (row.trial.ensemble or row.trial.exported)]
        chosen = {row.id: row for row in single if not suspicion(row)}
    if not chosen:
        raise UserError(f"There are only ensembles in {results}. Name them with --members to let them vote again.")
    ordered = sorted(chosen.values(), key=lambda row: (row.trial.architecture, row.id))
    _check_one_section(ordered, labels)
    return Candidates(ordered, labels, records.stored, [*records.skipped, *unreadable])


def aligned_predictions(
    split: str, stored: Sequence[StoredRecord], names: Sequence[str], required: bool
) -> tuple[Predictions, np.ndarray] | None:
    """Return the first member's predictions of a split, and those of all members in the same order of samples.

    Args:
        split: validation or test.
        stored: The members' records.
        names: Their names in messages.
        required: Whether every member must have predictions of the split.

    Returns:
        The first predictions and an array (members, samples, classes) float64; None if a member has no predictions of
        the split and they are not required.

    Raises:
        UserError: A member has no predictions although they are required, or has other classes, samples or labels than
            the first member.
    """
    predictions = []
    for record, name in zip(stored, names, strict=True):
        try:
            predictions.append(record.predictions(split))
        except KeyError:
            if not required:
                return None
            raise UserError(
                f"{name} has no {split} predictions ({record.record.trial}), which weights and selection need."
            ) from None
    first, aligned = predictions[0], []
    no_duplicate = first.no_duplicate
    for record, name, member in zip(stored, names, predictions, strict=True):
        if record.record.classes != stored[0].record.classes:
            raise UserError(f"{name} has other classes than {names[0]}: they cannot vote together.")
        order = _order(member, first)
        if order is None:
            raise UserError(
                f"{name} has other {split} samples than {names[0]}: they cannot vote together ({record.record.trial})."
            )
        aligned.append(member.probabilities[order].astype(np.float64))
        if no_duplicate is None and member.no_duplicate is not None:
            no_duplicate = member.no_duplicate[order]
    return replace(first, no_duplicate=no_duplicate), np.stack(aligned)


def _order(predictions: Predictions, first: Predictions) -> np.ndarray | None:
    """Return the indices that bring predictions into the order of the first ones; None if their samples differ."""
    if len(predictions.ids) != len(first.ids):
        return None
    order = np.empty(len(first.ids), dtype=np.intp)
    order[np.argsort(first.ids, kind="stable")] = np.argsort(predictions.ids, kind="stable")
    same_ids = np.array_equal(predictions.ids[order], first.ids)
    return order if same_ids and np.array_equal(predictions.labels[order], first.labels) else None


def _resolve(
    text: str, rows: Sequence[LeaderboardRow], labels: Mapping[str, str], results: Path
) -> list[LeaderboardRow]:
    """Return the rows that one value of --members names: a label, or several names separated by commas."""
    if exact := [row for row in rows if labels[row.id] == text.strip()]:  # a label may contain commas
        return exact
    found = []
    for name in split_names(text):
        matching = _match(name, rows, labels)
        if not matching:
            known = ", ".join(sorted({labels[row.id] for row in rows}))
            raise UserError(f"There are no records of '{name}' in {results}; there are finished trials of {known}.")
        found += matching
    return found


def _match(name: str, rows: Sequence[LeaderboardRow], labels: Mapping[str, str]) -> list[LeaderboardRow]:
    if exact := [row for row in rows if labels[row.id] == name]:
        return exact
    if models := [row for row in rows if row.trial.architecture == name]:
        return models
    is_id = re.fullmatch(f"[0-9a-f]{{{MIN_ID_LENGTH},12}}", name)
    if is_id and (by_id := [row for row in rows if row.id.startswith(name)]):
        return by_id
    if models := [row for row in rows if same_spelling(name, [row.trial.architecture])]:
        return models
    return [
        row
        for row in rows
        if not row.trial.ensemble and any(fnmatchcase(n, name) for n in (labels[row.id], row.trial.architecture))
    ]


def _check_one_section(rows: Sequence[LeaderboardRow], labels: Mapping[str, str]) -> None:
    sections = sorted({row.section[:2] for row in rows})
    if len(sections) > 1:
        shown = ", ".join(f"{dataset} {protocol}" for dataset, protocol in sections)
        raise UserError(
            f"An ensemble has one dataset and protocol, and there are several: {shown}. "
            "Choose with --dataset and --protocol."
        )
    first = rows[0]
    for row in rows:
        if row.trial.fingerprint != first.trial.fingerprint:
            raise UserError(
                f"{labels[row.id]} and {labels[first.id]} have different versions of the data {row.trial.dataset} "
                f"(fingerprints {row.trial.fingerprint[:8]} and {first.trial.fingerprint[:8]}): they cannot vote "
                "together."
            )
        if row.benchmark_version != first.benchmark_version:
            raise UserError(
                f"{labels[row.id]} and {labels[first.id]} were made for different benchmark versions "
                f"({row.benchmark_version} and {first.benchmark_version}): they cannot vote together."
            )


def _list_seed_folds(seed_folds: Iterable[SeedFold]) -> str:
    listed = [f"seed {seed}" + (f" fold {fold}" if fold else "") for seed, fold in sorted(seed_folds)]
    return list_first(listed, MAX_LISTED_FOLDS)
