"""Filters of a leaderboard, and groups within its sections. Rows that are not shown are counted in a note."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pandas as pd

from fer_bench.core.errors import UserError
from fer_bench.core.text import UNKNOWN, did_you_mean, plural, same_spelling
from fer_bench.leaderboard.average_ranks import compute_average_ranks, named_recipes
from fer_bench.leaderboard.column import TIED, Align
from fer_bench.leaderboard.columns import BY_KEY
from fer_bench.leaderboard.leaderboard import Leaderboard
from fer_bench.leaderboard.row_warnings import is_trusted
from fer_bench.leaderboard.rows import SECTION

GROUP_COLUMNS = ("recipe", "model", "weights", "backend", "precision", "tta", "dataset", "protocol", "status")


def filter_rows(leaderboard: Leaderboard, datasets: Sequence[str] = (), protocols: Sequence[str] = ()) -> Leaderboard:
    """Return the rows of some datasets and protocols, with a note that counts the others.

    Whole sections stay or go, so intervals and ties do not change. Average ranks are computed from the rows that stay.

    Args:
        leaderboard: The leaderboard.
        datasets: Names of datasets; all if empty.
        protocols: Names of protocols; all if empty.

    Raises:
        UserError: No row has one of the names, or no row has both.
    """
    wanted = {"dataset": list(dict.fromkeys(datasets)), "protocol": list(dict.fromkeys(protocols))}
    for column, names in wanted.items():
        known = sorted(set(leaderboard.frame[column]))
        for name in names:
            if not same_spelling(name, known):
                raise UserError(f"No row has the {column} '{name}'. {did_you_mean(name, known)}")
        wanted[column] = [spelled for name in names for spelled in same_spelling(name, known)]
    frame, omitted = leaderboard.frame, []
    for column, names in wanted.items():
        if not names:
            continue
        matches = frame[column].isin(names)
        if not matches.any():
            known = sorted(set(frame[column]))
            raise UserError(
                f"No row of {', '.join(wanted['dataset'])} has the protocol {', '.join(names)}. "
                f"Choose from: {', '.join(known)}."
            )
        if not matches.all():
            counts = ", ".join(f"{name} {count:,}" for name, count in frame[column][~matches].value_counts().items())
            rows = plural(int((~matches).sum()), "row")
            omitted.append(f"omitted by --{column} {','.join(names)}: {rows} ({counts})")
        frame = frame[matches]
    if not omitted:
        return leaderboard
    frame = frame.copy()
    ranks, frame["average_rank"] = compute_average_ranks(frame)
    note = f"Shown: {len(frame):,} of {plural(len(leaderboard.frame), 'row')}; {'; '.join(omitted)}."
    sections = set(frame[SECTION].itertuples(index=False, name=None))
    return replace(
        leaderboard,
        frame=frame,
        rows={row_id: leaderboard.rows[row_id] for row_id in frame.index},
        notes={section: notes for section, notes in leaderboard.notes.items() if section in sections},
        ranks=ranks,
        options=replace(leaderboard.options, notes=(*leaderboard.options.notes, note)),
    )


def group_rows(leaderboard: Leaderboard, group_by: str) -> Leaderboard:
    """Return the rows of each section grouped by a column, the group of the best row first.

    The frame gets `group`, the column's text, and `group_rank`, the rank within the group; `rank` and all statistics
    remain those of the section. Raises UserError if the column is none of GROUP_COLUMNS.
    """
    if group_by not in GROUP_COLUMNS:
        raise UserError(f"Rows cannot be grouped by '{group_by}'. {did_you_mean(group_by, GROUP_COLUMNS)}")
    frame = leaderboard.frame.copy()
    values = frame[group_by].astype(str).replace("", UNKNOWN)
    frame["group"] = named_recipes(values) if group_by == "recipe" else values
    keys = [*SECTION, "group"]
    frame["group_rank"] = frame.groupby(keys)["rank"].rank(method="min").astype("Int64")
    frame = frame.iloc[frame.groupby(keys, sort=False).ngroup().argsort(kind="stable")]
    note = (
        f"Grouped by {_title(group_by)}, and ranked by {BY_KEY[leaderboard.options.metric].title} within each group. "
        f"Groups change no statistics: intervals, corrections and {TIED} (tied with the best row) are those of the "
        "whole section."
    )
    options = replace(leaderboard.options, group_by=group_by, notes=(*leaderboard.options.notes, note))
    return replace(leaderboard, frame=frame, options=options)


def split_groups(section: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield name and lines of each group of a section; the section itself, without a name, if it has no groups."""
    if "group" in section:
        for name, rows in section.groupby("group", sort=False):
            yield str(name), rows
    else:
        yield "", section


def group_summary(section: pd.DataFrame, group_by: str, metric: str) -> tuple[list[tuple[str, Align]], list[list[str]]]:
    """Return headers with alignment, and lines, of a table of groups: row counts, the best row, the median score."""
    title = BY_KEY[metric].title
    columns: list[tuple[str, Align]] = [(_title(group_by), "left"), ("rows", "right"), ("without score", "right")]
    columns += [("best row", "left"), (f"best {title}", "right"), (f"median {title}", "right")]
    return columns, [[name, *_summarize(rows, metric)] for name, rows in split_groups(section)]


def _summarize(rows: pd.DataFrame, metric: str) -> list[str]:
    scored = rows[is_trusted(rows)].dropna(subset=[metric])
    counts = [f"{len(rows):,}", f"{len(rows) - len(scored):,}"]
    if scored.empty:
        return [*counts, UNKNOWN, UNKNOWN, UNKNOWN]
    best, column = {str(key): value for key, value in scored.iloc[0].items()}, BY_KEY[metric]
    median = column.without_spread().cell({metric: scored[metric].median()})
    return [*counts, str(best["label"]), column.cell(best), median]


def _title(column: str) -> str:
    return column.replace("_", " ")
