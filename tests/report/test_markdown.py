"""Markdown and CSV; the golden files show the whole."""

import io
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_up_records import MACHINE, exact, leaderboard_of

from fer_bench.leaderboard.columns import COLUMNS
from fer_bench.leaderboard.filter import filter_rows
from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.leaderboard.ranking import rank_by
from fer_bench.records import load
from fer_bench.report.markdown import to_csv, to_markdown


def tables(text: str) -> list[list[dict[str, str]]]:
    """Return the lines of each table, as cells by header."""
    found = []
    for block in text.split("\n\n"):
        if block.startswith("|"):
            header, _, *lines = ([c.strip() for c in line[1:].split(" |")[:-1]] for line in block.splitlines())
            found.append([dict(zip(header, line, strict=True)) for line in lines])
    return found


def test_the_first_table_is_a_summary_and_the_legend_is_last(make):
    make()
    text = to_markdown(leaderboard_of(make), "A note on figures.")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings[0] == "## fer2013, protocol official" and headings[1] == "## Full tables"
    assert headings[-2:] == ["## Figures", "## Legend"]
    assert len(text.split("|", 1)[0]) < 100
    assert list(tables(text)[0][0]) == [
        *("rank", "model", "recipe", "accuracy", "95 % interval", "macro F1", "macro AUC", "parameters"),
        "training time",
    ]


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "kappa", "ece"])
def test_the_legend_explains_every_column_once(make, metric):
    make()
    text = to_markdown(rank_by(leaderboard_of(make), metric, load(make.results)))
    legend = text.split("## Legend")[1]
    headers = {header for table in tables(text.split("## Published")[0]) for line in table for header in line}
    assert {header: legend.count(f"- **{header}**:") for header in headers} == dict.fromkeys(headers, 1)


def test_settings_of_a_recipe_are_listed_once_below_the_table(make):
    settings = "dropout=0, augmentation.rotation=0, epochs=3"
    for model in ("cnn", "vgg19"):
        make(model, recipe_name=f"default, {settings}", recipe={"epochs": 3})
    make("mobilenet", recipe_name="fast, epochs=4")
    text = to_markdown(leaderboard_of(make))
    assert text.count(settings) == 1 and f"- default + 3 changes (cnn, vgg19): {settings}" in text
    assert {line["recipe"] for line in tables(text)[0]} == {"default + 3 changes", "fast, epochs=4"}


def test_failed_trials_alone_make_a_report(make):
    make(status="failed", reason="out of memory")
    text = to_markdown(leaderboard_of(make))
    assert "No trial of this section has finished" in text and "failed: out of memory" in text


def test_costs_name_the_machine_of_each_row_by_its_number_if_there_are_several(make):
    other = MACHINE | {"cores": 64}
    for seed in range(2):
        make("cnn", seed)
        make("vgg19", seed, machine=MACHINE if seed else other)
    make("mobilenet", dataset="jaffe", machine=other)
    everything = leaderboard_of(make)
    text = to_markdown(everything)
    assert re.search(r"^1\. .* 2 cores.*\(3 trials\)\n2\. .* 64 cores.*\(2 trials\)$", text, re.M)
    costs = [line for table in tables(text) for line in table if "machine" in line]
    assert {line["model"]: line["machine"] for line in costs} == {"cnn": "1", "vgg19": "1, 2", "mobilenet": "2"}
    one_left = to_markdown(filter_rows(everything, datasets=["jaffe"]))
    assert re.search(r"^2\. .* 64 cores.*\(1 trial\)$", one_left, re.M) and "(3 trials)" not in one_left


def test_one_machine_has_no_number(make):
    make()
    text = to_markdown(leaderboard_of(make))
    assert "## Machine\n" in text and "machine" not in tables(text)[-1][0]


def test_versions_of_a_dataset_have_different_headings(make):
    make("a")
    make("b", fingerprint="0123456789ab")
    text = to_markdown(leaderboard_of(make))
    assert "(data 01234567)" in text and "(data ffffffff)" in text


def test_optional_columns_appear_only_in_sections_that_have_values(make):
    test = replace(exact([0, 1, 2, 0], [0, 1, 2, 1]), no_duplicate=np.array([True, True, False, True]))
    make(protocol="official-dedup", test=test)
    make(dataset="jaffe", protocol="loso", fold=0, test=exact([0, 0], [0, 0]))
    make(dataset="jaffe", protocol="loso", fold=1, test=exact([1, 1, 2, 2, 2, 2], [0, 0, 0, 0, 0, 2]))
    summary, _, scores, _, jaffe_scores, _ = [table[0] for table in tables(to_markdown(leaderboard_of(make)))[:6]]
    assert scores["dedup accuracy"] == "66.67" and "dedup accuracy" not in {*summary, *jaffe_scores}
    assert (jaffe_scores["accuracy"], jaffe_scores["mean of folds"]) == ("37.50", "58.33 ± 58.93")
    assert "mean of folds" not in scores


def test_csv_has_the_columns_of_the_table_as_numbers(make):
    make("cnn", seed=0)
    make("cnn", seed=1)
    make("vgg19", status="failed", reason="a, b")
    leaderboard = leaderboard_of(make)
    frame = pd.read_csv(io.StringIO(to_csv(leaderboard.frame)))
    assert list(frame)[1:] == [key for c in COLUMNS if not c.optional_in_csv for key in c.keys]
    assert frame["accuracy"][0] == pytest.approx(leaderboard.frame["accuracy"].iloc[0], abs=1e-12)
    assert frame["reason"][1] == "a, b"


def test_a_missed_target_is_named_in_table_and_csv(make):
    for seed, epochs in enumerate((40, 1)):
        make("cnn", seed, epochs=epochs)
        make("vgg19", seed, epochs=40)
    leaderboard = compute_leaderboard(load(make.results), targets=(0.3, 0.6))
    text, frame = to_markdown(leaderboard), pd.read_csv(io.StringIO(to_csv(leaderboard.frame)), index_col="model")
    assert "not reached (1 of 2)" in text and "**time to 30 %**" in text and "**time to 60 %**" in text
    assert frame.loc["cnn", ["seconds_to_60", "reached_60"]].tolist() == ["not reached", "1 of 2"]
    assert float(frame.loc["vgg19", "seconds_to_60"]) > frame.loc["vgg19", "seconds_to_30"] > 0
