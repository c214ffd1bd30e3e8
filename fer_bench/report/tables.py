"""The leaderboard as Markdown, CSV and terminal tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from tabulate import tabulate

from fer_bench.evaluation.metrics import accuracy_half_width
from fer_bench.report.formatting import UNKNOWN, duration, mean_count, millions, percent, rate
from fer_bench.report.leaderboard import Board, machine_text, plural, sections, told_apart
from fer_bench.report.rows import LeftOut, Row

Cell = Callable[[pd.Series], str]


def _score(name: str, spread: bool = True) -> Cell:
    return lambda row: percent(row[name], row[f"{name}_sd"] if spread else float("nan"))


def _recipe(row: pd.Series) -> str:
    return f"{row['recipe']} ({row['variant']})" if row["variant"] else row["recipe"]


def _rank(row: pd.Series) -> str:
    return UNKNOWN if pd.isna(row["rank"]) else str(row["rank"])


COLUMNS: dict[str, Cell] = {
    "rank": _rank,
    "model": lambda row: row["model"],
    "recipe": _recipe,
    "weights": lambda row: row["weights"],
    "seeds": lambda row: str(row["seeds"]),
    "failed": lambda row: str(row["failed"]),
    "accuracy": _score("accuracy"),
    "clean accuracy": _score("clean_accuracy"),
    "validation accuracy": _score("validation_accuracy"),
    "macro precision": _score("macro_precision"),
    "macro recall": _score("macro_recall"),
    "macro F1": _score("macro_f1"),
    "weighted precision": _score("weighted_precision"),
    "weighted recall": _score("weighted_recall"),
    "weighted F1": _score("weighted_f1"),
    "macro AUC": _score("macro_auc"),
    "parameters": lambda row: millions(row["parameters"]),
    "training time": lambda row: duration(row["training_seconds"]),
    "images/s": lambda row: rate(row["images_per_second"]),
    "epochs": lambda row: mean_count(row["epochs"]),
    "best epoch": lambda row: mean_count(row["best_epoch"]),
    "badges": lambda row: row["badges"],
}
LEFT = {"model", "recipe", "weights", "badges"}

# In the terminal: the columns shown, how they are shortened for a narrow one, and in which order they then go.
TERMINAL: dict[str, tuple[str, Cell]] = {
    "rank": ("#", _rank),
    "model": ("model", COLUMNS["model"]),
    "recipe": ("recipe", _recipe),
    "weights": ("weights", COLUMNS["weights"]),
    "seeds": ("seeds", COLUMNS["seeds"]),
    "accuracy": ("accuracy", COLUMNS["accuracy"]),
    "clean accuracy": ("clean accuracy", COLUMNS["clean accuracy"]),
    "macro F1": ("macro F1", COLUMNS["macro F1"]),
    "weighted F1": ("weighted F1", COLUMNS["weighted F1"]),
    "macro AUC": ("AUC", COLUMNS["macro AUC"]),
    "parameters": ("params", COLUMNS["parameters"]),
    "training time": ("time", COLUMNS["training time"]),
    "images/s": ("images/s", COLUMNS["images/s"]),
}
SHORTER: dict[str, tuple[str, Cell]] = {
    "clean accuracy": ("clean\nacc.", _score("clean_accuracy", spread=False)),
    "macro F1": ("macro\nF1", _score("macro_f1", spread=False)),
    "weighted F1": ("wtd.\nF1", _score("weighted_f1", spread=False)),
    "macro AUC": ("AUC", _score("macro_auc", spread=False)),
    "images/s": ("images\n/s", COLUMNS["images/s"]),
}
DISPENSABLE = (
    *("weighted F1", "parameters", "macro AUC", "images/s", "weights", "seeds", "macro F1", "clean accuracy"),
    "training time",
)

LEGEND = """\
Scores are in per cent on the test images: mean over seeds, ± the standard deviation over seeds where there are \
several. The epoch was selected by validation accuracy; the test images were predicted once, afterwards. Macro \
averages weigh every class alike, weighted ones by its share of the test images; AUC is the macro mean of the \
one-vs-rest areas under the ROC curve. Training time is the wall-clock of training and validation over all epochs, \
without building, tracing, downloading or predicting (mean over seeds); images/s is training throughput; epochs are \
those run, best epoch the one kept. Badges: protocol, initial weights, views of each test image, seeds, the split that \
selected the epoch, precision, backend; what is remarkable about the split stands after the protocol. leaderboard.csv \
holds the same numbers as fractions and seconds."""

TWINS = "Clean accuracy is that on the test images without a pixel-identical twin in another part of the data."


def to_csv(frame: pd.DataFrame) -> str:
    """The leaderboard as CSV text: raw numbers, a column for each of the frame's, the row's identity first."""
    return frame.to_csv(lineterminator="\n")


def to_markdown(board: Board) -> str:
    """leaderboard.md: a section for each dataset × protocol, then machines, failed trials and what was left out."""
    parts = ["# Leaderboard", f"{LEGEND} {TWINS}" if "clean_accuracy" in board.frame else LEGEND]
    for heading, _, group in sections(board.frame):
        parts += [f"## {heading}", _markdown_table(group), _resolution(group)]
    parts += _machines(board.rows.values())
    parts += _listed("Failed trials", _failures(board.rows.values()))
    parts += _listed("Left out", _left_out(board.left_out))
    return "\n\n".join(parts) + "\n"


def _markdown_table(group: pd.DataFrame) -> str:
    columns = _with_something(COLUMNS, group)
    cells = [[_in_cell(cell(row)) for cell in columns.values()] for _, row in group.iterrows()]
    for line, (_, row) in zip(cells, group.iterrows(), strict=True):
        if row["status"] != "finished":
            line[list(columns).index("accuracy")] = _in_cell(f"{row['status']}: {row['reason'] or 'no reason given'}")
    align = ["left" if name in LEFT else "right" for name in columns]
    return tabulate(cells, list(columns), tablefmt="pipe", colalign=align, disable_numparse=True)


def _with_something(columns: dict[str, Any], group: pd.DataFrame) -> dict[str, Any]:
    """The columns without that of the clean part, where no row of the section has one."""
    if "clean_accuracy" in group and group["clean_accuracy"].notna().any():
        return columns
    return {name: column for name, column in columns.items() if name != "clean accuracy"}


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
    images, half = _half_width(scored)
    clean = scored["clean_test_images"].max() if "clean_test_images" in scored else images
    twins = f", {int(clean):,} of them clean" if 0 < clean < images else ""
    return (
        f"{plural(images, 'test image')}{twins}: at the best accuracy the 95 % binomial interval is ± {half:.2f} "
        "points, however many seeds; on its own, a smaller difference puts no two rows in order."
    )


def _half_width(scored: pd.DataFrame) -> tuple[int, float]:
    """The number of test images, and half the 95 % interval of the best accuracy in points."""
    images = int(scored["test_images"].max())
    return images, 100 * accuracy_half_width(scored["accuracy"].max(), images)


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


def to_terminal(frame: pd.DataFrame, console: Console, left_out: Sequence[LeftOut] = ()) -> None:
    """Print a table for each dataset × protocol, with as many of its columns as the console is wide."""
    for heading, _, group in sections(frame):
        console.print(_fitting(heading, group, console))
        for _, row in group[group["failed"] > 0].iterrows():
            failed = plural(row["failed"], "failed trial")
            console.print(_plain(f"{row['label']}: {failed}: {row['reason'] or 'no reason given'}"), markup=False)
        scored = group.dropna(subset=["accuracy"])
        if not scored.empty:
            images, half = _half_width(scored)
            console.print(f"{plural(images, 'test image')}: 95 % interval ± {half:.2f} points", style="dim")
        console.print()
    if left_out:
        console.print(f"Left out, since they cannot be read ({len(left_out)}):")
        for line in _left_out(left_out):
            console.print(f"  {line}", markup=False)


def _fitting(heading: str, group: pd.DataFrame, console: Console) -> Table:
    columns = _with_something(TERMINAL, group)
    names = group["recipe"].str.partition(",")[0]
    if not group["model"].duplicated().any() and (names == "default").all():
        # Nothing to be told apart by it; the files have it all the same.
        columns = {name: column for name, column in columns.items() if name != "recipe"}
    group = group.assign(recipe=group["recipe"].map(told_apart(group["recipe"])))
    for fewer in _ever_fewer(columns):
        table = _table(heading, group, fewer)
        if _width(table, console) <= console.width:
            break
    return table


def _ever_fewer(columns: dict[str, tuple[str, Cell]]) -> Iterator[dict[str, tuple[str, Cell]]]:
    """The columns, then the same with one more shortened at each step, then with one more left away."""
    yield columns
    for name, short in SHORTER.items():
        if name in columns:
            columns = columns | {name: short}
            yield columns
    for name in DISPENSABLE:
        columns = {key: column for key, column in columns.items() if key != name}
        yield columns


def _width(table: Table, console: Console) -> int:
    return console.measure(table, options=console.options.update(width=10_000, max_width=10_000)).maximum


def _table(heading: str, group: pd.DataFrame, columns: dict[str, tuple[str, Cell]]) -> Table:
    table = Table(title=heading, title_justify="left", box=None, padding=(0, 1, 0, 0), header_style="bold")
    for name, (header, _) in columns.items():
        justify = "left" if name in LEFT else "right"
        table.add_column(header, justify=justify, overflow="fold", vertical="top")
    for _, row in group.iterrows():
        cells = {name: escape(cell(row)) for name, (_, cell) in columns.items()}
        if row["status"] != "finished":
            cells["accuracy"] = f"[red]{row['status']}[/red]"
        table.add_row(*cells.values(), style="bold" if cells["rank"] == "1" else None)
    return table
