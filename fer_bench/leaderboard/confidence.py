"""Confidence intervals of accuracies, and which rows are tied with the best of their section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fer_bench.core.text import list_first, plural
from fer_bench.evaluation.resampling import (
    bootstrap_weights,
    num_resampling_units,
    percentile_interval,
    resampled_means,
)
from fer_bench.evaluation.significance import ALPHA, compare_all_pairs
from fer_bench.leaderboard.column import TIED
from fer_bench.leaderboard.row_warnings import suspicion
from fer_bench.leaderboard.rows import LeaderboardRow, absent_classes, by_sample_set, groups_of

MAX_LISTED = 5  # rows in a sentence
# Below these, simulated 95 % intervals covered the true value in less than 93 of 100 cases.
MIN_GROUPS = 8
MIN_IMAGES = 5


@dataclass(frozen=True)
class AccuracyInterval:
    """The 95 % interval of a row's accuracy over the draw of test samples.

    Attributes:
        low: Low end, a fraction.
        high: High end, a fraction.
        num_groups: How many groups are drawn as a whole; None if single samples are drawn.
        tied: Whether the row is tied with the best of its section; None if it was not compared.
    """

    low: float
    high: float
    num_groups: int | None
    tied: bool | None = None


def accuracy_intervals(
    section: Sequence[LeaderboardRow], labels: Mapping[str, str]
) -> tuple[dict[str, AccuracyInterval], list[str]]:
    """Return the intervals of a section's finished rows, by row id, and sentences on them and on what was compared.

    The rows with the test samples that most rows have are compared with each other, except those that may have been
    trained on them. The labels are by row id.
    """
    sets = by_sample_set(section)
    if not sets:
        return {}, []
    main, finished = sets[0], [row for row in section if row.seeds]
    intervals: dict[str, AccuracyInterval] = {}
    for members in sets:
        intervals |= _intervals(members, compared=members is main)
    notes = [*_interval_notes(intervals[main[0].id].num_groups, main, finished, labels), _seeds_note(finished)]
    notes += _comparison_notes(main, finished, intervals, labels)
    return intervals, notes + _partial_notes(finished, labels) + _absent_class_notes(finished)


def significance_note(num_significant: int, num_others: int, tests: str, best: str = "best row") -> str:
    """Return a sentence on how many of the other rows differ significantly from the best one."""
    num_pairs = num_others * (num_others + 1) // 2
    corrected = f", Holm-corrected over {num_pairs:,} pairs" if num_pairs > 1 else ""
    marked = f" {TIED} marks tied rows." if num_significant < num_others else ""
    return (
        f"Significantly different from the {best}: {num_significant} of {plural(num_others, 'other row')} ({tests} at "
        f"5 %{corrected}).{marked}"
    )


def _correct(row: LeaderboardRow) -> np.ndarray:
    """Return (comparable seeds, samples) bool."""
    return np.stack([seed.correct for seed in row.comparable_seeds])


def _intervals(members: list[LeaderboardRow], compared: bool) -> dict[str, AccuracyInterval]:
    """Return the intervals of rows with equal samples, and which trusted rows are tied with the best of them."""
    groups = groups_of(members)
    correct = [_correct(row) for row in members]
    samples = correct[0].shape[1]
    units = num_resampling_units(samples, groups)
    num_correct = np.stack([seeds.sum(axis=0) for seeds in correct])  # the product of integers is faster
    draws = resampled_means(num_correct, bootstrap_weights(samples if groups is None else groups))
    draws /= np.array([[len(seeds)] for seeds in correct])
    lows, highs = percentile_interval(draws, units)
    tied: list[bool | None] = [None] * len(members)
    trusted = [i for i, row in enumerate(members) if not suspicion(row)]
    if compared and len(trusted) > 1:
        of_trusted = [correct[i] for i in trusted]
        accuracies = np.array([seeds.mean(axis=0).mean() for seeds in of_trusted])
        p = compare_all_pairs(accuracies, draws[trusted], units, of_trusted)[accuracies.argmax()]
        for i, value in zip(trusted, p, strict=True):
            tied[i] = bool(value > ALPHA)
    num_groups = None if units == samples else units
    return {
        row.id: AccuracyInterval(float(low), float(high), num_groups, is_tied)
        for row, low, high, is_tied in zip(members, lows, highs, tied, strict=True)
    }


def _interval_notes(
    num_groups: int | None, main: list[LeaderboardRow], finished: list[LeaderboardRow], labels: Mapping[str, str]
) -> list[str]:
    units = f"{main[0].comparable_seeds[0].test_images:,} test images"
    if num_groups is not None:
        units = f"{num_groups:,} subjects or sequences, each drawn as a whole ({units})"
    notes = [f"95 % intervals: bootstrap over {units}."]
    if num_groups is not None and num_groups < MIN_GROUPS:
        notes.append("With so few groups, the intervals cover the true value in less than 95 of 100 cases.")
    if few := [labels[row.id] for row in finished if _num_rare(_correct(row)) < MIN_IMAGES]:
        notes.append(
            f"Too narrow, because fewer than {MIN_IMAGES} images are wrong or correct: {list_first(few, MAX_LISTED)}."
        )
    return notes


def _num_rare(correct: np.ndarray) -> float:
    """Return the number of wrong images, or of correct ones if those are fewer; mean over seeds."""
    return min(correct.mean(), 1 - correct.mean()) * correct.shape[1]


def _seeds_note(finished: list[LeaderboardRow]) -> str:
    numbers = [len(row.seeds) for row in finished]
    if max(numbers) == 1:
        return "One seed per row: the noise of training is unknown."
    number = f"{min(numbers)} to {max(numbers)}" if min(numbers) < max(numbers) else str(max(numbers))
    return f"{number} seeds per row; ± is the standard deviation over seeds."


def _comparison_notes(
    main: list[LeaderboardRow],
    finished: list[LeaderboardRow],
    intervals: Mapping[str, AccuracyInterval],
    labels: Mapping[str, str],
) -> list[str]:
    same_images = {row.id for row in main}
    others = [labels[row.id] for row in finished if row.id not in same_images]
    main = [row for row in main if not suspicion(row)]
    notes = []
    if len(main) > 1:
        best = f"best of the {len(main)} with the same test images" if others else "best row"
        num_significant = sum(not intervals[row.id].tied for row in main)
        tests = "paired bootstrap and McNemar's exact test both reject"
        notes.append(significance_note(num_significant, len(main) - 1, tests, best))
    if others:
        notes.append(f"Not compared, because the test images differ: {list_first(others, MAX_LISTED)}.")
    if suspected := [labels[row.id] for row in finished if suspicion(row)]:
        names = list_first(suspected, MAX_LISTED)
        notes.append(f"Not ranked and not compared, because perhaps trained on the test images: {names}.")
    return notes


def _partial_notes(finished: list[LeaderboardRow], labels: Mapping[str, str]) -> list[str]:
    partial = [
        f"{labels[row.id]} ({len(row.comparable_seeds)} of {len(row.seeds)})"
        for row in finished
        if len(row.comparable_seeds) < len(row.seeds)
    ]
    if not partial:
        return []
    return [f"Interval and comparison use the seeds with the same test images: {list_first(partial, MAX_LISTED)}."]


def _absent_class_notes(finished: list[LeaderboardRow]) -> list[str]:
    """Return sentences on classes that no test image has, and on folds without a class that other folds have."""
    seed = max((seed for row in finished for seed in row.seeds), key=lambda seed: seed.test_images)
    classes, num_folds = seed.records[0].classes, len(seed.fold_accuracies)
    absent = absent_classes(classes, seed.per_class.support)
    by_fold = [missing for names in seed.absent_classes_by_fold.values() if (missing := set(names) - set(absent))]
    notes = []
    if absent:
        names = ", ".join(absent)
        notes.append(f"No test image has the class {names}: macro averages exclude it unless it is predicted.")
    if by_fold:
        names = ", ".join(name for name in classes if any(name in missing for missing in by_fold))
        notes.append(
            f"{len(by_fold)} of {num_folds} folds have no test image of a class ({names}): all scores except the mean "
            "of folds use the pooled predictions."
        )
    return notes
