"""The comparison of two leaderboards, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tabulate import tabulate

from fer_bench.core.text import UNKNOWN, percent
from fer_bench.leaderboard.compare import SAME, VERDICTS, Comparison, Match, Side
from fer_bench.leaderboard.leaderboard import plural

LEGEND = """\
Accuracy in per cent on the test images, B less A in points. The 95 % interval and p are of the same test images in \
both: a paired bootstrap (by whole subjects where they are known) and McNemar's exact test must both reject, \
Holm-corrected over all rows tested. That covers the draw of the test images; how much of a difference is the noise \
of training shows only over seeds."""
COLUMNS = ("row", "data", "A", "B", "B − A", "95 % interval", "p", "verdict", "differs in")
ALONE = ("row", "data", "accuracy")
LEFT = {"row", "data", "verdict", "differs in"}
STYLES = {"worse": "red", "fails now": "red", "better": "green", "works now": "green"}


def to_markdown(comparison: Comparison) -> str:
    """What `compare --output` writes: a heading, the counts, and a table for changed, lost and added rows each."""
    parts = ["# Comparison", "\n".join(f"- {line}" for line in _sides(comparison)), summary(comparison), LEGEND]
    for title, columns, lines in _tables(comparison):
        align = ["left" if name in LEFT else "right" for name in columns]
        cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in line] for line in lines]
        parts += [f"## {title}", tabulate(cells, columns, tablefmt="pipe", colalign=align, disable_numparse=True)]
    return "\n\n".join(parts) + "\n"


def to_terminal(comparison: Comparison, console: Console) -> None:
    """Print the same."""
    for line in _sides(comparison):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    for title, columns, lines in _tables(comparison):
        table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), header_style="bold")
        for name in columns:
            table.add_column(name, justify="left" if name in LEFT else "right", overflow="fold")
        for line in lines:
            style = STYLES.get(line[columns.index("verdict")]) if "verdict" in columns else None
            table.add_row(*map(escape, line), style=style)
        console.print()
        console.print(table)
    console.print()
    console.print(summary(comparison), markup=False, highlight=False, soft_wrap=True)


def summary(comparison: Comparison) -> str:
    """How many rows of which kind, in a sentence."""
    counts = [f"{comparison.counts[verdict]} {verdict}" for verdict in VERDICTS if comparison.counts[verdict]]
    both = f"{plural(len(comparison.matches), 'row')} in both: {', '.join(counts)}" if counts else "No row is in both"
    alone = [f"{len(rows)} {word}" for word, rows in (("lost", comparison.lost), ("added", comparison.added))]
    return "; ".join([both, *alone]) + "."


def _sides(comparison: Comparison) -> list[str]:
    lines = [f"{letter}: {_side(side)}" for letter, side in (("A", comparison.a), ("B", comparison.b))]
    if comparison.a.machines != comparison.b.machines:
        lines += [f"machine of {n}: {' + '.join(s.machines)}" for n, s in (("A", comparison.a), ("B", comparison.b))]
    return lines


def _side(side: Side) -> str:
    unread = f", {plural(side.left_out, 'unreadable record')} left out" if side.left_out else ""
    alone = "" if side.rows else ", a table without predictions: nothing can be tested"
    return f"{side.name}: {plural(len(side.frame), 'row')}{unread}{alone}"


def _tables(comparison: Comparison) -> Iterator[tuple[str, tuple[str, ...], list[list[str]]]]:
    """Title, columns and lines of each table that has any."""
    changed = [_line(match) for match in comparison.matches if match.verdict != SAME]
    if changed:
        yield f"Changed ({len(changed)})", COLUMNS, changed
    for title, frame in (("Lost", comparison.lost), ("Added", comparison.added)):
        if len(frame):
            lines = [[row["label"], _data(row), _accuracy(row)] for _, row in frame.iterrows()]
            yield f"{title} ({len(frame)})", ALONE, lines


def _line(match: Match) -> list[str]:
    difference = match.after["accuracy"] - match.before["accuracy"]
    interval = f"{100 * match.test.low:+.2f} to {100 * match.test.high:+.2f}" if match.test else UNKNOWN
    return [
        match.before["label"],
        _data(match.before),
        _accuracy(match.before),
        _accuracy(match.after),
        UNKNOWN if pd.isna(difference) else f"{100 * difference:+.2f}",
        interval,
        _p(match.p),
        match.verdict,
        "; ".join(match.differs),
    ]


def _data(row: pd.Series) -> str:
    return f"{row['dataset']}, {row['protocol']}"


def _accuracy(row: pd.Series) -> str:
    return row["status"] if pd.isna(row["accuracy"]) else percent(row["accuracy"])


def _p(p: float) -> str:
    return UNKNOWN if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
