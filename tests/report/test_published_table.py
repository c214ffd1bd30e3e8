"""Published and measured results in two columns."""

from __future__ import annotations

import pytest
from made_up_records import PUBLISHED, exact, leaderboard_of

from fer_bench.report import published_table as module
from fer_bench.report.published_table import COLUMNS, published_table

RESULT = PUBLISHED.model_copy(update={"recipe": "doe2020"})


def predictions(num_correct: int):
    """Return predictions of ten samples."""
    return exact([0] * 10, [0] * num_correct + [1] * (10 - num_correct))


@pytest.fixture
def lines(make, monkeypatch):
    """Return the lines of the table for some published results."""

    def run(*results) -> list[dict[str, str]]:
        monkeypatch.setattr(module, "published_results", lambda name: [r for r in results if r.dataset == name])
        text = published_table(leaderboard_of(make).frame)
        cells = [line[1:].split(" |")[:-1] for line in text.splitlines() if line.startswith("|")]
        return [dict(zip(COLUMNS, map(str.strip, line), strict=True)) for line in cells[2:]]

    return run


def test_results_are_beside_ours_with_badge_and_source(make, lines):
    make("cnn", recipe_name="doe2020", test=predictions(7))
    make("vgg19", test=predictions(9))
    unknown = RESULT.model_copy(update={"architecture": None, "recipe": None, "note": "", "url": ""})
    theirs, other = lines(RESULT, unknown)
    assert (theirs["model"], theirs["reported"], theirs["ours"]) == ("Their \\| Net", "73.28", "70.00")
    assert theirs["our row"] == "cnn, official" and theirs["badge"] == "selected on test"
    assert theirs["source"] == "[Doe, 2020](https://example.org/doe); wider than ours"
    assert (theirs["their protocol"], theirs["their views"]) == ("the best epoch on test", "ten-crop")
    assert (other["ours"], other["our row"], other["source"]) == ("–", "–", "Doe, 2020")


def test_every_protocol_has_a_line(make, lines):
    make("cnn", test=predictions(6))
    make("cnn", protocol="official-dedup", test=predictions(5))
    ours = {line["our row"]: line["ours"] for line in lines(RESULT)}
    assert ours == {"cnn, official": "60.00", "cnn, official-dedup": "50.00"}


def test_the_recipe_that_follows_theirs_is_preferred(make, lines):
    make("cnn", recipe_name="tuned", test=predictions(9), validation=predictions(9))
    recipe = {"recipe_name": "doe2020, epochs=3", "recipe": {"epochs": 3}}
    make("cnn", test=predictions(4), validation=predictions(4), **recipe)
    (line,) = lines(RESULT)
    assert line["ours"] == "40.00" and "doe2020" in line["our row"]


def test_otherwise_validation_selects_the_row_and_never_the_test(make, lines):
    make("cnn", recipe_name="lucky", recipe={"epochs": 2}, test=predictions(9), validation=predictions(5))
    make("cnn", recipe_name="sound", recipe={"epochs": 3}, test=predictions(6), validation=predictions(6))
    make("cnn", recipe_name="failing", recipe={"epochs": 4}, status="failed", reason="no memory")
    (line,) = lines(RESULT)
    assert line["ours"] == "60.00" and "sound" in line["our row"]


def test_scores_have_their_spread_and_other_metrics_are_compared_with_themselves(make, lines):
    for seed, num_correct in enumerate((6, 8)):
        make("cnn", seed=seed, test=predictions(num_correct))
    accuracy, f1 = lines(RESULT, RESULT.model_copy(update={"metric": "weighted_f1", "value": 57.0}))
    assert accuracy["ours"] == "70.00 ± 14.14"
    assert (f1["metric"], f1["reported"]) == ("weighted F1", "57.00")
    assert f1["ours"].startswith("81.9")  # of 6/10 and 8/10 correct: 2·0.6/1.6 and 2·0.8/1.8


def test_there_is_no_section_without_published_results(make, lines):
    make("cnn", dataset="synthetic")
    assert lines(RESULT) == []


def test_the_shipped_results_make_a_section(make):
    make("vgg_fer", recipe_name="khaireddin2021", test=predictions(7))
    (line,) = [x for x in published_table(leaderboard_of(make).frame).splitlines() if "Khaireddin" in x]
    assert "73.28" in line and "70.00" in line and "PublicTest as test" in line
