"""Markdown, CSV and terminal tables."""

import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_records import MACHINE, exact
from rich.console import Console

from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.records import load
from fer_bench.report.markdown import to_csv, to_markdown
from fer_bench.report.terminal import to_terminal

REQUIRED = (
    *("accuracy", "95 % interval", "top-2 accuracy", "kappa", "log loss", "ECE"),
    *("macro precision", "macro recall", "macro F1"),
    *("weighted precision", "weighted recall", "weighted F1", "macro AUC"),
    *("parameters", "training time", "images/s", "badges", "seeds", "failed", "validation accuracy"),
)


def board_of(make):
    records = load(make.results)
    return compute_leaderboard(records, records.skipped)


def printed(make, width: int) -> str:
    found, stream = board_of(make), io.StringIO()
    to_terminal(found.frame, Console(file=stream, width=width, color_system=None), found.skipped)
    return stream.getvalue()


def test_markdown_has_every_required_column_and_a_section_for_each_dataset(make):
    make("cnn", seed=0)
    make("cnn", seed=1)
    make("vgg19", dataset="synthetic")
    text = to_markdown(board_of(make))
    headers = [line for line in text.splitlines() if line.startswith("|   rank")]
    scores, costs = ([cell.strip() for cell in header.strip("|").split("|")] for header in headers[:2])
    assert set(REQUIRED) <= {*scores, *costs}
    assert "## fer2013, protocol official\n" in text
    assert "## synthetic (drawn faces, not a benchmark result), protocol official\n" in text
    assert "300 test images: at the best accuracy the 95 % binomial interval is ± 5." in text
    assert "Example CPU, 2 cores" in text
    row = next(line for line in text.splitlines() if line.startswith("|      1 | cnn"))
    assert row.count("±") == 13  # twelve test scores and the validation accuracy
    assert row.count("|") == len(scores) + 1


def test_markdown_shows_failures_and_what_was_left_out(make):
    make("cnn")
    make("vgg19", status="failed", reason="out of memory | at\nstep 3")
    (make.results / "records" / "broken").mkdir()
    text = to_markdown(board_of(make))
    line = next(line for line in text.splitlines() if "| vgg19" in line)
    assert "failed: out of memory \\| at step 3" in line
    assert "## Failed trials (1)\n\n- vgg19 on fer2013 (official, seed 0): failed: out of memory | at step 3" in text
    assert "## Left out (1)\n\n- broken: record.json cannot be read" in text


def test_markdown_of_failed_trials_alone(make):
    make(status="failed", reason="out of memory")
    assert "No trial of this section has finished." in to_markdown(board_of(make))


def test_markdown_names_several_machines(make):
    make(seed=0)
    make(seed=1, machine=MACHINE | {"cores": 64})
    text = to_markdown(board_of(make))
    assert "## Machines" in text
    assert "64 cores" in text


def test_changed_data_under_one_name_is_headed_apart(make):
    make("a")
    make("b", fingerprint="0123456789ab")
    text = to_markdown(board_of(make))
    assert "(data 01234567)" in text
    assert "(data ffffffff)" in text


def test_csv_reads_back_as_numbers(make):
    make("cnn", seed=0)
    make("cnn", seed=1)
    make("vgg19", status="failed", reason="a, b")
    found = board_of(make)
    read = pd.read_csv(io.StringIO(to_csv(found.frame)))
    names = ("accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_precision", "weighted_recall")
    spread = [f"{n}{end}" for n in (*names, "weighted_f1", "macro_auc", "validation_accuracy") for end in ("", "_sd")]
    others = ("parameters", "training_seconds", "images_per_second", "epochs", "best_epoch", "badges", "status")
    more = ("balanced_accuracy", "weighted_auc", "kappa", "top2_accuracy", "log_loss", "ece", "seconds_to_60")
    assert {*spread, *others, *more, "accuracy_low", "accuracy_high", "tied"} <= set(read.columns)
    assert read["accuracy"][0] == pytest.approx(found.frame["accuracy"].iloc[0], abs=1e-12)
    assert read["reason"][1] == "a, b"


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_the_terminal_table_fits_and_keeps_names_whole(make, width):
    for seed in (0, 1):
        for model in ("resnet50_lstm_attention", "cnn"):
            make(model, seed=seed, weights="imagenet:01", seconds=5000)
    make("vgg19", status="failed", reason="out of memory [64, 48]")
    text = printed(make, width)
    assert max(map(len, text.splitlines())) <= width
    assert "resnet50_lstm_attention" in text
    assert "±" in text
    assert "vgg19: 1 failed trial: out of memory [64, 48]" in text


