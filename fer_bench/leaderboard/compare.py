"""Two leaderboards side by side: rows added, lost and changed, and whether a change is more than chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from fer_bench.core.errors import UserError
from fer_bench.evaluation.resampling import bootstrap_weights, drawn_units, percentile_interval, resampled_means
from fer_bench.evaluation.significance import ALPHA, all_pairs, holm
from fer_bench.leaderboard.leaderboard import board
from fer_bench.leaderboard.rows import Row, SeedResult
from fer_bench.records import load

CSV = "leaderboard.csv"
# What a user asks for. Digests of source, data and resolved recipe change with the project's version.
KEY = ["dataset", "protocol", "model", "recipe", "weights", "backend"]
NEEDED = [*KEY, "fingerprint", "label", "seeds", "status", "accuracy", "machine"]
WORSE, BETTER, ALIKE = "worse", "better", "not told apart"
FAILS, WORKS, UNTESTED, SAME = "fails now", "works now", "not tested", "the same"
VERDICTS = (WORSE, FAILS, BETTER, WORKS, ALIKE, UNTESTED, SAME)  # as they are shown
REGRESSIONS = (WORSE, FAILS)
MOST_NAMED = 3  # entries of a recipe

Weights = dict[str, np.ndarray]  # the bootstrap's, of a set of test samples


@dataclass(frozen=True)
class Side:
    """One of the two leaderboards; `rows` by identity, empty where only a leaderboard.csv is there."""

    name: str
    frame: pd.DataFrame
    rows: dict[str, Row]
    left_out: int = 0

    @property
    def machines(self) -> list[str]:
        return sorted(set(self.frame["machine"]))


@dataclass(frozen=True)
class Test:
    """B less A on the same test samples: difference of accuracies, its 95 % interval, fractions; and a two-sided p.

    p is the greater of the paired bootstrap's and McNemar's, so that both must reject; not corrected.
    """

    difference: float
    low: float
    high: float
    p: float
    identical: bool  # every sample of every seed is judged alike


@dataclass(frozen=True)
class Match:
    """A row that both have, what its two versions differ in, and the test, None where there is none.

    p: the test's, Holm-corrected over all rows that were tested; NaN without one.
    """

    before: pd.Series
    after: pd.Series
    differs: list[str]
    test: Test | None
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
            return ALIKE
        return WORSE if self.test.difference < 0 else BETTER


@dataclass(frozen=True)
class Comparison:
    """Two leaderboards: rows that both have, the worst news first, and those of A or of B alone."""

    a: Side
    b: Side
    matches: list[Match]
    lost: pd.DataFrame
    added: pd.DataFrame

    @cached_property
    def counts(self) -> Counter[str]:
        return Counter(match.verdict for match in self.matches)

    @property
    def regressions(self) -> list[Match]:
        """Rows that are significantly worse in B, and those that A has scored and B has only failed trials of."""
        return [match for match in self.matches if match.verdict in REGRESSIONS]

    @property
    def tested(self) -> int:
        return sum(match.test is not None for match in self.matches)


def read_side(path: Path) -> Side:
    """A results folder, or a leaderboard.csv that was made of one. UserError for anything else."""
    if path.is_dir():
        records = load(path)
        made = board(records, records.left_out)
        if made.rows:
            return Side(str(path), made.frame, made.rows, len(made.left_out))
        if not (path / CSV).is_file():
            raise UserError(f"There are no records in {path}, and no {CSV}.")
        path = path / CSV
    if not path.is_file():
        raise UserError(f"There is no results folder and no {CSV} at {path}.")
    return Side(str(path), _from_csv(path), {})


def compare(a: Side, b: Side) -> Comparison:
    """Match the rows of two leaderboards and test, where both have predictions of the same samples, how they differ.

    Rows of one identity are the same trials, and match. Of the others those match that agree in KEY, unless several
    rows of one side do: then none of them matches.
    """
    pairs = _pairs(a.frame, b.frame)
    weights: Weights = {}
    matches = [_match(a, b, i, j, weights) for i, j in pairs]
    tested = [n for n, match in enumerate(matches) if match.test]
    for n, p in zip(tested, holm(np.array([matches[n].test.p for n in tested])), strict=True):
        matches[n] = Match(matches[n].before, matches[n].after, matches[n].differs, matches[n].test, float(p))
    matches.sort(key=lambda match: VERDICTS.index(match.verdict))
    lost, added = ({pair[side] for pair in pairs} for side in (0, 1))
    return Comparison(a, b, matches, a.frame.drop(index=list(lost)), b.frame.drop(index=list(added)))


def _from_csv(path: Path) -> pd.DataFrame:
    text = dict.fromkeys(["row", *NEEDED], str) | {"seeds": int, "accuracy": float}
    try:
        frame = pd.read_csv(path, dtype=text, keep_default_na=False, na_values={"accuracy": [""]}, index_col="row")
    except (OSError, ValueError) as error:  # what pandas raises for a file that is no table is a ValueError too
        raise UserError(f"{path} is no leaderboard.csv: {' '.join(str(error).split())}") from None
    if missing := [name for name in NEEDED if name not in frame]:
        raise UserError(f"{path} is no leaderboard.csv: it has no column '{missing[0]}'.")
    if frame.index.has_duplicates:
        raise UserError(
            f"{path} is no leaderboard.csv: the row {frame.index[frame.index.duplicated()][0]} is there twice."
        )
    return frame


def _pairs(a: pd.DataFrame, b: pd.DataFrame) -> list[tuple[str, str]]:
    same = [i for i in a.index if i in b.index]
    left = [_by_key(frame.drop(index=same)) for frame in (a, b)]
    return [(i, i) for i in same] + [(left[0][key], left[1][key]) for key in left[0] if key in left[1]]


def _by_key(frame: pd.DataFrame) -> dict[tuple, str]:
    """The identity of each row whose key no other row has."""
    keys = [tuple(row) for row in frame[KEY].itertuples(index=False)]
    times = Counter(keys)
    return {key: identity for key, identity in zip(keys, frame.index, strict=True) if times[key] == 1}


def _match(a: Side, b: Side, i: str, j: str, weights: Weights) -> Match:
    before, after, rows = a.frame.loc[i], b.frame.loc[j], (a.rows.get(i), b.rows.get(j))
    test = _test(rows[0].seeds, rows[1].seeds, weights) if rows[0] and rows[1] else None
    return Match(before, after, _differs(before, after, *rows), test)


def _test(before: Sequence[SeedResult], after: Sequence[SeedResult], weights: Weights) -> Test | None:
    """On the set of samples that most seeds of both have; None where no seed of one has that of the other's."""
    times = Counter(s.samples for s in before), Counter(s.samples for s in after)
    shared = [samples for samples in times[0] if samples in times[1]]
    if not shared:
        return None
    chosen = max(shared, key=lambda samples: min(times[0][samples], times[1][samples]))
    seeds = [[s for s in side if s.samples == chosen] for side in (before, after)]
    old, new = (np.stack([s.right for s in side]) for side in seeds)
    if old.shape == new.shape and (old == new).all():
        return Test(0.0, 0.0, 0.0, 1.0, identical=True)
    groups = next((s.groups for side in seeds for s in side if s.groups is not None), None)
    samples = old.shape[1]
    if chosen not in weights:
        weights.clear()  # tens of MB for each set of samples, and rows of one set follow each other
        weights[chosen] = bootstrap_weights(samples if groups is None else groups)
    draws = resampled_means(np.stack([new.mean(axis=0), old.mean(axis=0)]), weights[chosen])
    low, high = percentile_interval(draws[0] - draws[1], drawn_units(samples, groups))
    found = all_pairs([new, old], groups, draws)
    return Test(float(found.difference[0, 1]), float(low), float(high), float(found.p[0, 1]), identical=False)


