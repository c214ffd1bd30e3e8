"""Write the report of a results folder: leaderboard.md, leaderboard.csv and the figures, from records alone."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator
from pathlib import Path

from fer_bench.errors import UserError
from fer_bench.records import load
from fer_bench.report.leaderboard import Board, board, sections
from fer_bench.report.tables import to_csv, to_markdown

FIGURES = "figures"


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


def write_report(results_dir: Path | str, figures: bool = True) -> list[Path]:
    """Write leaderboard.md, leaderboard.csv and, unless told otherwise, the figures; the paths written.

    UserError where there are no records, or where the folder cannot be written.
    """
    return write_board(read_board(results_dir), results_dir, figures)


def write_board(board: Board, results_dir: Path | str, figures: bool = True) -> list[Path]:
    """As `write_report`, for a leaderboard that has been read already."""
    folder = Path(results_dir)
    files = [
        (folder / "leaderboard.md", lambda: to_markdown(board).encode()),
        (folder / "leaderboard.csv", lambda: to_csv(board.frame).encode()),
    ]
    written = [_replace(path, content()) for path, content in files]
    if figures:
        written += [_replace(path, content) for path, content in _figures(board, folder / FIGURES)]
    return written


def _figures(board: Board, folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Path and content of each picture, drawn one at a time."""
    from fer_bench.report import figures as draw  # matplotlib is needed here alone

    for heading, stem, group in sections(board.frame):
        place = folder / _slug(stem)
        overview = draw.overview_figure(group, heading)
        if overview:
            yield place / "accuracy-time.png", draw.png(overview)
        for identity, name in _names(group).items():
            row, label = board.rows[identity], group.loc[identity, "label"]
            if row.seeds:
                yield place / f"{name}-confusion.png", draw.png(draw.confusion_figure(row, heading, label))
            curves = draw.curves_figure(row, heading, label)
            if curves:
                yield place / f"{name}-curves.png", draw.png(curves)


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
