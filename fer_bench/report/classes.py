"""One model class by class, from its recorded test predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from fer_bench.errors import UserError
from fer_bench.report.formatting import percent
from fer_bench.report.leaderboard import Board, sections
from fer_bench.report.rows import Row
from fer_bench.report.tables import to_terminal
from fer_bench.report.write import read_board


def show_classes(results_dir: Path, model: str, dataset: str | None, console: Console) -> None:
    """Print a trained model's leaderboard rows, then precision, recall and F1 of every class.

    Seeds are averaged. UserError where nothing has been recorded for that model.
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
    for column in ("class", "precision", "recall", "F1", "test images"):
        table.add_column(column, justify="left" if column == "class" else "right")
    counts = np.stack([seed.confusion for seed in row.seeds])
    precision, recall, f1 = per_class(counts)
    for i, name in enumerate(row.seeds[0].records[0].classes):
        cells = (percent(float(values[:, i].mean())) for values in (precision, recall, f1))
        table.add_row(name, *cells, f"{counts[0, i].sum():,}")
    return table


def per_class(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision, recall and F1 of each class from confusion counts (…, true, predicted); 0 where undefined."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1).astype(float)
    predicted, true = counts.sum(axis=-2), counts.sum(axis=-1)
    return _ratio(hits, predicted), _ratio(hits, true), _ratio(2 * hits, predicted + true)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _nothing(board: Board, results_dir: Path, model: str, dataset: str | None) -> str:
    there = ", ".join(sorted(set(board.frame["model"])))
    on = f" on {dataset}" if dataset else ""
    return f"Nothing is recorded for '{model}'{on} in {results_dir}; there are records of {there}."