def test_a_hundred_columns_show_all_essentials_of_one_recipe(make):
    for seed in (0, 1):
        make("resnet50_lstm_attention", seed=seed, weights="imagenet:01", seconds=5000, parameters=138_357_544)
    text = printed(make, 100)
    for header in ("model", "weights", "seeds", "accuracy", "AUC", "params", "time", "images"):
        assert header in text
    assert text.count("F1") == 2


def test_the_terminal_names_recipes_only_where_there_are_several(make):
    make()
    assert "recipe" not in printed(make, 100)
    make(recipe={"epochs": 20})
    text = printed(make, 100)
    assert "recipe" in text
    assert "default (epochs=20)" in text


def test_the_terminal_says_what_was_left_out_and_what_is_synthetic(make):
    make(dataset="synthetic")
    (make.results / "records" / "broken").mkdir()
    text = printed(make, 100)
    assert "synthetic (drawn faces, not a benchmark result)" in text
    assert "broken: record.json cannot be read" in text


def test_rows_like_the_best_are_marked(make):
    for seed, (model, accuracy) in enumerate({"best": 0.70, "near": 0.66, "poor": 0.3}.items()):
        make(model, seed=seed, accuracy=accuracy)
    text, wide = to_markdown(board_of(make)), printed(make, 200)
    lines = [[cell.strip() for cell in line.split("|")] for line in text.splitlines()]
    marked = [line[2] for line in lines if line[1:2] == ["≈ 2"]]
    assert marked == ["near", "near"]  # in the table of scores and in that of costs
    assert "≈ 2 near" in wide and "≈ cannot be told from the best" in wide
    assert "≈ 1" not in text + wide and "≈ 3" not in text + wide


def test_folds_are_told_pooled_and_one_by_one(make):
    make(dataset="jaffe", protocol="loso", fold=0, test=exact([0, 0], [0, 0]))
    make(dataset="jaffe", protocol="loso", fold=1, test=exact([1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 2]))
    text = to_markdown(board_of(make))
    header, _, row = [line for line in text.splitlines() if line.startswith("|")][:3]
    cells = dict(zip(*([cell.strip() for cell in line.split("|")] for line in (header, row)), strict=True))
    assert cells["accuracy"] == "37.50"
    assert cells["mean of folds"] == "58.33 ± 58.93"
    assert "of their predictions pooled" in text
    make(dataset="a")
    assert "mean of folds" not in to_markdown(board_of(make)).split("\n## ")[1]


def test_the_terminal_names_a_recipe_that_is_not_each_models_own(make):
    make("vgg16", recipe_name="frozen, epochs=3")
    make("cnn", recipe_name="frozen, epochs=3")
    console = Console(width=200, record=True, file=io.StringIO())
    to_terminal(compute_leaderboard(load(make.results)).frame, console)
    text = console.export_text()
    assert "frozen" in text and "epochs=3" not in text  # what all rows share tells none apart


def test_the_clean_accuracy_has_a_column_where_there_are_twins_alone(make):
    twins = exact([0, 1, 2, 0], [0, 1, 2, 1])
    make(protocol="official-dedup", test=replace(twins, clean=np.array([True, True, False, True])))
    make(dataset="jaffe")
    text = to_markdown(board_of(make))
    first, second = text.split("\n## ")[1:3]
    assert "| clean accuracy |" in " ".join(first.split()) and "4 test images, 3 of them clean: at" in first
    assert "clean" not in second
    assert "without a pixel-identical twin" in text.split("\n## ")[0]
    assert "66.67" in first
    assert "clean" in printed(make, 200) and "clean" not in printed(make, 60).partition("jaffe")[2]
    assert "dedup_accuracy" in to_csv(board_of(make).frame)
