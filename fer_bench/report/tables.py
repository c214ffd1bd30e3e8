"""What Markdown, terminal and LaTeX tables share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast
from urllib.parse import quote

import pandas as pd
from tabulate import tabulate

from fer_bench.core.text import one_line
from fer_bench.evaluation.metrics import accuracy_half_width
from fer_bench.leaderboard.column import WARNING_SEPARATOR, Column, Values, View
from fer_bench.leaderboard.columns import columns_in, drop_empty, move_to_front, ranking_columns

NO_REASON = "no reason given"
DIFFERENT_MACHINES = "Times of different machines cannot be compared."
RANKS_LEGEND = """\
Accuracies in percent of the models that all of these tables have, and the mean of their ranks by accuracy (ties share \
the mean; Demšar 2006)."""


def table_columns(view: View, rows: pd.DataFrame, metric: str = "accuracy") -> list[Column]:
    """Return the columns of a table, without empty ones; the metric that ranks and its interval are the first scores.

    Args:
        view: The table's view.
        rows: Its lines of the leaderboard's frame.
        metric: The metric that ranks.
    """
    known = rows.columns[rows.notna().any()]
    columns = columns_in(view, known)
    if view is not View.COSTS:
        columns = move_to_front(columns, ranking_columns(metric, known))
    return drop_empty(columns, known)


def records_of(rows: pd.DataFrame) -> list[Values]:
    """Return the lines of a frame as dictionaries by column."""
    return cast("list[Values]", rows.to_dict("records"))


def markdown_table(columns: Sequence[tuple[str, str]], lines: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table; `columns`: header and alignment, left or right, of each column."""
    cells = [[one_line(cell).replace("|", "\\|") for cell in line] for line in lines]
    headers = [header.replace("|", "\\|") for header, _ in columns]
    return tabulate(cells, headers, tablefmt="pipe", colalign=[align for _, align in columns], disable_numparse=True)


def half_width(scored: pd.DataFrame) -> tuple[int, float]:
    """Return the number of test images, and half the 95 % binomial interval of the best ranked accuracy in points."""
    images = int(scored["test_images"].max())
    ranked = scored[scored["rank"].notna()]
    return images, 100 * accuracy_half_width((scored if ranked.empty else ranked)["accuracy"].max(), images)


def warning_lines(rows: pd.DataFrame) -> list[str]:
    """Return the warnings about the rows of a table, each with the label of its row."""
    if "warnings" not in rows:
        return []
    known = rows.dropna(subset=["warnings"])
    return [
        f"{label}: {sentence}"
        for label, text in zip(known["label"], known["warnings"], strict=True)
        for sentence in text.split(WARNING_SEPARATOR)
    ]


def machine_notes(rows: pd.DataFrame) -> list[str]:
    """Return a sentence on the times of these rows if more than one machine measured them."""
    numbers = {number for cell in rows.get("machine_numbers", ()) for number in cell.split(", ")}
    return [DIFFERENT_MACHINES] if len(numbers) > 1 else []


def link_to(file: Path, folder: Path) -> str:
    """Return the address of a file in a document of a folder."""
    return quote(Path(os.path.relpath(file, folder)).as_posix())
