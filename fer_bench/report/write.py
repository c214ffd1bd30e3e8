"""Write the report of a results folder from records alone: leaderboard as Markdown, CSV, LaTeX, page, and figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pandas as pd

from fer_bench.core.errors import UserError
from fer_bench.core.files import write_output
from fer_bench.core.text import slug
from fer_bench.leaderboard.leaderboard import Leaderboard, compute_leaderboard, section_key, sections
from fer_bench.leaderboard.rows import SECTION
from fer_bench.records import Records, load
from fer_bench.records.time_to_target import DEFAULT_TARGETS
from fer_bench.report.latex import to_latex
from fer_bench.report.markdown import to_csv, to_markdown
from fer_bench.report.page.render import leaderboard_page

FIGURES_DIR = "figures"
MAX_FIGURE_ROWS = 50  # rows with figures of their own by default; each takes about 0.4 s


def read_leaderboard(
    results_dir: Path | str, records: Records | None = None, targets: Sequence[float] = DEFAULT_TARGETS
) -> Leaderboard:
    """Return the leaderboard of a results folder.

    Args:
        results_dir: The folder.
        records: Its records if they are loaded already.
        targets: See `compute_leaderboard`.

    Raises:
        UserError: There is no readable record.
    """
    records = load(results_dir) if records is None else records
    leaderboard = compute_leaderboard(records, records.skipped, targets)
    if leaderboard.rows:
        return leaderboard
    skipped = leaderboard.skipped
    unreadable = f" ({len(skipped)} could not be read: {skipped[0][1]})" if skipped else ""
    raise UserError(
        f"There are no records in {results_dir}{unreadable}. "
        f"Train models with `python benchmark.py --models all --results-dir {results_dir}`."
    )


def write_report(
    results_dir: Path | str, figures: bool = True, max_figure_rows: int | None = MAX_FIGURE_ROWS
) -> list[Path]:
    """Read a results folder and write its leaderboard; arguments and result as `write_leaderboard`.

    Raises UserError as well if there are no records.
    """
    return write_leaderboard(read_leaderboard(results_dir), results_dir, figures, max_figure_rows)


def write_leaderboard(
    leaderboard: Leaderboard,
    results_dir: Path | str,
    figures: bool = True,
    max_figure_rows: int | None = MAX_FIGURE_ROWS,
    output: Path | None = None,
    page: Leaderboard | None = None,
) -> list[Path]:
    """Write leaderboard.md, .csv, .tex and .html, and the figures.

    Args:
        leaderboard: The leaderboard.
        results_dir: The folder of its records.
        figures: Whether to draw figures.
        max_figure_rows: How many rows get figures of their own, the best of each section first; None for all. The page
            has the same information for every row.
        output: The folder to write into, by default `results_dir`.
        page: What the page shows, by default `leaderboard`. The page explains ties by accuracy and sorts by any column,
            so it always gets the leaderboard that is ranked by accuracy.

    Returns:
        The paths of the files.

    Raises:
        UserError: A file cannot be written.
    """
    folder, results = Path(output or results_dir), Path(results_dir)
    note = missing_figures_note(leaderboard, max_figure_rows) if figures else ""
    tables: dict[Path, str | bytes] = {
        folder / "leaderboard.md": to_markdown(leaderboard, note, folder),
        folder / "leaderboard.csv": to_csv(leaderboard.frame),
        folder / "leaderboard.tex": to_latex(leaderboard),
        folder / "leaderboard.html": leaderboard_page(_with_option_notes(page or leaderboard), results, folder),
    }
    written = []
    drawn = _figures(leaderboard, folder / FIGURES_DIR, max_figure_rows) if figures else iter(())
    for path, content in chain(tables.items(), drawn):
        write_output(path, content, "The records are intact; free some space, then run `python benchmark.py report`.")
        written.append(path)
    return written


def missing_figures_note(leaderboard: Leaderboard, max_figure_rows: int | None = MAX_FIGURE_ROWS) -> str:
    """Return a sentence on the rows without figures of their own; empty if all rows have them."""
    num_rows, num_drawn = len(leaderboard.frame), len(_rows_to_draw(leaderboard, max_figure_rows))
    if num_drawn == num_rows:
        return ""
    return (
        f"{FIGURES_DIR}/ has confusion matrices and training curves of {num_drawn:,} of the {num_rows:,} rows, the "
        "best ones of each table; leaderboard.html shows them for every row."
    )


def _with_option_notes(leaderboard: Leaderboard) -> Leaderboard:
    """Return the leaderboard with its notes repeated in each section, because the page shows those of sections."""
    notes = {
        section_key(section): [*leaderboard.options.notes, *leaderboard.section_notes(section)]
        for _, _, section in sections(leaderboard.frame)
    }
    return replace(leaderboard, notes=notes)


def _rows_to_draw(leaderboard: Leaderboard, max_rows: int | None) -> set[str]:
    """Return the ids of the rows with figures of their own: the best of every section, then the second, and so on."""
    best_first = leaderboard.frame.sort_values("rank", kind="stable")  # grouped rows are in another order
    positions = best_first.groupby(SECTION, sort=False).cumcount().sort_values(kind="stable")
    return set(positions.index[:max_rows])


def _figures(leaderboard: Leaderboard, folder: Path, max_rows: int | None) -> Iterator[tuple[Path, bytes]]:
    """Yield path and content of each image file, drawn one at a time."""
    from fer_bench.report.figure_layout import image_files  # imports matplotlib
    from fer_bench.report.figures import (
        confusion_figure,
        curves_figure,
        overview_figure,
        performance_profile_figure,
    )

    drawn = _rows_to_draw(leaderboard, max_rows)
    for heading, stem, section in sections(leaderboard.frame):
        directory = folder / slug(stem)
        if overview := overview_figure(section, heading):
            yield from image_files(overview, directory / "accuracy-time").items()
        if profile := performance_profile_figure(section, heading):
            yield from image_files(profile, directory / "time-to-target").items()
        for row_id, name in _file_stems(section).items():
            if row_id not in drawn:
                continue
            row, label = leaderboard.rows[row_id], str(section.loc[row_id, "label"])
            if row.seeds:
                yield from image_files(confusion_figure(row, heading, label), directory / f"{name}-confusion").items()
            if curves := curves_figure(row, heading, label):
                yield from image_files(curves, directory / f"{name}-curves").items()


def _file_stems(section: pd.DataFrame) -> dict[str, str]:
    """Return a file name stem for each row of a section, unique even if the file system ignores letter case."""
    slugs = {str(row_id): slug(label) for row_id, label in section["label"].items()}
    lowered = [name.lower() for name in slugs.values()]
    return {i: name if lowered.count(name.lower()) == 1 else f"{name}-{i}" for i, name in slugs.items()}
