"""Write the report of a results folder: leaderboard as Markdown, CSV and page, and the figures, from records alone."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fer_bench.errors import UserError
from fer_bench.records import load
from fer_bench.report.leaderboard import SECTION, Board, board, sections
from fer_bench.report.page.page import leaderboard_page
from fer_bench.report.tables import to_csv, to_markdown

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
    """Write leaderboard.md, .csv and .html and, unless told otherwise, the figures as PNG and SVG; the paths written.

    most: how many rows get pictures of their own, those of the best places in their sections; None for all. Of the
    others leaderboard.md tells, and leaderboard.html has the same for every row. UserError where there are no records,
    or where the folder cannot be written.
    """
    return write_board(read_board(results_dir), results_dir, figures, most)


def write_board(
    board: Board, results_dir: Path | str, figures: bool = True, most: int | None = MOST_DRAWN
) -> list[Path]:
    """As `write_report`, for a leaderboard that has been read already."""
    folder = Path(results_dir)
    note = not_drawn(board, most) if figures else ""
    files = [
        (folder / "leaderboard.md", lambda: _markdown(board, note).encode()),
        (folder / "leaderboard.csv", lambda: to_csv(board.frame).encode()),
        (folder / "leaderboard.html", lambda: leaderboard_page(board, folder).encode()),
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


def _drawn(board: Board, most: int | None) -> set[str]:
    """Identities of the rows with pictures of their own: the first of every section, then the second, and so on."""
    places = board.frame.groupby(SECTION, sort=False).cumcount().sort_values(kind="stable")
    return set(places.index[:most])


def _figures(board: Board, folder: Path, most: int | None) -> Iterator[tuple[Path, bytes]]:
    """Path and content of each picture, drawn one at a time."""
    from fer_bench.report import figures as draw  # matplotlib is needed here alone

    drawn = _drawn(board, most)
    for heading, stem, group in sections(board.frame):
        place = folder / _slug(stem)
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
    slugs = {identity: _slug(label) for identity, label in group["label"].items()}
    lowered = [slug.lower() for slug in slugs.values()]
    return {i: slug if lowered.count(slug.lower()) == 1 else f"{slug}-{i}" for i, slug in slugs.items()}


def _slug(text: str) -> str:
    return re.sub(r"[^\w.=]+", "-", text).strip("-.") or "unnamed"


def _replace(path: Path, content: bytes) -> Path:
    """Write a file so that readers see the old one or the new one, never a part."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path
