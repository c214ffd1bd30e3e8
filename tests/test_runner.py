"""What a sweep says when it has ended."""

import gc
import weakref
from io import StringIO
from types import SimpleNamespace

import pandas as pd
import pytest
from rich.console import Console

from fer_bench import runner
from fer_bench.leaderboard.leaderboard import Board
from fer_bench.records import Records
from fer_bench.records.schema import Record
from fer_bench.records.store import StoredRecord
from fer_bench.report.write import MOST_DRAWN
from fer_bench.sweep.options import Manner
from fer_bench.sweep.plan import PlannedTrial


@pytest.mark.parametrize("more", [0, 1])
def test_rows_without_pictures_of_their_own_are_told_of(tmp_path, monkeypatch, more):
    rows = MOST_DRAWN + more
    section = {"dataset": "fer2013", "protocol": "official", "fingerprint": "f"}
    board = Board(pd.DataFrame([section | {"rank": place} for place in range(1, rows + 1)]), {}, [])
    monkeypatch.setattr(runner, "read_board", lambda results: board)
    monkeypatch.setattr(runner, "write_board", lambda *of: [])
    monkeypatch.setattr(runner, "to_terminal", lambda *of: None)
    stream = StringIO()
    assert runner._report(SimpleNamespace(trials=[]), tmp_path, Console(file=stream, width=500)) == 0
    said = f"training curves in figures/ are of {MOST_DRAWN} of the {rows} rows"
    assert (said in stream.getvalue()) == bool(more)


def test_what_was_recorded_is_not_kept_while_trials_run(tmp_path, monkeypatch, trial_of):
    trial = trial_of("cnn")
    known = {"trial": trial, "status": "failed", "started": "2025-01-01T00:00:00+00:00", "samples": {}}
    seen = []

    def load(results):
        stored = StoredRecord(Record(**known, machine={}, classes=["no", "yes"]), tmp_path)
        seen.append(weakref.ref(stored))
        return Records({trial.key: stored})

    monkeypatch.setattr(runner.records, "load", load)
    plan = SimpleNamespace(trials=[PlannedTrial(trial, None, None, None)])
    monkeypatch.setattr("fer_bench.sweep.options.check_importable", lambda names: None)
    manner = Manner(retry_failed=True, executor="in-process")
    left, ground = runner._left(plan, tmp_path, manner, lambda: None)
    gc.collect()
    assert left.missing == plan.trials
    assert seen[0]() is None and ground.estimator is not None
