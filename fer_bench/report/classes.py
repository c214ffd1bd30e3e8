"""One model class by class, from its recorded test predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from fer_bench.core.errors import UserError
from fer_bench.core.text import UNKNOWN, percent
from fer_bench.leaderboard.leaderboard import Board, sections
from fer_bench.leaderboard.rows import Row
from fer_bench.report.markdown import to_terminal
from fer_bench.report.write import read_board

AVERAGED = ("precision", "recall", "f1", "auc")


def show_classes(results_dir: Path, model: str, dataset: str | None, console: Console) -> None:
    """Print a trained model's leaderboard rows, then precision, recall, F1 and AUC of every class.

    Seeds are averaged; of a class without test images nothing is said. UserError where nothing has been recorded for
    that model.
    """
    board = read_board(results_dir)
    mine = board.frame[board.frame["model"] == model]
    if dataset:
        mine = mine[mine["dataset"] == dataset]
    if mine.empty:
        raise UserError(_nothing(board, results_dir, model, dataset))
    to_terminal(mine, console, board.left_out)
    for heading, _, group in sections(mine):
        for identity, row in group.iterrows():
            found = board.rows[str(identity)]
            if found.seeds:
                console.print(_class_table(f"{heading}: {row['label']}", found))


def _class_table(title: str, row: Row) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("class", "precision", "recall", "F1", "AUC", "test images"):
        table.add_column(column, justify="left" if column == "class" else "right")
    of_seeds = [seed.of_class for seed in row.seeds]
    means = {name: np.mean([getattr(one, name) for one in of_seeds], axis=0) for name in AVERAGED}
    for i, name in enumerate(row.seeds[0].records[0].classes):
        images = int(of_seeds[0].support[i])
        cells = (percent(values[i]) if images else UNKNOWN for values in means.values())
        table.add_row(name, *cells, f"{images:,}")
    return table


def _nothing(board: Board, results_dir: Path, model: str, dataset: str | None) -> str:
    there = ", ".join(sorted(set(board.frame["model"])))
    on = f" on {dataset}" if dataset else ""
    return f"Nothing is recorded for '{model}'{on} in {results_dir}; there are records of {there}."
