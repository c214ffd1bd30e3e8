"""Ours and theirs in two columns."""

from __future__ import annotations

import pytest
from made_up_records import exact

from fer_bench.leaderboard.leaderboard import board
from fer_bench.records import load
from fer_bench.report import published_table as module
from fer_bench.report.published_table import COLUMNS, reported_table

CLAIM = {
    "model": "Their | Net",
    "value": 73.284,
    "metric": "accuracy",
    "dataset": "fer2013",
    "protocol": "the best epoch on test",
    "views": "ten-crop",
    "badge": "selected on test",
    "source": "Doe, 2020",
    "url": "https://example.org/doe",
    "architecture": "cnn",
    "recipe": "doe2020",
    "note": "wider than ours",
}
OTHER = CLAIM | {"model": "Unknown Net", "architecture": None, "recipe": None, "note": "", "url": ""}


@pytest.fixture
def claims(monkeypatch):
    def set_to(*claims):
        monkeypatch.setattr(module, "reported", lambda dataset: [c for c in claims if c["dataset"] == dataset])

    return set_to


def of(accuracy: int):
    """Predictions of ten samples, so many of them right."""
    return exact([0] * 10, [0] * accuracy + [1] * (10 - accuracy))


def lines(results) -> list[dict[str, str]]:
    text = reported_table(board(load(results)).frame)
    table = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [
        dict(zip(COLUMNS, (c.strip().replace("\x00", "\\|") for c in cells), strict=True))
        for cells in (line.replace("\\|", "\x00").strip("|").split("|") for line in table)
    ]


def test_each_figure_stands_beside_ours_with_its_badge_and_source(make, claims):
    claims(CLAIM, OTHER)
    make("cnn", recipe_name="doe2020", test=of(7))
    make("vgg19", test=of(9))
    theirs, unknown = lines(make.results)
    assert (theirs["model"], theirs["reported"], theirs["ours"]) == ("Their \\| Net", "73.28", "70.00")
    assert theirs["our row"] == "cnn, official" and theirs["badge"] == "selected on test"
    assert theirs["source"] == "[Doe, 2020](https://example.org/doe); wider than ours"
    assert (theirs["their protocol"], theirs["their views"]) == ("the best epoch on test", "ten-crop")
    assert (unknown["ours"], unknown["our row"], unknown["source"]) == ("–", "–", "Doe, 2020")


def test_every_protocol_of_ours_has_a_line(make, claims):
    claims(CLAIM)
    make("cnn", test=of(6))
    make("cnn", protocol="official-dedup", test=of(5))
    assert {line["our row"]: line["ours"] for line in lines(make.results)} == {
        "cnn, official": "60.00",
        "cnn, official-dedup": "50.00",
    }


def test_of_several_recipes_that_which_follows_theirs_counts(make, claims):
    claims(CLAIM)
    make("cnn", recipe_name="tuned", test=of(9), validation=of(9))
    make("cnn", recipe_name="doe2020, epochs=3", recipe={"epochs": 3}, test=of(4), validation=of(4))
    (line,) = lines(make.results)
    assert line["ours"] == "40.00" and "doe2020" in line["our row"]


def test_else_validation_chooses_and_never_the_test(make, claims):
    claims(CLAIM)
    make("cnn", recipe_name="lucky", recipe={"epochs": 2}, test=of(9), validation=of(5))
    make("cnn", recipe_name="sound", recipe={"epochs": 3}, test=of(6), validation=of(6))
    make("cnn", recipe_name="failing", recipe={"epochs": 4}, status="failed", reason="no memory")
    (line,) = lines(make.results)
    assert line["ours"] == "60.00" and "sound" in line["our row"]


def test_seeds_show_their_spread_and_another_metric_is_compared_with_itself(make, claims):
    claims(CLAIM, CLAIM | {"metric": "weighted_f1", "value": 57.0})
    for seed, right in enumerate((6, 8)):
        make("cnn", seed=seed, test=of(right))
    accuracy, f1 = lines(make.results)
    assert accuracy["ours"] == "70.00 ± 14.14"
    assert (f1["metric"], f1["reported"]) == ("weighted f1", "57.00")
    assert f1["ours"].startswith("81.9")  # of 6/10 and 8/10 right: 2·0.6/1.6 and 2·0.8/1.8


def test_what_nobody_reports_has_no_section(make, claims):
    claims(CLAIM)
    make("cnn", dataset="synthetic")
    assert reported_table(board(load(make.results)).frame) == ""


def test_the_shipped_figures_make_a_section(make):
    make("vgg_fer", recipe_name="khaireddin2021", test=of(7))
    text = reported_table(board(load(make.results)).frame)
    assert text.startswith("## Reported elsewhere\n")
    (line,) = [line for line in text.splitlines() if "Khaireddin" in line]
    assert "73.28" in line and "70.00" in line and "PublicTest as test" in line