def _differs(before: pd.Series, after: pd.Series, old: Row | None, new: Row | None) -> list[str]:
    """What two rows that match differ in, each in a few words."""
    parts = []
    if before.name != after.name:
        if before["fingerprint"] != after["fingerprint"]:
            parts.append("data")
        if old and new:
            parts += _of_trials(old, new)
        elif not parts:
            parts.append("source, recipe or procedure")
    if before["seeds"] != after["seeds"]:
        parts.append(f"{before['seeds']} → {after['seeds']} seeds")
    return parts


def _of_trials(old: Row, new: Row) -> list[str]:
    names = {"source": "source", "procedure": "training procedure", "initial_weights": "weights file"}
    parts = [said for name, said in names.items() if getattr(old.trial, name) != getattr(new.trial, name)]
    recipes = old.trial.recipe, new.trial.recipe
    changed = [key for key, value in recipes[0].items() if key in recipes[1] and recipes[1][key] != value]
    if len(changed) > MOST_NAMED:
        changed[MOST_NAMED:] = [f"{len(changed) - MOST_NAMED} more"]
    if set(recipes[0]) != set(recipes[1]):
        changed.append("fields that one of them has not")  # as those of another version of the project
    return [*parts, f"recipe: {', '.join(changed)}"] if changed else parts
