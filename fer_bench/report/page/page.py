"""The page of a leaderboard, as text."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from fer_bench.leaderboard.leaderboard import Board
from fer_bench.leaderboard.rows import SeedResult
from fer_bench.records.schema import Predictions
from fer_bench.records.store import UNREADABLE, StoredRecord, folder_of
from fer_bench.report.page.data import content
from fer_bench.report.page.render import render

TITLE = "FER leaderboard"


def leaderboard_page(board: Board, results_dir: Path) -> str:
    """One HTML page of a leaderboard whose records lie in that folder: it asks for nothing and works offline."""
    return render(TITLE, *content(board, partial(_test_predictions, results_dir)))


def _test_predictions(results_dir: Path, seed: SeedResult) -> Predictions | None:
    """Of all folds of a seed; None where they can no longer be read."""
    try:
        folds = [StoredRecord(r, folder_of(results_dir, r.trial)).predictions("test") for r in seed.records]
    except UNREADABLE:
        return None
    columns = ([getattr(fold, name) for fold in folds] for name in ("ids", "labels", "probabilities"))
    return Predictions(*(np.concatenate(column) for column in columns))
