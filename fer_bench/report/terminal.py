"""The leaderboard in the terminal, with as many columns as fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fer_bench.config.recipe_names import disambiguate, shorten_recipe
from fer_bench.core.console import print_text
from fer_bench.core.text import one_line, plural
from fer_bench.leaderboard.average_ranks import named_recipes
from fer_bench.leaderboard.column import TIED, Column, Values, View, format_rank
from fer_bench.leaderboard.columns import BY_KEY
from fer_bench.leaderboard.filter import group_summary, split_groups
from fer_bench.leaderboard.leaderboard import TableOptions, sections
from fer_bench.leaderboard.rows import SkippedRecord
from fer_bench.report.tables import NO_REASON, half_width, machine_notes, records_of, table_columns, warning_lines

# By key: short headers, still narrower ones, and the columns to drop if there is little space, the first one first.
SHORT_TITLES = {
    "rank": "#",
    "weighted_f1": "wtd. F1",
    "macro_auc": "AUC",
    "parameters": "params",
    "training_seconds": "time",
}
NARROW_TITLES = {
    "interval": "95 %\ninterval",
    "dedup_accuracy": "dedup\naccuracy",
    "macro_f1": "macro\nF1",
    "weighted_f1": "wtd.\nF1",
    "macro_auc": "AUC",
}
MAX_WARNINGS = 10
DROP_ORDER = (
    *("fold_accuracy", "interval", "weighted_f1", "parameters", "macro_auc", "images_per_second", "weights", "seeds"),
    *("macro_f1", "dedup_accuracy", "training_seconds"),
)


def to_terminal(
    frame: pd.DataFrame,
    console: Console,
    skipped: Sequence[SkippedRecord] = (),
    options: TableOptions | None = None,
) -> None:
    """Print a table for each dataset and protocol, or for each group of it, with as many columns as fit.

    Args:
        frame: The leaderboard's, or some lines of it.
        console: Where to print.
        skipped: Records that were skipped.
        options: What ranks and what groups.
    """
    options = options or TableOptions()
    for heading, _, section in sections(frame):
        if options.group_by is not None:
            console.print(_group_summary(heading, section, options.group_by, options.metric))
        for name, rows in split_groups(section):
            title = f"{options.group_by}: {name}" if name else heading
            console.print(_fit_table(title, rows, console.width, options.metric))
        _print_notes(section, console, options.metric)
        console.print()
    for note in options.notes:
        print_text(console, note)
    if skipped:
        console.print(f"Skipped records ({len(skipped)}):")
        for path, reason in skipped:
            console.print(f"  {path.name}: {reason}", markup=False)


def _print_notes(section: pd.DataFrame, console: Console, metric: str) -> None:
    lines = records_of(section)
    for row in lines:
        if row["failed"]:
            text = f"{row['label']}: {plural(row['failed'], 'failed trial')}: {row['reason'] or NO_REASON}"
            console.print(one_line(text), markup=False)
    warnings = warning_lines(section)
    for line in warnings[:MAX_WARNINGS]:
        print_text(console, f"Warning: {line}", style="yellow")
    if len(warnings) > MAX_WARNINGS:
        console.print(f"{plural(len(warnings) - MAX_WARNINGS, 'more warning')} in leaderboard.md.", style="yellow")
    scored = section.dropna(subset=["accuracy"])
    if not scored.empty:
        images, half = half_width(scored)
        console.print(f"{plural(images, 'test image')}: 95 % interval ± {half:.2f} points", style="dim")
    for note in machine_notes(section):
        console.print(note, style="dim")
    if any(TIED in format_rank(row) for row in lines):
        tests = "paired bootstrap and McNemar's test" if metric == "accuracy" else "paired bootstrap"
        by = "" if metric == "accuracy" else f" by {BY_KEY[metric].title}"
        console.print(f"{TIED} tied with the best{by}: {tests}, Holm-corrected, at 5 %.", style="dim")


def _group_summary(heading: str, section: pd.DataFrame, group_by: str, metric: str) -> Table:
    columns, lines = group_summary(section, group_by, metric)
    table = _empty_table(heading)
    for header, align in columns:
        table.add_column(header, justify=align, overflow="fold")
    for line in lines:
        table.add_row(*map(escape, line))
    return table


def _fit_table(title: str, rows: pd.DataFrame, width: int, metric: str) -> Table:
    """Return the table with as many columns as fit the width."""
    columns = [
        column if column.key == metric else replace(column, title=SHORT_TITLES.get(column.key, column.title))
        for column in table_columns(View.TERMINAL, rows, metric)
    ]
    names = disambiguate(rows["recipe"].tolist())
    if not rows["model"].duplicated().any() and (named_recipes(rows["recipe"]) == "default").all():
        columns = [column for column in columns if column.key != "recipe"]
    short_names = [
        short if "(row " in short else shorten_recipe(names[full])
        for short, full in zip(rows["short_recipe"], rows["recipe"], strict=True)
    ]
    lines = records_of(rows.assign(short_recipe=short_names))
    for fewer in _ever_fewer(columns, metric):
        cells = {column.key: [_cell(column, row, metric) for row in lines] for column in fewer}
        if sum(_width(column.title, cells[column.key]) + 1 for column in fewer) <= width:
            break
    table = _empty_table(title)
    for column in fewer:
        table.add_column(column.title, justify=column.align, overflow="fold", vertical="top")
    for position, row in enumerate(lines):
        line = {key: escape(texts[position]) for key, texts in cells.items()}
        if row["status"] != "finished":
            line[metric] = f"[red]{line[metric]}[/red]"
        table.add_row(*line.values(), style="bold" if row["rank"] is not pd.NA and row["rank"] == 1 else None)
    return table


def _ever_fewer(columns: list[Column], metric: str) -> Iterator[list[Column]]:
    """Yield the columns, then with one more narrowed at each step, then with one more dropped; never the metric."""
    yield columns
    for position, column in enumerate(columns):
        if column.key in NARROW_TITLES and column.key != metric:
            columns = columns.copy()
            columns[position] = replace(column, title=NARROW_TITLES[column.key]).without_spread()
            yield columns
    for key in (*DROP_ORDER, f"{metric}_interval"):
        if key != metric:
            columns = [column for column in columns if column.key != key]
            yield columns


def _cell(column: Column, row: Values, metric: str) -> str:
    return row["status"] if column.key == metric and row["status"] != "finished" else column.cell(row)


def _width(title: str, cells: list[str]) -> int:
    return max(map(cell_len, (*title.split("\n"), *cells)))


def _empty_table(title: str) -> Table:
    return Table(title=title, title_justify="left", box=None, padding=(0, 1, 0, 0), header_style="bold")
