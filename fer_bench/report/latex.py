"""The leaderboard as LaTeX tables that a paper can input unchanged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
from tabulate import LATEX_ESCAPE_RULES, tabulate

from fer_bench.core.text import UNKNOWN, one_line, slug
from fer_bench.leaderboard.column import BADGE_SEPARATOR, TIED, Align, Column, Values, View, format_rank
from fer_bench.leaderboard.columns import BY_KEY
from fer_bench.leaderboard.filter import group_summary, split_groups
from fer_bench.leaderboard.leaderboard import Leaderboard, TableOptions, benchmark_versions, sections
from fer_bench.leaderboard.rows import SYNTHETIC
from fer_bench.records.schema import EXTERNAL
from fer_bench.report.tables import machine_notes, records_of, table_columns

PREAMBLE = """\
% \\input this file; its tables need \\usepackage{booktabs} and nothing else.
% Two-column layouts and long names may need \\begin{table*} or \\small."""
DAGGER = "\\textsuperscript{\\textdagger}"
# Characters that plain LaTeX does not have; replaced after escaping.
SIGNS = {
    TIED: DAGGER,
    "±": "$\\pm$",
    "−": "$-$",
    "–": "--",
    "×": "$\\times$",
    "·": "$\\cdot$",
    "…": "\\dots{}",
    "→": "$\\to$",
}


def to_latex(leaderboard: Leaderboard) -> str:
    """Return leaderboard.tex: a table with caption and label for each section, and for each group of rows in it.

    Labels are `tab:<dataset>-<protocol>`, followed by `-<group>`. All text is escaped.
    """
    options = leaderboard.options
    made_for = f"{benchmark_versions(leaderboard.frame).capitalize()}."
    parts = [PREAMBLE, *(f"% {one_line(note)}" for note in (made_for, *options.notes))]
    for heading, stem, section in sections(leaderboard.frame):
        notes = leaderboard.section_notes(section)
        machines = [f"{note} {_machines(leaderboard)}." for note in machine_notes(section)]
        if options.group_by is not None:
            columns, lines = group_summary(section, options.group_by, options.metric)
            grouped_by = columns[0][0]
            caption = f"{heading}, by {grouped_by}. {_units_note(options.metric)}"
            parts.append(_table(columns, lines, caption, stem))
            notes = [*notes, *options.notes[-1:]]  # the last one explains groups
        for group, rows in split_groups(section):
            title, label = (f"{heading}, {grouped_by} {group}", f"{stem}-{group}") if group else (heading, stem)
            parts.append(_scores(rows, options, _caption(title, rows, [*notes, *machines], options), label))
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Return text that LaTeX prints unchanged, on one line."""
    return _replace_signs("".join(LATEX_ESCAPE_RULES.get(letter, letter) for letter in one_line(text)))


def _replace_signs(text: str) -> str:
    return text.translate({ord(sign): latex for sign, latex in SIGNS.items()})


def _table(columns: Sequence[tuple[str, Align]], lines: Iterable[Sequence[str]], caption: str, label: str) -> str:
    headers, sides = zip(*columns, strict=True)
    cells = [[one_line(cell) for cell in line] for line in lines]
    tabular = tabulate(cells, headers, tablefmt="latex_booktabs", colalign=sides, disable_numparse=True)
    return "\n".join(
        [
            "\\begin{table}[htbp]",
            "\\centering",
            f"\\caption{{{escape(caption)}}}",
            f"\\label{{tab:{slug(label)}}}",
            "\\smallskip",
            _replace_signs(tabular),
            "\\end{table}",
        ]
    )


def _scores(rows: pd.DataFrame, options: TableOptions, caption: str, label: str) -> str:
    columns = table_columns(View.LATEX, rows, options.metric)
    lines = [_line(row, columns) for row in records_of(rows)]
    return _table([(column.title, column.align) for column in columns], lines, caption, label)


def _line(row: Values, columns: list[Column]) -> list[str]:
    label, *values = columns
    name = label.cell(row) + (TIED if TIED in format_rank(row) else "")
    if row["status"] == "finished":
        return [name, *(column.cell(row) for column in values)]
    return [name, row["status"], *(UNKNOWN for _ in values[1:])]


def _machines(leaderboard: Leaderboard) -> str:
    return "; ".join(f"{number}: {text}" for number, text, _ in leaderboard.count_machines())


def _units_note(metric: str) -> str:
    column = BY_KEY[metric]
    exception = "" if column.kind == "score" else f", {column.title} as it is"
    return f"Scores on the test images, in percent{exception}."


def _caption(title: str, rows: pd.DataFrame, notes: Iterable[str], options: TableOptions) -> str:
    sentences = [f"{title}.", _units_note(options.metric), *notes, *_badge_notes(rows)]
    if failed := [f"{row['label']} ({row['failed']})" for row in records_of(rows) if row["failed"]]:
        sentences.append(f"Trials that failed or diverged, which no mean includes: {', '.join(failed)}.")
    return " ".join(sentences)


def _badge_notes(rows: pd.DataFrame) -> list[str]:
    """Return sentences on the badges that all rows have and the heading does not mention, and on external models."""
    finished = [row for row in records_of(rows) if row["status"] == "finished"]
    badges = [row["badges"].split(BADGE_SEPARATOR) for row in finished]
    if not finished:
        return []
    in_heading = {SYNTHETIC, *(name for row in finished for name in (row["protocol"], *row["split_notes"].split("; ")))}
    shared = [badge for badge in badges[0] if badge not in in_heading and all(badge in row for row in badges)]
    notes = [f"All rows: {', '.join(shared)}."] if shared else []
    if external := [row["label"] for row, of_row in zip(finished, badges, strict=True) if EXTERNAL in of_row]:
        notes.append(f"External models: {', '.join(external)}.")
    return notes
