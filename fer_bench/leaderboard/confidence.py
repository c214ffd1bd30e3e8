"""How sure a row's accuracy is, and which rows cannot be told from the best of their section."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fer_bench.core.text import plural
from fer_bench.evaluation.resampling import bootstrap_weights, drawn_units, percentile_interval, resampled_means
from fer_bench.evaluation.significance import all_pairs, not_told_from_best
from fer_bench.leaderboard.rows import Row, SeedResult
from fer_bench.report.columns import ALIKE

Name = Callable[[Row], str]
MOST_NAMED = 5  # rows in a sentence
# Below these, simulated 95 % intervals held the truth in less than 93 of 100 cases.
FEW_GROUPS = 8
FEW_IMAGES = 5


@dataclass(frozen=True)
class Uncertainty:
    """95 % interval of a row's accuracy over the draw of test samples, fractions; and how it was tested."""

    low: float
    high: float
    groups: int | None  # that were drawn whole; None: each sample on its own
    best_group: bool | None = None  # not told from the best of its section; None where it was not compared


@dataclass(frozen=True)
class _Tested:
    """A row on one set of test samples: the seeds that were tested on it, alike in the order of samples."""

    row: Row
    seeds: list[SeedResult]

    @property
    def samples(self) -> str:
        return self.seeds[0].samples

    @property
    def correct(self) -> np.ndarray:
        return np.stack([seed.right for seed in self.seeds])


def uncertainty(section: Sequence[Row], name: Name) -> tuple[dict[str, Uncertainty], list[str]]:
    """Of each finished row by its identity, and sentences on what was compared in this section.

    Rows with the test samples that most rows have are compared; `name` is what a row is called.
    """
    tested = [_on_one_set(row) for row in section if row.seeds]
    sets: dict[str, list[_Tested]] = defaultdict(list)
    for one in tested:
        sets[one.samples].append(one)
    if not sets:
        return {}, []
    main = max(sets.values(), key=lambda members: (len(members), len(members[0].seeds[0].right)))
    found: dict[str, Uncertainty] = {}
    for members in sets.values():
        found |= _of_set(members, compared=members is main)
    notes = _drawn(found, tested, main, name) + _seeds(tested) + _compared(main, tested, found, name)
    return found, notes + _part_of_seeds(tested, name) + _absent(tested)


def _on_one_set(row: Row) -> _Tested:
    """The seeds of a row with the samples that most of its seeds have, of equally many the greater set."""
    times = Counter(seed.samples for seed in row.seeds)
    chosen = max(row.seeds, key=lambda seed: (times[seed.samples], len(seed.right))).samples
    return _Tested(row, [seed for seed in row.seeds if seed.samples == chosen])


def _of_set(members: list[_Tested], compared: bool) -> dict[str, Uncertainty]:
    groups = next((seed.groups for one in members for seed in one.seeds if seed.groups is not None), None)
    correct = [one.correct for one in members]
    samples = correct[0].shape[1]
    units = drawn_units(samples, groups)
    times_right = np.stack([right.sum(axis=0) for right in correct])  # in whole numbers the product is faster
    draws = resampled_means(times_right, bootstrap_weights(samples if groups is None else groups))
    draws /= np.array([[len(right)] for right in correct])
    lows, highs = percentile_interval(draws, units)
    best: Sequence[bool | None] = [None] * len(members)
    if compared and len(members) > 1:
        best = not_told_from_best(all_pairs(correct, groups, draws)).tolist()
    drawn = None if units == samples else units
    return {
        one.row.id: Uncertainty(float(low), float(high), drawn, among)
        for one, low, high, among in zip(members, lows, highs, best, strict=True)
    }


def _drawn(found: dict[str, Uncertainty], tested: list[_Tested], main: list[_Tested], name: Name) -> list[str]:
    groups, samples = found[main[0].row.id].groups, len(main[0].seeds[0].right)
    what = f"{samples:,} test images"
    if groups is not None:
        what = f"{groups:,} subjects or sequences, each drawn whole ({what})"
    notes = [f"95 % intervals: bootstrap over {what}."]
    if groups is not None and groups < FEW_GROUPS:
        notes.append("With so few to draw, the intervals hold the truth less often than 95 times in 100.")
    if few := [name(one.row) for one in tested if _rare(one.correct) < FEW_IMAGES]:
        notes.append(f"Too narrow, since fewer than {FEW_IMAGES} images are wrong, or right: {_named(few)}.")
    return notes


def _rare(correct: np.ndarray) -> float:
    """Images that are wrong, or right if those are fewer; mean over seeds."""
    return min(correct.mean(), 1 - correct.mean()) * correct.shape[1]


def _seeds(tested: list[_Tested]) -> list[str]:
    numbers = [len(one.row.seeds) for one in tested]
    if max(numbers) == 1:
        return ["One seed a row: how much of a difference is the noise of training is not known."]
    few = f"{min(numbers)} to {max(numbers)}" if min(numbers) < max(numbers) else str(max(numbers))
    return [f"{few} seeds a row; ± is the standard deviation over them."]


def _compared(main: list[_Tested], tested: list[_Tested], found: dict[str, Uncertainty], name: Name) -> list[str]:
    others = [name(one.row) for one in tested if one.samples != main[0].samples]
    notes = []
    if len(main) > 1:
        told, rivals = sum(not found[one.row.id].best_group for one in main), len(main) - 1
        pairs = len(main) * rivals // 2
        which = f"best of the {len(main)} with the same test images" if others else "best"
        corrected = f", Holm-corrected over {pairs:,} pairs" if pairs > 1 else ""
        rest = f" {ALIKE} marks those that cannot." if told < rivals else ""
        notes.append(
            f"{told} of {plural(rivals, 'other row')} can be told from the {which}: paired bootstrap and McNemar's "
            f"exact test both reject at 5 %{corrected}.{rest}"
        )
    if others:
        notes.append(f"Not compared, since the test images are not the same: {_named(others)}.")
    return notes


def _part_of_seeds(tested: list[_Tested], name: Name) -> list[str]:
    fewer = [
        f"{name(one.row)} ({len(one.seeds)} of {len(one.row.seeds)})"
        for one in tested
        if len(one.seeds) < len(one.row.seeds)
    ]
    return [f"Interval and comparison rest on the seeds with the same test images: {_named(fewer)}."] if fewer else []


def _absent(tested: list[_Tested]) -> list[str]:
    """Which classes no test image has, and how many folds lack one that others have."""
    seed = max((seed for one in tested for seed in one.row.seeds), key=lambda seed: seed.test_images)
    classes, folds = seed.records[0].classes, len(seed.fold_accuracies)
    none = [c for c, support in zip(classes, seed.of_class.support, strict=True) if not support]
    lacking = [set(absent) - set(none) for absent in seed.fold_absent.values()]
    lacking = [absent for absent in lacking if absent]
    notes = []
    if none:
        notes.append(f"No test image shows {', '.join(none)}: macro averages leave that out unless it is predicted.")
    if lacking:
        which = ", ".join(c for c in classes if any(c in absent for absent in lacking))
        notes.append(
            f"{len(lacking)} of {folds} folds have no test image of a class ({which}): all scores but the mean of "
            "folds are of the pooled predictions."
        )
    return notes


def _named(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
