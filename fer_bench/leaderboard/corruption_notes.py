"""What the leaderboard says of accuracy under corruptions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fer_bench.core.text import plural
from fer_bench.evaluation.corruptions import mean_accuracy
from fer_bench.leaderboard.rows import Row


def corruption_accuracy(row: Row) -> float:
    """Mean corruption accuracy, mean over the trials that were tried so: a fraction, NaN where none was."""
    return float(np.mean([mean_accuracy(one.accuracy) for one in row.corrupted])) if row.corrupted else float("nan")


def corruption_notes(section: Sequence[Row]) -> list[str]:
    """What the corruption accuracies of a section are means over; nothing where no row has one."""
    found = [one for row in section for one in row.corrupted]
    if not found:
        return []
    under = {frozenset((name, severity) for name, by in one.accuracy.items() for severity in by) for one in found}
    images = {(one.samples, one.test) for one in found}
    severities = {len(by) for one in found for by in one.accuracy.values()}
    corruptions = _span({len(one.accuracy) for one in found}, "corruption")
    over = f"{corruptions} at {_span(severities, 'severity', 'severities')}"
    tested = _span({samples for samples, _ in images}, "test image")
    rows = sum(bool(row.corrupted) for row in section)
    of = f"{plural(rows, 'row')} whose models were tried so ({plural(len(found), 'trial')})"
    notes = [f"Accuracy under corruptions, of {of}: mean over {over}, of {tested}."]
    if len(under) > 1 or len(images) > 1:
        notes.append("Not all were tried under the same corruptions or on as many images: do not compare those.")
    return notes


def _span(numbers: set[int], noun: str, many: str | None = None) -> str:
    """`15 corruptions`, or `3 to 15 corruptions`."""
    low, high = min(numbers), max(numbers)
    named = noun if high == 1 else many or f"{noun}s"
    return f"{high:,} {named}" if low == high else f"{low:,} to {high:,} {named}"
