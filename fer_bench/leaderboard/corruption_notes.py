"""Accuracy under corruptions in the leaderboard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fer_bench.core.text import plural
from fer_bench.evaluation.corruptions import mean_accuracy
from fer_bench.leaderboard.rows import LeaderboardRow


def mean_corruption_accuracy(row: LeaderboardRow) -> float:
    """Return the mean corruption accuracy over a row's tested trials, a fraction; NaN if no trial was tested."""
    return float(np.mean([mean_accuracy(one.accuracy) for one in row.robustness])) if row.robustness else float("nan")


def corruption_notes(section: Sequence[LeaderboardRow]) -> list[str]:
    """Return sentences on what the corruption accuracies of a section are means over."""
    results = [one for row in section for one in row.robustness]
    if not results:
        return []
    conditions = {frozenset((name, s) for name, by in one.accuracy.items() for s in by) for one in results}
    images = {(one.num_samples, one.num_test_images) for one in results}
    corruptions = _range({len(one.accuracy) for one in results}, "corruption")
    severities = _range({len(by) for one in results for by in one.accuracy.values()}, "severity", "severities")
    tested = _range({num_samples for num_samples, _ in images}, "test image")
    rows = plural(sum(bool(row.robustness) for row in section), "row")
    notes = [
        f"Accuracy under corruptions was measured for {rows} ({plural(len(results), 'trial')}): mean over "
        f"{corruptions} at {severities}, on {tested}."
    ]
    if len(conditions) > 1 or len(images) > 1:
        notes.append("Corruptions or images differ between rows: do not compare these accuracies.")
    return notes


def _range(numbers: set[int], noun: str, plural_noun: str | None = None) -> str:
    """Return `15 corruptions`, or `3 to 15 corruptions`."""
    low, high = min(numbers), max(numbers)
    named = noun if high == 1 else plural_noun or f"{noun}s"
    return f"{high:,} {named}" if low == high else f"{low:,} to {high:,} {named}"
