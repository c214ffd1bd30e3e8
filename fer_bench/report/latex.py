"""The leaderboard as LaTeX tables that can be put into a paper as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
from tabulate import LATEX_ESCAPE_RULES, tabulate

from fer_bench.core.text import UNKNOWN, slug
from fer_bench.leaderboard.filter import groups, summary
from fer_bench.leaderboard.leaderboard import BETWEEN_BADGES, SECTION, SYNTHETIC, Board, View, sections
from fer_bench.records.schema import EXTERNAL
from fer_bench.report.columns import (
    ALIKE,
    COSTS,
    INTERVAL,
    NO_SHARES,
    SCORES,
    Cell,
    header,
    of_ranking,
    put_first,
    rank,
)

HEAD = """\
% \\input this file; its tables need \\usepackage{booktabs} and nothing else.
% In two columns, or where names are long, \\begin{table*} or \\small may be wanted."""
SHOWN = (INTERVAL, "accuracy", "macro F1", "macro AUC")
OF_COSTS = ("parameters", "training time")
DAGGER = "\\textsuperscript{\\textdagger}"
# What a plain LaTeX has no letter for; after escaping.
SIGNS = {
    ALIKE: DAGGER,
    "±": "$\\pm$",
    "−": "$-$",
    "–": "--",
    "×": "$\\times$",
    "·": "$\\cdot$",
    "…": "\\dots{}",
    "→": "$\\to$",
}


def to_latex(board: Board) -> str:
    """leaderboard.tex: a table with caption and label for each dataset × protocol, and for each group of rows in it.

    Labels are `tab:<dataset>-<protocol>`, and `-<group>` after it. All text is escaped.
    """
    parts = [HEAD, *(f"% {line}" for line in board.view.said)]
    for heading, stem, section in sections(board.frame):
        notes = board.notes.get(tuple(section[SECTION].iloc[0]), [])
        if board.view.by is None:
            parts.append(_floating(_scores(section, board.view), _caption(heading, section, notes, board.view), stem))
            continue
        headers, lines = summary(section, board.view.by, board.view.metric)
        caption = f"{heading}, by {headers[0]}. {_units(board.view.metric)}"
        parts.append(_floating(_tabular(headers, lines, "lrrlrr"), caption, stem))
        for name, rows in groups(section):
            notes_here = [*notes, *board.view.said[-1:]]  # the last one says what groups are
            caption = _caption(f"{heading}, {headers[0]} {name}", rows, notes_here, board.view)
            parts.append(_floating(_scores(rows, board.view), caption, f"{stem}-{name}"))
    return "\n\n".join(parts) + "\n"


def escaped(text: str) -> str:
    """Text that LaTeX prints as it is, on one line."""
    plain = "".join(LATEX_ESCAPE_RULES.get(letter, letter) for letter in " ".join(str(text).split()))
    return _signs(plain)


def _signs(text: str) -> str:
    return text.translate(str.maketrans(SIGNS))


def _floating(tabular: str, caption: str, label: str) -> str:
    return "\n".join(
        [
            "\\begin{table}[htbp]",
            "\\centering",
            f"\\caption{{{escaped(caption)}}}",
            f"\\label{{tab:{slug(label)}}}",
            "\\smallskip",
            tabular,
            "\\end{table}",
        ]
    )


def _scores(rows: pd.DataFrame, view: View) -> str:
    shown = {name: SCORES[name] for name in ("accuracy", *SHOWN)}
    columns = put_first(shown, of_ranking(view.metric, rows)) | {name: COSTS[name] for name in OF_COSTS}
    lines = [_line(row, columns) for row in rows.to_dict("records")]
    return _tabular(["model", *columns], lines, "l" + "r" * len(columns))


def _line(row: Mapping[str, Any], columns: Mapping[str, Cell]) -> list[str]:
    marked = f"{row['label']}{ALIKE}" if ALIKE in rank(row) else row["label"]
    if row["status"] == "finished":
        return [marked, *(cell(row) for cell in columns.values())]
    return [marked, row["status"], *(UNKNOWN for _ in range(len(columns) - 1))]


def _tabular(headers: list[str], lines: list[list[str]], align: str) -> str:
    names = {"l": "left", "r": "right"}
    cells = [[" ".join(str(cell).split()) for cell in line] for line in lines]
    aligned = [names[letter] for letter in align]
    return _signs(tabulate(cells, headers, tablefmt="latex_booktabs", colalign=aligned, disable_numparse=True))


def _units(metric: str) -> str:
    besides = f", the {header(metric)} as it is" if metric in NO_SHARES else ""
    return f"Scores on the test images, in per cent{besides}."


def _caption(heading: str, rows: pd.DataFrame, notes: Iterable[str], view: View) -> str:
    sentences = [f"{heading}.", _units(view.metric), *notes, *_badges(rows)]
    if failed := [f"{row['label']} ({row['failed']})" for row in rows.to_dict("records") if row["failed"]]:
        sentences.append(f"Trials that failed or diverged, and are in no mean: {', '.join(failed)}.")
    return " ".join(sentences)


def _badges(rows: pd.DataFrame) -> list[str]:
    """The badges that all rows have, but for what the heading says already; and which rows others trained."""
    finished = [row for row in rows.to_dict("records") if row["status"] == "finished"]
    badges = [row["badges"].split(BETWEEN_BADGES) for row in finished]
    if not finished:
        return []
    told = {SYNTHETIC, *(part for row in finished for part in (row["protocol"], *row["split_notes"].split("; ")))}
    shared = [badge for badge in badges[0] if badge not in told and all(badge in of_row for of_row in badges)]
    said = [f"All rows: {', '.join(shared)}."] if shared else []
    if outside := [row["label"] for row, of_row in zip(finished, badges, strict=True) if EXTERNAL in of_row]:
        said.append(f"Trained by others: {', '.join(outside)}.")
    return said
