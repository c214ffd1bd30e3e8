"""The report of fixed records, compared as a whole with the files in `golden`.

After a deliberate change run `UPDATE_GOLDEN=1 pytest tests/report/test_golden.py`, and read the difference.
"""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_records import MACHINE, PUBLISHED, RecordMaker, exact, leaderboard_of, made_up, write_robustness
from rich.console import Console

from fer_bench.leaderboard.leaderboard import Leaderboard
from fer_bench.report import published_table
from fer_bench.report.latex import to_latex
from fer_bench.report.markdown import to_csv, to_markdown
from fer_bench.report.terminal import to_terminal

GOLDEN = Path(__file__).parent / "golden"


def fill(make: RecordMaker) -> None:
    """Make ties, failures, folds, duplicates, corruptions, changed recipes, two machines and an unreadable record."""
    changed = "default, dropout=0, augmentation.rotation=0, epochs=3"
    for seed in range(3):
        best = make("cnn", seed, accuracy=0.7)
        make("vgg19", seed, accuracy=0.5, weights="imagenet:0123", recipe_name=changed, recipe={"epochs": 3})
    write_robustness(best)
    unique = np.arange(300) % 10 > 0
    make(
        "mobilenet", accuracy=0.7, recipe_name="fast, epochs=4", test=replace(made_up(300, 0.7, 5), no_duplicate=unique)
    )
    make("mobilenet", 1, status="diverged", reason="the loss is NaN", recipe_name="fast, epochs=4")
    make("resnet50", status="failed", reason="out of memory | at\nstep 3", machine=MACHINE | {"cores": 64})
    note = "leaky: same subjects in training and test"
    for model, predicted in (("cnn", [0, 0, 0, 0, 0, 2]), ("vgg19", [1, 1, 2, 2, 2, 2])):
        for fold, test in enumerate((exact([0, 0], [0, 0]), exact([1, 1, 2, 2, 2, 2], predicted))):
            recipe = {"weights": "imagenet:0123", "recipe_name": changed} if model == "vgg19" else {}
            make(model, dataset="jaffe", protocol="image-kfold", fold=fold, test=test, split_notes=(note,), **recipe)
    (make.results / "records" / "broken").mkdir()


def golden_text(name: str, text: str) -> str:
    """Return the golden text; replace it first if UPDATE_GOLDEN is set."""
    file = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return file.read_text(encoding="utf-8")


@pytest.fixture
def leaderboard(make: RecordMaker, monkeypatch: pytest.MonkeyPatch) -> Leaderboard:
    monkeypatch.setattr(published_table, "published_results", lambda name: [PUBLISHED] if name == "fer2013" else [])
    fill(make)
    return leaderboard_of(make)


def test_markdown(leaderboard):
    text = to_markdown(leaderboard, "figures/ has everything.")
    assert text == golden_text("leaderboard.md", text)


def test_csv(leaderboard):
    """The last digits of numbers may differ between processors."""
    text = to_csv(leaderboard.frame)
    golden = golden_text("leaderboard.csv", text)
    assert text.splitlines()[0] == golden.splitlines()[0]
    frames = [pd.read_csv(io.StringIO(content), dtype={"row": str}) for content in (text, golden)]
    pd.testing.assert_frame_equal(*frames, rtol=1e-6)


def test_latex(leaderboard):
    text = to_latex(leaderboard)
    assert text == golden_text("leaderboard.tex", text)


def test_terminal(leaderboard):
    stream = io.StringIO()
    console = Console(file=stream, width=110, color_system=None)
    to_terminal(leaderboard.frame, console, leaderboard.skipped, leaderboard.options)
    text = "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())
    assert text == golden_text("terminal.txt", text)
