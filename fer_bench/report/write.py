"""Write the report of a results folder: leaderboard as Markdown, CSV and page, and the figures, from records alone."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fer_bench.core.errors import UserError, write_error
from fer_bench.core.text import slug
from fer_bench.leaderboard.leaderboard import SECTION, Board, board, sections
from fer_bench.records import load
from fer_bench.report.latex import to_latex
from fer_bench.report.markdown import to_csv, to_markdown
from fer_bench.report.page.page import leaderboard_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIGURES = "figures"
MOST_DRAWN = 50  # rows with pictures of their own unless more are asked for; each takes some 0.4 s


def read_board(results_dir: Path | str) -> Board:
    """The leaderboard of a results folder. UserError where the folder holds no record that can be read."""
    records = load(results_dir)
    result = board(records, records.left_out)
    if result.rows:
        return result
    unread = f" ({len(result.left_out)} could not be read: {result.left_out[0][1]})" if result.left_out else ""
    raise UserError(
        f"There are no records in {results_dir}{unread}; `python benchmark.py --models all --results-dir {results_dir}`"
        " makes them."
    )


def write_report(results_dir: Path | str, figures: bool = True, most: int | None = MOST_DRAWN) -> list[Path]:
    """Write leaderboard.md, .csv, .tex and .html and, unless told otherwise, the figures; the paths written.

    most: how many rows get pictures of their own, those of the best places in their sections; None for all. Of the
    others leaderboard.md tells, and leaderboard.html has the same for every row. UserError where there are no records,
    or where the folder cannot be written.
    """
    return write_board(read_board(results_dir), results_dir, figures, most)


def write_board(
    board: Board,
    results_dir: Path | str,
    figures: bool = True,
    most: int | None = MOST_DRAWN,
    output: Path | None = None,
    page: Board | None = None,
) -> list[Path]:
    """As `write_report`, for a leaderboard that has been read already.

    output: another folder to write into. page: the rows that the page shows, where the tables have them ranked by
    another metric: the page explains its marks by accuracy, and sorts by any column.
    """
    folder = Path(output or results_dir)
    results, note = Path(results_dir), not_drawn(board, most) if figures else ""
    files = [
        (folder / "leaderboard.md", lambda: _markdown(board, note).encode()),
        (folder / "leaderboard.csv", lambda: to_csv(board.frame).encode()),
        (folder / "leaderboard.tex", lambda: to_latex(board).encode()),
        (folder / "leaderboard.html", lambda: leaderboard_page(_said_in_notes(page or board), results).encode()),
    ]
    written = [_replace(path, content()) for path, content in files]
    if figures:
        written += [_replace(path, content) for path, content in _figures(board, folder / FIGURES, most)]
    return written


def not_drawn(board: Board, most: int | None = MOST_DRAWN) -> str:
    """A sentence on the rows that get no pictures of their own; empty where all do."""
    rows, drawn = len(board.frame), len(_drawn(board, most))
    if drawn == rows:
        return ""
    return (
        f"Confusion matrices and training curves in {FIGURES}/ are of {drawn:,} of the {rows:,} rows, those best "
        "placed in their tables; leaderboard.html shows them for every row."
    )


def _markdown(board: Board, note: str) -> str:
    return to_markdown(board) + (f"\n## Figures\n\n{note}\n" if note else "")


def _said_in_notes(board: Board) -> Board:
    """With what holds of the whole leaderboard among the notes of each section, which the page shows."""
    notes = {section: [*board.view.said, *board.notes.get(section, [])] for section in _sections(board)}
    return replace(board, notes=notes) if board.view.said else board


def _sections(board: Board) -> list[tuple[str, str, str]]:
    return list(board.frame[SECTION].drop_duplicates().itertuples(index=False, name=None))


def _drawn(board: Board, most: int | None) -> set[str]:
    """Identities of the rows with pictures of their own: the first of every section, then the second, and so on."""
    best_first = board.frame.sort_values("rank", kind="stable")  # which grouped rows are not
    places = best_first.groupby(SECTION, sort=False).cumcount().sort_values(kind="stable")
    return set(places.index[:most])


def _figures(board: Board, folder: Path, most: int | None) -> Iterator[tuple[Path, bytes]]:
    """Path and content of each picture, drawn one at a time."""
    from fer_bench.report import figures as draw  # matplotlib is needed here alone

    drawn = _drawn(board, most)
    for heading, stem, group in sections(board.frame):
        place = folder / slug(stem)
        yield from _files(place / "accuracy-time", draw.overview_figure(group, heading))
        for identity, name in _names(group).items():
            if identity not in drawn:
                continue
            row, label = board.rows[identity], group.loc[identity, "label"]
            if row.seeds:
                yield from _files(place / f"{name}-confusion", draw.confusion_figure(row, heading, label))
            yield from _files(place / f"{name}-curves", draw.curves_figure(row, heading, label))


def _files(stem: Path, figure: Figure | None) -> Iterator[tuple[Path, bytes]]:
    from fer_bench.report.figures import pictures

    if figure is not None:
        for suffix, content in pictures(figure).items():
            yield stem.with_name(f"{stem.name}.{suffix}"), content


def _names(group) -> dict[str, str]:
    """A file name stem for each row of a section, unique even where letter case is not told apart."""
    slugs = {identity: slug(label) for identity, label in group["label"].items()}
    lowered = [name.lower() for name in slugs.values()]
    return {i: name if lowered.count(name.lower()) == 1 else f"{name}-{i}" for i, name in slugs.items()}


def _replace(path: Path, content: bytes) -> Path:
    """Write a file so that readers see the old one or the new one, never a part."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        advice = "The records are unharmed; once there is room, `python benchmark.py report` writes it."
        raise write_error(path, error, advice) from error
    return path
