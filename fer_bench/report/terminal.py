"""The leaderboard in the terminal: as many columns as there is room for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fer_bench.core.text import plural
from fer_bench.leaderboard.filter import groups, summary
from fer_bench.leaderboard.leaderboard import View, sections
from fer_bench.leaderboard.row_labels import told_apart
from fer_bench.leaderboard.rows import LeftOut
from fer_bench.report.columns import (
    ALIKE,
    COSTS,
    LEFT,
    SCORES,
    Cell,
    half_width,
    header,
    of_ranking,
    put_first,
    rank,
    score,
    with_something,
)

Columns = dict[str, tuple[str, Cell]]  # header and cell

# The columns shown, how they are shortened for a narrow terminal, and in which order they then go.
TERMINAL: Columns = {
    "rank": ("#", rank),
    "model": ("model", SCORES["model"]),
    "recipe": ("recipe", SCORES["recipe"]),
    "weights": ("weights", SCORES["weights"]),
    "seeds": ("seeds", SCORES["seeds"]),
    "accuracy": ("accuracy", SCORES["accuracy"]),
    "95 % interval": ("95 % interval", SCORES["95 % interval"]),
    "clean accuracy": ("clean accuracy", SCORES["clean accuracy"]),
    "mean of folds": ("mean of folds", SCORES["mean of folds"]),
    "macro F1": ("macro F1", SCORES["macro F1"]),
    "weighted F1": ("weighted F1", SCORES["weighted F1"]),
    "macro AUC": ("AUC", SCORES["macro AUC"]),
    "parameters": ("params", COSTS["parameters"]),
    "training time": ("time", COSTS["training time"]),
    "images/s": ("images/s", COSTS["images/s"]),
}
SHORTER: Columns = {
    "clean accuracy": ("clean\nacc.", score("clean_accuracy", spread=False)),
    "macro F1": ("macro\nF1", score("macro_f1", spread=False)),
    "weighted F1": ("wtd.\nF1", score("weighted_f1", spread=False)),
    "macro AUC": ("AUC", score("macro_auc", spread=False)),
    "95 % interval": ("95 %\ninterval", SCORES["95 % interval"]),
    "images/s": ("images\n/s", COSTS["images/s"]),
}
DISPENSABLE = (
    *("mean of folds", "95 % interval", "weighted F1", "parameters", "macro AUC", "images/s", "weights", "seeds"),
    *("macro F1", "clean accuracy", "training time"),
)
EXPLAINED = f"{ALIKE} cannot be told from the best: paired bootstrap and McNemar's test, Holm-corrected, at 5 %."
BY_METRIC = f"{ALIKE} cannot be told from the best by {{}}: paired bootstrap, Holm-corrected, at 5 %."


def to_terminal(
    frame: pd.DataFrame, console: Console, left_out: Sequence[LeftOut] = (), view: View | None = None
) -> None:
    """Print a table for each dataset × protocol, or each group of it, with as many columns as the console is wide."""
    view = view or View()
    for heading, _, group in sections(frame):
        if view.by is not None:
            console.print(_summary(heading, group, view))
        for name, rows in groups(group):
            console.print(_fitting(f"{view.by}: {name}" if view.by else heading, rows, console.width, view.metric))
        for _, row in group[group["failed"] > 0].iterrows():
            failed = plural(row["failed"], "failed trial")
            text = f"{row['label']}: {failed}: {row['reason'] or 'no reason given'}"
            console.print(" ".join(text.split()), markup=False)
        scored = group.dropna(subset=["accuracy"])
        if not scored.empty:
            images, half = half_width(scored)
            console.print(f"{plural(images, 'test image')}: 95 % interval ± {half:.2f} points", style="dim")
        if any(ALIKE in rank(row) for row in scored.to_dict("records")):
            explained = EXPLAINED if view.metric == "accuracy" else BY_METRIC.format(header(view.metric))
            console.print(explained, style="dim")
        console.print()
    for sentence in view.said:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    if left_out:
        console.print(f"Left out ({len(left_out)}):")
        for path, reason in left_out:
            console.print(f"  {path.name}: {reason}", markup=False)


def _summary(heading: str, section: pd.DataFrame, view: View) -> Table:
    headers, lines = summary(section, view.by, view.metric)
    table = Table(title=heading, title_justify="left", box=None, padding=(0, 1, 0, 0), header_style="bold")
    for name in headers:
        table.add_column(name, justify="left" if name in (headers[0], "best row") else "right", overflow="fold")
    for line in lines:
        table.add_row(*map(escape, line))
    return table


def _fitting(heading: str, group: pd.DataFrame, width: int, metric: str) -> Table:
    first = {name: (name, cell) for name, cell in of_ranking(metric, group).items()}
    columns = put_first(with_something(TERMINAL, group), first)
    names = group["recipe"].str.partition(",")[0]
    if not group["model"].duplicated().any() and (names == "default").all():
        # Nothing to be told apart by it; the files have it all the same.
        columns = {name: column for name, column in columns.items() if name != "recipe"}
    rows = group.assign(recipe=group["recipe"].map(told_apart(group["recipe"]))).to_dict("records")
    for fewer in _ever_fewer(columns, first):
        cells = {name: [cell(row) for row in rows] for name, (_, cell) in fewer.items()}
        _say_failures(cells[header(metric)], rows)
        if sum(_width(header, cells[name]) + 1 for name, (header, _) in fewer.items()) <= width:
            break
    return _table(heading, rows, fewer, cells, header(metric))


def _ever_fewer(columns: Columns, first: Columns) -> Iterator[Columns]:
    """The columns, then the same with one more shortened at each step, then with one more left away, `first` last."""
    yield columns
    for name, short in SHORTER.items():
        if name in columns and name not in first:
            columns = columns | {name: short}
            yield columns
    for name in (*(name for name in DISPENSABLE if name not in first), *list(first)[1:]):
        if name in columns:
            columns = {key: column for key, column in columns.items() if key != name}
            yield columns


def _say_failures(accuracies: list[str], rows: list[dict]) -> None:
    for place, row in enumerate(rows):
        if row["status"] != "finished":
            accuracies[place] = row["status"]


def _width(header: str, cells: list[str]) -> int:
    return max(map(cell_len, (*header.split("\n"), *cells)))


def _table(heading: str, rows: list[dict], columns: Columns, cells: dict[str, list[str]], first: str) -> Table:
    table = Table(title=heading, title_justify="left", box=None, padding=(0, 1, 0, 0), header_style="bold")
    for name, (title, _) in columns.items():
        justify = "left" if name in LEFT else "right"
        table.add_column(title, justify=justify, overflow="fold", vertical="top")
    for place, row in enumerate(rows):
        line = {name: escape(column[place]) for name, column in cells.items()}
        if row["status"] != "finished":
            line[first] = f"[red]{line[first]}[/red]"
        table.add_row(*line.values(), style="bold" if row["rank"] is not pd.NA and row["rank"] == 1 else None)
    return table
