"""The leaderboard as Markdown and CSV; `to_terminal` stands in a file of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
from tabulate import tabulate

from fer_bench.core.text import plural
from fer_bench.leaderboard.filter import groups, summary
from fer_bench.leaderboard.leaderboard import SECTION, Board, View, machine_text, sections
from fer_bench.leaderboard.rows import LeftOut, Row
from fer_bench.report.columns import (
    COSTS,
    LEFT,
    SCORES,
    Cell,
    half_width,
    header,
    of_ranking,
    put_first,
    with_something,
)
from fer_bench.report.published_table import reported_table
from fer_bench.report.terminal import to_terminal

__all__ = ["to_csv", "to_markdown", "to_terminal"]

LEGEND = """\
Scores are in per cent on the test images (kappa from −1 to 1, the log loss in nats): mean over seeds, ± the standard \
deviation over seeds where there are several. The epoch was selected by validation accuracy; the test images were \
predicted once, afterwards. Macro averages weigh every class alike, weighted ones by its share of the test images; AUC \
is the macro mean of the one-vs-rest areas under the ROC curve; ECE is the expected calibration error (15 bins). The \
95 % interval of the {metric} covers the draw of the test images, not the noise of training, which ± shows. ≈ before \
the rank marks rows that cannot be told from the best. Badges: protocol, initial weights, views of each test image, \
seeds, the split that selected the epoch, precision, backend; what is remarkable about the split stands after the \
protocol. leaderboard.csv holds the same numbers as fractions and seconds, balanced accuracy and weighted AUC too."""

COST_LEGEND = """\
Training time is the wall-clock of training and validation over all epochs, without building, tracing, downloading or \
predicting (mean over seeds); to 60 %: the same until the validation accuracy was first 60 % (mean over trials, – \
where one never got there); images/s is training throughput; epochs are those run, best epoch the one kept."""
USE_LEGEND = """\
FLOPs are of one image; latency is that of a call with one image; predicted images/s is throughput at the stated \
batch; peak memory is the process's while the trial ran."""

TWINS = "Clean accuracy is that on the test images without a pixel-identical twin in another part of the data."
FOLDS = """\
Where there are several folds, all scores are of their predictions pooled; beside them stands the mean of the folds' \
own accuracies, ± the standard deviation over folds."""
RANKS = """\
Accuracies in per cent of the models that all of these tables have, and the mean of their ranks by accuracy (ties \
share the mean; Demšar 2006)."""


def to_csv(frame: pd.DataFrame) -> str:
    """The leaderboard as CSV text: raw numbers, a column for each of the frame's, the row's identity first."""
    return frame.to_csv(lineterminator="\n")


def to_markdown(board: Board) -> str:
    """leaderboard.md: a section for each dataset × protocol, then machines, failed trials and what was left out."""
    parts = ["# Leaderboard", " ".join(_legend(board)), *map(_plain, board.view.said)]
    for heading, _, section in sections(board.frame):
        parts += [f"## {heading}", *_tables(section, board.view), _resolution(section)]
        if notes := board.notes.get(tuple(section[SECTION].iloc[0])):
            parts.append("\n".join(f"- {_plain(note)}" for note in notes))
        if board.view.by is None:
            parts.append(_table(COSTS, section))
    parts += _ranks(board.ranks)
    parts += list(filter(None, [reported_table(board.frame)]))
    parts += _machines(board.rows.values())
    parts += _listed("Failed trials", _failures(board.rows.values()))
    parts += _listed("Left out", _left_out(board.left_out))
    return "\n\n".join(parts) + "\n"


def _legend(board: Board) -> list[str]:
    known = board.frame.columns[board.frame.notna().any()]
    interval = header(board.view.metric if f"{board.view.metric}_low" in known else "accuracy")
    further = {"clean_accuracy": TWINS, "fold_accuracy": FOLDS, "latency_p50_seconds": USE_LEGEND}
    return [LEGEND.format(metric=interval), COST_LEGEND, *(text for name, text in further.items() if name in known)]


