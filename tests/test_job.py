"""What a sweep says when it has ended."""

from io import StringIO
from types import SimpleNamespace

import pandas as pd
import pytest
from rich.console import Console

from fer_bench import job
from fer_bench.report.leaderboard import Board
from fer_bench.report.write import MOST_DRAWN


@pytest.mark.parametrize("more", [0, 1])
def test_rows_without_pictures_of_their_own_are_told_of(tmp_path, monkeypatch, more):
    rows = MOST_DRAWN + more
    section = {"dataset": "fer2013", "protocol": "official", "fingerprint": "f"}
    board = Board(pd.DataFrame([section | {"rank": place} for place in range(1, rows + 1)]), {}, [])
    monkeypatch.setattr(job, "read_board", lambda results: board)
    monkeypatch.setattr(job, "write_board", lambda *of: [])
    monkeypatch.setattr(job, "to_terminal", lambda *of: None)
    stream = StringIO()
    assert job._report(SimpleNamespace(trials=[]), tmp_path, Console(file=stream, width=500)) == 0
    said = f"training curves in figures/ are of {MOST_DRAWN} of the {rows} rows"
    assert (said in stream.getvalue()) == bool(more)
