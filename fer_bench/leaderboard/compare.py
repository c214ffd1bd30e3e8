"""Comparison of two leaderboards: rows added, lost and changed, and whether changes are significant."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from fer_bench.core.errors import UserError
from fer_bench.core.text import one_line
from fer_bench.evaluation.resampling import (
    bootstrap_weights,
    num_resampling_units,
    percentile_interval,
    resampled_means,
)
from fer_bench.evaluation.significance import ALPHA, compare_all_pairs, holm
from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.leaderboard.rows import LeaderboardRow, SeedResult
from fer_bench.records import load

CSV = "leaderboard.csv"
# What the user requests. Digests of source, data and resolved recipe change with the project's version.
KEY = ["dataset", "protocol", "model", "recipe", "weights", "backend"]
REQUIRED = [*KEY, "fingerprint", "label", "seeds", "status", "accuracy", "machine"]
WORSE, BETTER, NOT_SIGNIFICANT = "worse", "better", "not significant"
FAILS, WORKS, UNTESTED, SAME = "fails now", "works now", "not tested", "the same"
VERDICTS = (WORSE, FAILS, BETTER, WORKS, NOT_SIGNIFICANT, UNTESTED, SAME)  # in the order of tables
REGRESSIONS = (WORSE, FAILS)
MAX_LISTED = 3  # settings of a recipe

Weights = dict[str, np.ndarray]  # the bootstrap's, by digest of the test samples


@dataclass(frozen=True)
class ComparisonSide:
    """One of the two leaderboards.

    Attributes:
        name: Its path.
        frame: The leaderboard's frame.
        rows: The rows by id; empty if only leaderboard.csv is available.
        num_skipped: Number of unreadable records.
    """

    name: str
    frame: pd.DataFrame
    rows: dict[str, LeaderboardRow]
    num_skipped: int = 0

    @property
    def machines(self) -> list[str]:
        return sorted(set(self.frame["machine"]))


@dataclass(frozen=True)
class PairedTest:
    """The test of B − A on the same test samples.

    Attributes:
        difference: Difference of the accuracies, a fraction.
        low: Low end of its 95 % interval.
        high: High end of its 95 % interval.
        p: Two-sided p, the larger of paired bootstrap and McNemar's test, so that both must reject; not corrected.
        identical: Whether A and B have the same correct samples in every seed.
    """

    difference: float
    low: float
    high: float
    p: float
    identical: bool


@dataclass(frozen=True)
class RowMatch:
    """A row that both leaderboards have.

    Attributes:
        before: A's line of the frame.
        after: B's line of the frame.
        differences: What differs in the trials, each in a few words.
        test: The test, None if there is none.
        p: The test's p, Holm-corrected over all tested rows; NaN without a test.
    """

    before: pd.Series
    after: pd.Series
    differences: list[str]
    test: PairedTest | None
    p: float = float("nan")

    @property
    def verdict(self) -> str:
        scored = [not np.isnan(row["accuracy"]) for row in (self.before, self.after)]
        if scored != [True, True]:
            return SAME if scored == [False, False] else FAILS if scored[0] else WORKS
        if self.test is None:
            return SAME if self.before["accuracy"] == self.after["accuracy"] else UNTESTED
        if self.test.identical:
            return SAME
        if self.p > ALPHA:
            return NOT_SIGNIFICANT
        return WORSE if self.test.difference < 0 else BETTER


@dataclass(frozen=True)
class Comparison:
    """Two leaderboards: the rows that both have, regressions first, and the rows that only A or only B has."""

    a: ComparisonSide
    b: ComparisonSide
    matches: list[RowMatch]
    lost: pd.DataFrame
    added: pd.DataFrame

    @cached_property
    def counts(self) -> Counter[str]:
        return Counter(match.verdict for match in self.matches)

    @property
    def regressions(self) -> list[RowMatch]:
        """Rows that are significantly worse in B, or scored in A and only failed in B."""
        return [match for match in self.matches if match.verdict in REGRESSIONS]

    @property
    def num_tested(self) -> int:
        return sum(match.test is not None for match in self.matches)


def read_side(path: Path) -> ComparisonSide:
    """Read a results folder, or a leaderboard.csv. Raises UserError if the path is neither."""
    if path.is_dir():
        records = load(path)
        leaderboard = compute_leaderboard(records, records.skipped)
        if leaderboard.rows:
            return ComparisonSide(str(path), leaderboard.frame, leaderboard.rows, len(leaderboard.skipped))
        if not (path / CSV).is_file():
            raise UserError(f"There are no records in {path}, and no {CSV}.")
        path = path / CSV
    if not path.is_file():
        raise UserError(f"There is no results folder and no {CSV} at {path}.")
    return ComparisonSide(str(path), _read_csv(path), {})


def compare(a: ComparisonSide, b: ComparisonSide) -> Comparison:
    """Match the rows of two leaderboards, and test matches that have predictions of the same samples on both sides.

    Rows with the same id consist of the same trials, and match. Of the others, those match that agree in KEY, unless
    several rows of a side do.
    """
    pairs = _pair_rows(a.frame, b.frame)
    weights: Weights = {}
    matches = [_match(a, b, i, j, weights) for i, j in pairs]
    tests = [match.test for match in matches if match.test]
    corrected = iter(holm(np.array([test.p for test in tests])).tolist())
    matches = [replace(match, p=next(corrected)) if match.test else match for match in matches]
    matches.sort(key=lambda match: VERDICTS.index(match.verdict))
    lost, added = ({pair[side] for pair in pairs} for side in (0, 1))
    return Comparison(a, b, matches, a.frame.drop(index=list(lost)), b.frame.drop(index=list(added)))


def _read_csv(path: Path) -> pd.DataFrame:
    types: dict[str, type] = dict.fromkeys(["row", *REQUIRED], str) | {"seeds": int, "accuracy": float}
    try:
        frame = pd.read_csv(path, dtype=types, keep_default_na=False, na_values={"accuracy": [""]}, index_col="row")
    except (OSError, ValueError) as error:  # pandas raises subclasses of ValueError for other files
        raise UserError(f"{path} is not a leaderboard.csv: {one_line(str(error))}") from None
    if missing := [name for name in REQUIRED if name not in frame]:
        raise UserError(f"{path} is not a leaderboard.csv: it has no column '{missing[0]}'.")
    if frame.index.has_duplicates:
        repeated = frame.index[frame.index.duplicated()][0]
        raise UserError(f"{path} is not a leaderboard.csv: it has the row {repeated} twice.")
    return frame


def _pair_rows(a: pd.DataFrame, b: pd.DataFrame) -> list[tuple[str, str]]:
    """Return pairs of row ids that match."""
    same = [str(i) for i in a.index if i in b.index]
    in_a, in_b = (_ids_by_key(frame.drop(index=same)) for frame in (a, b))
    return [(i, i) for i in same] + [(in_a[key], in_b[key]) for key in in_a if key in in_b]


def _ids_by_key(frame: pd.DataFrame) -> dict[tuple[str, ...], str]:
    """Return the id of each row whose key no other row has."""
    keys = [tuple(row) for row in frame[KEY].itertuples(index=False)]
    counts = Counter(keys)
    return {key: row_id for key, row_id in zip(keys, frame.index, strict=True) if counts[key] == 1}


def _match(a: ComparisonSide, b: ComparisonSide, i: str, j: str, weights: Weights) -> RowMatch:
    before, after = a.frame.loc[[i]].iloc[0], b.frame.loc[[j]].iloc[0]
    old, new = a.rows.get(i), b.rows.get(j)
    test = _test(old.seeds, new.seeds, weights) if old and new else None
    return RowMatch(before, after, _differences(before, after, old, new), test)


def _test(before: Sequence[SeedResult], after: Sequence[SeedResult], weights: Weights) -> PairedTest | None:
    """Test on the set of samples that most seeds of both rows have; return None if they have no set in common."""
    counts = Counter(seed.sample_digest for seed in before), Counter(seed.sample_digest for seed in after)
    shared = [digest for digest in counts[0] if digest in counts[1]]
    if not shared:
        return None
    chosen = max(shared, key=lambda digest: min(counts[0][digest], counts[1][digest]))
    seeds = [[seed for seed in side if seed.sample_digest == chosen] for side in (before, after)]
    old, new = (np.stack([seed.correct for seed in side]) for side in seeds)
    if old.shape == new.shape and (old == new).all():
        return PairedTest(0.0, 0.0, 0.0, 1.0, identical=True)
    groups = next((seed.groups for side in seeds for seed in side if seed.groups is not None), None)
    samples = old.shape[1]
    if chosen not in weights:
        weights.clear()  # tens of MB per set of samples, and rows of one set follow each other
        weights[chosen] = bootstrap_weights(samples if groups is None else groups)
    means = np.stack([new.mean(axis=0), old.mean(axis=0)])
    draws, units = resampled_means(means, weights[chosen]), num_resampling_units(samples, groups)
    low, high = percentile_interval(draws[0] - draws[1], units)
    accuracies = means.mean(axis=1)
    p = compare_all_pairs(accuracies, draws, units, [new, old])[0, 1]
    return PairedTest(float(accuracies[0] - accuracies[1]), float(low), float(high), float(p), identical=False)


def _differences(
    before: pd.Series, after: pd.Series, old: LeaderboardRow | None, new: LeaderboardRow | None
) -> list[str]:
    """Return what differs between two rows that match, each in a few words."""
    parts = []
    if before.name != after.name:
        if before["fingerprint"] != after["fingerprint"]:
            parts.append("data")
        if before.get("benchmark_version", 1) != after.get("benchmark_version", 1):
            parts.append("benchmark version")
        if old and new:
            parts += _trial_differences(old, new)
        elif not parts:
            parts.append("source, recipe or procedure")
    if before["seeds"] != after["seeds"]:
        parts.append(f"{before['seeds']} → {after['seeds']} seeds")
    return parts


def _trial_differences(old: LeaderboardRow, new: LeaderboardRow) -> list[str]:
    a, b = old.trial, new.trial
    parts = [
        text
        for text, differs in {
            "source": a.source_digest != b.source_digest,
            "training procedure": a.procedure_version != b.procedure_version,
            "weights file": a.initial_weights != b.initial_weights,
        }.items()
        if differs
    ]
    changed = [key for key, value in a.recipe.items() if key in b.recipe and b.recipe[key] != value]
    if len(changed) > MAX_LISTED:
        changed[MAX_LISTED:] = [f"{len(changed) - MAX_LISTED} more"]
    if set(a.recipe) != set(b.recipe):
        changed.append("fields that only one of them has")  # as in another version of the project
    return [*parts, f"recipe: {', '.join(changed)}"] if changed else parts
