"""The terminal's tables at different widths; a golden file shows the whole."""

import io

import pytest
from made_up_records import exact, leaderboard_of
from rich.console import Console

from fer_bench.leaderboard.filter import group_rows
from fer_bench.leaderboard.ranking import rank_by
from fer_bench.records import load
from fer_bench.report.terminal import to_terminal


def printed(leaderboard, width: int) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None)
    to_terminal(leaderboard.frame, console, leaderboard.skipped, leaderboard.options)
    return stream.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_tables_fit_and_names_stay_whole(make, width):
    for seed in (0, 1):
        for model in ("resnet50_lstm_attention", "cnn"):
            make(model, seed=seed, weights="imagenet:01", seconds=5000)
    make("vgg19", status="failed", reason="out of memory [64, 48]")
    text = printed(leaderboard_of(make), width)
    assert max(map(len, text.splitlines())) <= width
    assert "resnet50_lstm_attention" in text and "±" in text
    assert "vgg19: 1 failed trial: out of memory [64, 48]" in text


def test_a_hundred_columns_are_enough_for_the_essentials(make):
    for seed in (0, 1):
        make("resnet50_lstm_attention", seed=seed, weights="imagenet:01", seconds=5000, parameters=138_357_544)
    text = printed(leaderboard_of(make), 100)
    titles = ("model", "weights", "seeds", "accuracy", "F1", "AUC", "params", "time", "images")
    assert all(title in text for title in titles)


def test_recipes_are_shown_only_if_they_distinguish_rows(make):
    make()
    assert "recipe" not in printed(leaderboard_of(make), 100)
    make(recipe={"epochs": 20})
    assert "default (epochs=20)" in printed(leaderboard_of(make), 100)


def test_changes_that_all_rows_share_are_not_shown(make):
    make("vgg16", recipe_name="frozen, epochs=3")
    make("cnn", recipe_name="frozen, epochs=3")
    text = printed(leaderboard_of(make), 200)
    assert "frozen" in text and "epochs=3" not in text


def test_the_ranking_metric_is_the_first_score_and_the_last_to_be_dropped(make):
    make("cnn")
    make("vgg19", accuracy=0.3)
    leaderboard = group_rows(rank_by(leaderboard_of(make), "kappa", load(make.results)), "model")
    wide, narrow = printed(leaderboard, 200), printed(leaderboard, 45)
    header = next(line for line in wide.splitlines() if line.startswith("#"))
    assert header.index("kappa") < header.index("95 % interval") < header.index("accuracy")
    assert "kappa" in narrow and "macro" not in narrow and "best kappa" in wide


def test_synthetic_data_and_skipped_records_are_named(make):
    make(dataset="synthetic")
    (make.results / "records" / "broken").mkdir()
    text = printed(leaderboard_of(make), 100)
    assert "synthetic (drawn faces, not a benchmark result)" in text and "broken: record.json" in text


def test_many_warnings_are_counted(make):
    for seed in range(14):
        make("constant", seed, test=exact([0, 1, 2] * (20 + seed), [2] * 3 * (20 + seed)))
    text = printed(leaderboard_of(make), 100)
    assert text.count("Warning: constant: Seed") == 10 and "4 more warnings in leaderboard.md." in text
