"""Parts of a leaderboard: filters, and groups within its sections. What is not shown is counted, never passed over."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from fer_bench.core.errors import UserError
from fer_bench.core.text import UNKNOWN, plural
from fer_bench.leaderboard.average_ranks import average_ranks_of
from fer_bench.leaderboard.leaderboard import SECTION, Board
from fer_bench.report.columns import ALIKE, Cell, header, of_metric

BY = ("recipe", "model", "weights", "backend", "precision", "test_views", "dataset", "protocol", "status")


def filtered(board: Board, datasets: Sequence[str] = (), protocols: Sequence[str] = ()) -> Board:
    """The rows of these datasets and protocols, all where none is named; `view.said` counts what is left out.

    Whole sections stay or go, so intervals and marks are what they were; average ranks are of the rows that stay.
    UserError for a name that no row has, and where no row has both.
    """
    asked = {"dataset": list(dict.fromkeys(datasets)), "protocol": list(dict.fromkeys(protocols))}
    for column, names in asked.items():
        for name in names:
            _known(column, name, board.frame[column])
    frame, left_out = board.frame, []
    for column, names in asked.items():
        if not names:
            continue
        stays = frame[column].isin(names)
        if not stays.any():
            datasets = ", ".join(asked["dataset"])
            there = ", ".join(sorted(set(frame[column])))
            raise UserError(f"No row of {datasets} has the protocol {', '.join(names)}: there is {there}.")
        if not stays.all():
            counts = ", ".join(f"{name} {count:,}" for name, count in frame[column][~stays].value_counts().items())
            option = f"--{column} {','.join(names)}"
            left_out.append(f"left out by {option}: {plural(int((~stays).sum()), 'row')} ({counts})")
        frame = frame[stays]
    if not left_out:
        return board
    frame = frame.copy()
    ranks, frame["average_rank"] = average_ranks_of(frame)
    shown = f"Shown: {len(frame):,} of {plural(len(board.frame), 'row')}; {'; '.join(left_out)}."
    sections = set(frame[SECTION].itertuples(index=False, name=None))
    return replace(
        board,
        frame=frame,
        rows={identity: board.rows[identity] for identity in frame.index},
        notes={section: notes for section, notes in board.notes.items() if section in sections},
        ranks=ranks,
        view=replace(board.view, said=(*board.view.said, shown)),
    )


def grouped(board: Board, by: str) -> Board:
    """The same rows, each section's put together by a column of `BY`, the group of the best row first.

    The frame gets `group`, that column's text, and `group_rank`, the rank within; `rank` and all statistics stay those
    of the section. UserError for another column.
    """
    if by not in BY:
        raise UserError(f"Rows cannot be grouped by '{by}': {nearest(by, BY)}")
    frame, metric = board.frame.copy(), board.view.metric
    of_rows = frame[by].astype(str).replace("", UNKNOWN)
    frame["group"] = of_rows.str.partition(",")[0] if by == "recipe" else of_rows  # by its name, as in average ranks
    keys = [*SECTION, "group"]
    frame["group_rank"] = frame.groupby(keys)["rank"].rank(method="min").astype("Int64")
    frame = frame.iloc[frame.groupby(keys, sort=False).ngroup().argsort(kind="stable")]
    said = (
        f"Grouped by {_words(by)}, and ranked by {header(metric)} within each group. Groups change no statistics: "
        f"intervals, corrections and {ALIKE} (not told from the best row) are of the whole section."
    )
    return replace(board, frame=frame, view=replace(board.view, by=by, said=(*board.view.said, said)))


def groups(section: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Name and rows of each group of a section; the section itself, without a name, where rows are not grouped."""
    if "group" in section:
        yield from section.groupby("group", sort=False)
    else:
        yield "", section


def summary(section: pd.DataFrame, by: str, metric: str) -> tuple[list[str], list[list[str]]]:
    """Headers and lines of the table over a section's groups: rows, the best of them with its score, the median score.

    A group without a score has a dash there.
    """
    name, cell = header(metric), of_metric(metric)
    lines = [[group, *_summed_up(rows, cell, metric)] for group, rows in groups(section)]
    return [_words(by), "rows", "without score", "best row", f"best {name}", f"median {name}"], lines


def nearest(name: str, there: Sequence[str]) -> str:
    """The end of a message on a name that is not there: those like it, and what there is."""
    near = difflib.get_close_matches(name, there, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}? There" if near else "there"
    return f"{hint} {'is' if len(there) == 1 else 'are'} {', '.join(there)}."


def _summed_up(rows: pd.DataFrame, cell: Cell, metric: str) -> list[str]:
    scored = rows.dropna(subset=[metric])
    counts = [f"{len(rows):,}", f"{len(rows) - len(scored):,}"]
    if scored.empty:
        return [*counts, UNKNOWN, UNKNOWN, UNKNOWN]
    best = scored.iloc[0]
    median = cell({metric: scored[metric].median(), f"{metric}_sd": float("nan")})
    return [*counts, best["label"], cell(best), median]


def _words(column: str) -> str:
    return column.replace("_", " ")


def _known(column: str, name: str, there: pd.Series) -> None:
    if not (there == name).any():
        raise UserError(f"No row has the {column} '{name}': {nearest(name, sorted(set(there)))}")
