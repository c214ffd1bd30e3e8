"""The scores of one model by class, from its recorded test predictions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from fer_bench.core.errors import UserError
from fer_bench.core.text import UNKNOWN, percent, same_spelling
from fer_bench.leaderboard.leaderboard import sections
from fer_bench.leaderboard.rows import LeaderboardRow
from fer_bench.report.terminal import to_terminal
from fer_bench.report.write import read_leaderboard

SCORES = ("precision", "recall", "f1", "auc")


def print_classes(results_dir: Path, model: str, dataset: str | None, console: Console) -> None:
    """Print a model's leaderboard rows, then precision, recall, F1 and AUC of every class, mean over seeds.

    Args:
        results_dir: The results folder.
        model: The architecture, or the name of an external model.
        dataset: Only this dataset; None for all.
        console: Where to print.

    Raises:
        UserError: There are no records of the model.
    """
    leaderboard = read_leaderboard(results_dir)
    frame = leaderboard.frame
    frame = frame[frame["model"].isin(same_spelling(model, set(frame["model"])))]
    if dataset:
        frame = frame[frame["dataset"].isin(same_spelling(dataset, set(frame["dataset"])))]
    if frame.empty:
        models = ", ".join(sorted(set(leaderboard.frame["model"])))
        on = f" on {dataset}" if dataset else ""
        raise UserError(f"There are no records of '{model}'{on} in {results_dir}; there are records of {models}.")
    to_terminal(frame, console, leaderboard.skipped)
    for heading, _, section in sections(frame):
        for row_id, label in section["label"].items():
            row = leaderboard.rows[str(row_id)]
            if row.seeds:
                console.print(_class_table(f"{heading}: {label}", row))
                for note in row.model_notes:
                    console.print(f"  {note}", markup=False, highlight=False)


def _class_table(title: str, row: LeaderboardRow) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in ("class", "precision", "recall", "F1", "AUC", "test images"):
        table.add_column(column, justify="left" if column == "class" else "right")
    by_seed = [seed.per_class for seed in row.seeds]
    means = [np.mean([getattr(per_class, name) for per_class in by_seed], axis=0) for name in SCORES]
    for i, name in enumerate(row.seeds[0].records[0].classes):
        images = int(by_seed[0].support[i])
        table.add_row(name, *(percent(values[i]) if images else UNKNOWN for values in means), f"{images:,}")
    return table