def _tables(section: pd.DataFrame, view: View) -> list[str]:
    """Of scores; where rows are grouped a summary, then scores and costs of each group."""
    scores = put_first(SCORES, of_ranking(view.metric, section))
    if view.by is None:
        return [_table(scores, section, view.metric)]
    headers, lines = summary(section, view.by, view.metric)
    cells = [[_in_cell(cell) for cell in line] for line in lines]
    align = ["left", "right", "right", "left", "right", "right"]
    parts = [tabulate(cells, headers, tablefmt="pipe", colalign=align, disable_numparse=True)]
    for name, rows in groups(section):
        heading = f"### {headers[0]}: {_plain(name)}"
        parts += [heading, _table(scores, rows, view.metric), _table(COSTS, rows)]
    return parts


def _table(columns: dict[str, Cell], group: pd.DataFrame, metric: str = "") -> str:
    columns, rows = with_something(columns, group), group.to_dict("records")
    cells = [[_in_cell(cell(row)) for cell in columns.values()] for row in rows]
    if header(metric) in columns:
        for line, row in zip(cells, rows, strict=True):
            if row["status"] != "finished":
                reason = f"{row['status']}: {row['reason'] or 'no reason given'}"
                line[list(columns).index(header(metric))] = _in_cell(reason)
    align = ["left" if name in LEFT else "right" for name in columns]
    return tabulate(cells, list(columns), tablefmt="pipe", colalign=align, disable_numparse=True)


def _plain(text: str) -> str:
    """Text that stays on its line."""
    return " ".join(str(text).split())


def _in_cell(text: str) -> str:
    return _plain(text).replace("|", "\\|")


def _resolution(group: pd.DataFrame) -> str:
    """How far apart two accuracies must be before one test set can tell them apart."""
    scored = group.dropna(subset=["accuracy"])
    if scored.empty:
        return "No trial of this section has finished."
    images, half = half_width(scored)
    clean = scored["clean_test_images"].max() if "clean_test_images" in scored else images
    twins = f", {int(clean):,} of them clean" if 0 < clean < images else ""
    return (
        f"{plural(images, 'test image')}{twins}: at the best accuracy the 95 % binomial interval is ± {half:.2f} "
        "points, however many seeds; on its own, a smaller difference puts no two rows in order."
    )


def _ranks(ranks: pd.DataFrame) -> list[str]:
    if ranks.empty:
        return []
    sections = [name for name in ranks.columns if name != "average_rank"]
    lines = [
        [*map(_in_cell, model), *(f"{100 * row[name]:.2f}" for name in sections), f"{row['average_rank']:.2f}"]
        for model, row in zip(ranks.index, ranks.to_dict("records"), strict=True)
    ]
    headers = ["model", "recipe", "weights", "backend", *map(_in_cell, sections), "average rank"]
    align = ["left"] * 4 + ["right"] * (len(sections) + 1)
    table = tabulate(lines, headers, tablefmt="pipe", colalign=align, disable_numparse=True)
    return ["## Average ranks", RANKS, table]


def _machines(rows: Iterable[Row]) -> list[str]:
    trials: dict[str, int] = {}
    for record in (r for row in rows for r in row.records):
        text = machine_text(record.machine)
        trials[text] = trials.get(text, 0) + 1
    if len(trials) < 2:
        return ["## Machine", *map(_plain, trials)] if trials else []
    note = "Times of different machines cannot be compared; leaderboard.csv names each row's."
    return ["## Machines", note, "\n".join(f"- {_plain(text)} ({plural(n, 'trial')})" for text, n in trials.items())]


def _failures(rows: Iterable[Row]) -> list[str]:
    return [f"{r.trial}: {r.status}: {r.reason or 'no reason given'}" for row in rows for r in row.failed]


def _left_out(left_out: Sequence[LeftOut]) -> list[str]:
    return [f"{path.name}: {reason}" for path, reason in left_out]


def _listed(heading: str, lines: list[str]) -> list[str]:
    if not lines:
        return []
    return [f"## {heading} ({len(lines)})", "\n".join(f"- {_plain(line)}" for line in lines)]
