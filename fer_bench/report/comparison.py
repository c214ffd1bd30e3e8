"""The comparison of two leaderboards, in the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fer_bench.core.console import print_text
from fer_bench.core.text import UNKNOWN, percent, plural
from fer_bench.leaderboard.compare import SAME, VERDICTS, Comparison, ComparisonSide, RowMatch
from fer_bench.report.tables import markdown_table

LEGEND = """\
Accuracy in percent on the test images; B − A in points. The 95 % interval and p are computed on the test images that \
both have: paired bootstrap (over whole subjects if they are known) and McNemar's exact test must both reject, \
Holm-corrected over all tested rows. This covers the draw of the test images; the noise of training shows only over \
seeds."""
MATCH_COLUMNS = ("row", "data", "A", "B", "B − A", "95 % interval", "p", "verdict", "differs in")
ROW_COLUMNS = ("row", "data", "accuracy")
LEFT_ALIGNED = {"row", "data", "verdict", "differs in"}
STYLES = {"worse": "red", "fails now": "red", "better": "green", "works now": "green"}


def to_markdown(comparison: Comparison) -> str:
    """Return what `compare --output` writes: the counts, then a table each of changed, lost and added rows."""
    sides = "\n".join(f"- {line}" for line in _sides(comparison))
    parts = ["# Comparison", sides, summary(comparison), LEGEND]
    for title, columns, lines in _tables(comparison):
        parts += [f"## {title}", markdown_table([(name, _align(name)) for name in columns], lines)]
    return "\n\n".join(parts) + "\n"


def to_terminal(comparison: Comparison, console: Console) -> None:
    """Print the same tables and counts."""
    for side in _sides(comparison):
        print_text(console, side)
    for title, columns, lines in _tables(comparison):
        table = Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), header_style="bold")
        for name in columns:
            table.add_column(name, justify="left" if name in LEFT_ALIGNED else "right", overflow="fold")
        for cells in lines:
            style = STYLES.get(cells[columns.index("verdict")]) if "verdict" in columns else None
            table.add_row(*map(escape, cells), style=style)
        console.print()
        console.print(table)
    console.print()
    print_text(console, summary(comparison))


def summary(comparison: Comparison) -> str:
    """Return the number of rows per verdict, in one sentence."""
    counts = [f"{comparison.counts[verdict]} {verdict}" for verdict in VERDICTS if comparison.counts[verdict]]
    both = f"{plural(len(comparison.matches), 'row')} in both: {', '.join(counts)}" if counts else "No row is in both"
    return f"{both}; {len(comparison.lost)} lost; {len(comparison.added)} added."


def _align(column: str) -> str:
    return "left" if column in LEFT_ALIGNED else "right"


def _sides(comparison: Comparison) -> list[str]:
    sides = {"A": comparison.a, "B": comparison.b}
    lines = [f"{letter}: {_side(side)}" for letter, side in sides.items()]
    if comparison.a.machines != comparison.b.machines:
        lines += [f"machine of {letter}: {' + '.join(side.machines)}" for letter, side in sides.items()]
    return lines


def _side(side: ComparisonSide) -> str:
    skipped = f", {plural(side.num_skipped, 'unreadable record')} skipped" if side.num_skipped else ""
    table_only = "" if side.rows else ", a table without predictions: nothing can be tested"
    return f"{side.name}: {plural(len(side.frame), 'row')}{skipped}{table_only}"


def _tables(comparison: Comparison) -> Iterator[tuple[str, tuple[str, ...], list[list[str]]]]:
    """Yield title, columns and lines of each table that has lines."""
    changed = [_line(match) for match in comparison.matches if match.verdict != SAME]
    if changed:
        yield f"Changed ({len(changed)})", MATCH_COLUMNS, changed
    for title, frame in (("Lost", comparison.lost), ("Added", comparison.added)):
        if len(frame):
            lines = [[row["label"], _data(row), _accuracy(row)] for _, row in frame.iterrows()]
            yield f"{title} ({len(frame)})", ROW_COLUMNS, lines


def _line(match: RowMatch) -> list[str]:
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
        "; ".join(match.differences),
    ]


def _data(row: pd.Series) -> str:
    return f"{row['dataset']}, {row['protocol']}"


def _accuracy(row: pd.Series) -> str:
    return row["status"] if pd.isna(row["accuracy"]) else percent(row["accuracy"])


def _p(p: float) -> str:
    return UNKNOWN if pd.isna(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
