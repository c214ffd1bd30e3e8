"""The leaderboard as Markdown and CSV."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from fer_bench.core.text import one_line, percent, plural
from fer_bench.leaderboard.column import View
from fer_bench.leaderboard.columns import BY_KEY, TIME_TO_TARGET, columns_in
from fer_bench.leaderboard.filter import group_summary, split_groups
from fer_bench.leaderboard.leaderboard import Leaderboard, TableOptions, benchmark_versions, sections
from fer_bench.report.published_table import published_table
from fer_bench.report.tables import (
    DIFFERENT_MACHINES,
    NO_REASON,
    RANKS_LEGEND,
    half_width,
    link_to,
    markdown_table,
    records_of,
    table_columns,
    warning_lines,
)

LEGEND = """\
Scores are in percent on the test images, unless the list says otherwise. The epoch was selected by validation accuracy;
the test images were predicted once, afterwards. leaderboard.csv has the same numbers as fractions and seconds, and more
columns."""


def to_csv(frame: pd.DataFrame) -> str:
    """Return the leaderboard as CSV: raw numbers, one column per column of the frame, the row's id first.

    The time to a target that was missed is `not reached`.
    """
    times = [key for key in frame.columns if key.startswith(TIME_TO_TARGET)]
    missed = frame[times].astype(object).replace(math.inf, "not reached")
    return frame.assign(**missed).to_csv(lineterminator="\n")


def to_markdown(leaderboard: Leaderboard, figures_note: str = "", folder: Path | None = None) -> str:
    """Return leaderboard.md: a summary of each dataset and protocol, the full tables, and the legend at the end.

    Args:
        leaderboard: The leaderboard.
        figures_note: A sentence on the figures.
        folder: The folder of the file, to which links to kept models are relative; None for no links.
    """
    options, rows = leaderboard.options, list(leaderboard.rows.values())
    made_for = f"{benchmark_versions(leaderboard.frame).capitalize()}."
    parts = ["# Leaderboard", *([made_for] if rows else []), *map(one_line, options.notes)]
    for heading, _, section in sections(leaderboard.frame):
        notes = [*_resolution(section), *leaderboard.section_notes(section)]
        parts += [f"## {heading}", *_summaries(section, options), _bullets(notes)]
        if warnings := warning_lines(section):
            parts.append(f"Warnings, from checks of plausibility; nothing was corrected:\n\n{_bullets(warnings)}")
    parts += _average_ranks(leaderboard.ranks)
    parts.append("## Full tables")
    for heading, _, section in sections(leaderboard.frame):
        for group, group_rows in split_groups(section):
            name = f"{heading}, {options.group_by} {one_line(group)}" if group else heading
            parts += [f"### {name}", _table(View.SCORES, group_rows, options), _table(View.COSTS, group_rows, options)]
    parts += list(filter(None, [published_table(leaderboard.frame)]))
    parts += _models(leaderboard, folder) if folder else []
    parts += _machines(leaderboard)
    parts += _listed(
        "Failed trials", (f"{r.trial}: {r.status}: {r.reason or NO_REASON}" for x in rows for r in x.failed)
    )
    parts += _listed("Skipped records", (f"{path.name}: {reason}" for path, reason in leaderboard.skipped))
    parts += ["## Figures", figures_note] if figures_note else []
    return "\n\n".join([*parts, *_legend(leaderboard)]) + "\n"


def _summaries(section: pd.DataFrame, options: TableOptions) -> Iterator[str]:
    """Yield the summary table of a section; of groups, a table of the groups and a summary table of each."""
    if options.group_by is not None:
        yield markdown_table(*group_summary(section, options.group_by, options.metric))
    for group, rows in split_groups(section):
        if group:
            yield f"### {options.group_by}: {one_line(group)}"
        yield _table(View.SUMMARY, rows, options)
        if changes := _recipe_changes(rows):
            yield f"Settings that differ from the named recipe:\n\n{_bullets(changes)}"


def _recipe_changes(rows: pd.DataFrame) -> list[str]:
    """Return the changes that short names of recipes omit, each once, with the models that were trained with them."""
    models: dict[tuple[str, str], list[str]] = {}
    for row in records_of(rows):
        if row["recipe_changes"]:
            models.setdefault((row["short_recipe"], row["recipe_changes"]), []).append(row["model"])
    return [f"{recipe} ({', '.join(dict.fromkeys(names))}): {text}" for (recipe, text), names in models.items()]


def _table(view: View, rows: pd.DataFrame, options: TableOptions) -> str:
    """Return a table; a row without a score has its status, in full tables also the reason, in place of the metric."""
    columns, lines = table_columns(view, rows, options.metric), []
    for row in records_of(rows):
        cells = {column.key: column.cell(row) for column in columns}
        if row["status"] != "finished" and options.metric in cells:
            reason = f": {row['reason'] or NO_REASON}" if view is View.SCORES else ""
            cells[options.metric] = f"{row['status']}{reason}"
        lines.append(cells.values())
    return markdown_table([(column.title, column.align) for column in columns], lines)


def _resolution(section: pd.DataFrame) -> list[str]:
    """Return a sentence on how far apart two accuracies must be before one test set can distinguish them."""
    scored = section.dropna(subset=["accuracy"])
    if scored.empty:
        return ["No trial of this section has finished."]
    images, half = half_width(scored)
    dedup = scored["dedup_test_images"].max() if "dedup_test_images" in scored else images
    duplicates = f", {int(dedup):,} of them without a duplicate in another split" if 0 < dedup < images else ""
    return [
        f"{plural(images, 'test image')}{duplicates}: at the best accuracy the 95 % binomial interval is "
        f"± {half:.2f} points, however many seeds."
    ]


def _average_ranks(ranks: pd.DataFrame) -> list[str]:
    if ranks.empty:
        return []
    *names, average = map(str, ranks.columns)
    columns = [(name, "left") for name in ("model", "recipe", "weights", "backend")]
    columns += [(name, "right") for name in (*names, "average rank")]
    lines = [
        [*model, *(percent(row[name]) for name in names), f"{row[average]:.2f}"]
        for model, row in zip(ranks.index, records_of(ranks), strict=True)
    ]
    return ["## Average ranks", RANKS_LEGEND, markdown_table(columns, lines)]


def _models(leaderboard: Leaderboard, folder: Path) -> list[str]:
    """Return links to the kept models, by section and row."""
    lines = []
    for heading, _, section in sections(leaderboard.frame):
        for row_id, label in section["label"].items():
            if file := leaderboard.rows[str(row_id)].model_file:
                lines.append(f"[{one_line(label)}]({link_to(file, folder)}), {heading}")
    note = "The model of the seed and fold with the best validation accuracy; `predict`, `explain` and `export` use it."
    return ["## Models", note, _bullets(lines)] if lines else []


def _machines(leaderboard: Leaderboard) -> list[str]:
    if len(leaderboard.machines) < 2:
        return ["## Machine", *map(one_line, leaderboard.machines)] if leaderboard.machines else []
    lines = (f"{number}. {one_line(text)} ({plural(n, 'trial')})" for number, text, n in leaderboard.count_machines())
    return ["## Machines", DIFFERENT_MACHINES, "\n".join(lines)]


def _listed(heading: str, lines: Iterable[str]) -> list[str]:
    lines = list(lines)
    return [f"## {heading} ({len(lines)})", _bullets(lines)] if lines else []


def _legend(leaderboard: Leaderboard) -> list[str]:
    """Return the explanation of every column that a table shows."""
    metric, shown = BY_KEY[leaderboard.options.metric], set()
    for _, _, section in sections(leaderboard.frame):
        for view in (View.SUMMARY, View.SCORES, View.COSTS):
            shown |= {column.key for column in table_columns(view, section, metric.key)}
    columns = [*columns_in(View.SUMMARY | View.SCORES | View.COSTS, leaderboard.frame.columns), metric]
    lines = [f"**{column.title}**: {column.help}" for column in dict.fromkeys(columns) if column.key in shown]
    if f"{metric.key}_interval" in shown:
        interval = BY_KEY["interval"]
        lines.append(f"**{interval.title}**: {interval.help}")
    return ["## Legend", one_line(LEGEND), _bullets(lines)]


def _bullets(lines: Iterable[str]) -> str:
    return "\n".join(f"- {one_line(line)}" for line in lines)
