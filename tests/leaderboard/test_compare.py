"""Comparison of two leaderboards."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_records import MACHINE, RecordMaker, exact, leaderboard_of
from scipy.stats import binomtest

from fer_bench.core.errors import UserError
from fer_bench.leaderboard.compare import compare, read_side
from fer_bench.report.comparison import summary, to_markdown
from fer_bench.report.markdown import to_csv

SAMPLES = 400


@pytest.fixture
def sides(tmp_path):
    """Return makers of records in two results folders."""
    return RecordMaker(tmp_path / "a"), RecordMaker(tmp_path / "b")


def correct(first: int, wrong: int = 0):
    """Return predictions of which the first ones are correct, except for `wrong` at the beginning."""
    hits = (np.arange(SAMPLES) >= wrong) & (np.arange(SAMPLES) < first)
    return exact([0] * SAMPLES, np.where(hits, 0, 1).tolist())


def compared(sides):
    a, b = (read_side(maker.results) for maker in sides)
    return compare(a, b)


def the_match(sides):
    (match,) = compared(sides).matches
    return match


def test_another_benchmark_version_is_named(sides):
    sides[0]()
    sides[1](benchmark_version=2)
    assert "benchmark version" in the_match(sides).differences


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (correct(200), correct(200), "the same"),
        (correct(200), correct(260), "better"),
        (correct(260), correct(200), "worse"),
        (correct(200), correct(204), "not significant"),
        (correct(200), correct(204, wrong=4), "not significant"),  # the same accuracy on other samples
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_row_is_better_or_worse_only_if_a_paired_test_rejects(sides, before, after, verdict):
    sides[0]("cnn", test=before)
    sides[1]("cnn", test=after)
    match = the_match(sides)
    assert match.verdict == verdict and match.differences == []


def test_difference_interval_and_p(sides):
    sides[0]("cnn", test=correct(200))
    sides[1]("cnn", test=correct(212, wrong=3))  # 12 gained, 3 lost
    match = the_match(sides)
    assert match.test.difference == pytest.approx(9 / SAMPLES)
    assert match.test.low < 9 / SAMPLES < match.test.high
    assert match.p >= binomtest(3, 15).pvalue - 1e-12  # both tests must reject
    assert match.p == pytest.approx(binomtest(3, 15).pvalue, abs=0.02)


def test_p_is_corrected_for_the_number_of_rows(sides):
    for n in range(4):
        sides[0](f"net{n}", test=correct(200))
        sides[1](f"net{n}", test=correct(208))  # 8 gained, 0 lost: p = 2 / 2^8 = 0.0078
    matches = compared(sides).matches
    assert {round(match.p, 6) for match in matches} == {round(4 * binomtest(0, 8).pvalue, 6)}
    assert {match.verdict for match in matches} == {"better"}
    for n in range(3):
        sides[0](f"same{n}", test=correct(200))
        sides[1](f"same{n}", test=correct(200))
    assert {match.verdict for match in compared(sides).matches} == {"not significant", "the same"}


def test_subjects_are_drawn_whole(sides):
    """With 40 subjects of ten images each, two subjects with better results are two draws, not twenty."""
    subjects = np.repeat([f"S{n:02d}" for n in range(40)], 10)
    sides[0]("cnn", test=replace(correct(200), groups=subjects))
    sides[1]("cnn", test=replace(correct(220), groups=subjects))
    assert the_match(sides).verdict == "not significant"


def test_rows_match_despite_other_source_data_and_resolved_recipe(sides):
    sides[0]("cnn", test=correct(200))
    changes = {"source": "1" * 64, "fingerprint": "e" * 64, "recipe": {"epochs": 12, "new field": 1}}
    sides[1]("cnn", test=correct(260), **changes)
    match = the_match(sides)
    assert match.verdict == "better"
    assert match.differences == ["data", "source", "recipe: epochs, fields that only one of them has"]


@pytest.mark.parametrize(
    "other",
    [
        {"model": "vgg16"},
        {"dataset": "jaffe"},
        {"protocol": "kfold"},
        {"recipe_name": "tuned", "recipe": {"epochs": 3}},
        {"weights": "imagenet:12"},
        {"backend": "jax"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_rows_with_other_keys_do_not_match(sides, other):
    sides[0](**{"model": "cnn"}, test=correct(200))
    sides[1](**{"model": "cnn"} | other, test=correct(100))
    comparison = compared(sides)
    assert (len(comparison.matches), len(comparison.lost), len(comparison.added)) == (0, 1, 1)
    assert comparison.regressions == []


def test_of_several_matching_rows_only_those_of_the_same_trials_match(sides):
    a, b = sides
    a("cnn", source="1" * 64, test=correct(200))
    b("cnn", source="1" * 64, test=correct(200))
    b("cnn", source="2" * 64, test=correct(100))
    comparison = compared(sides)
    assert [match.verdict for match in comparison.matches] == ["the same"] and len(comparison.added) == 1
    a("vgg16", source="1" * 64, test=correct(200))
    b("vgg16", source="2" * 64, test=correct(100))
    b("vgg16", source="3" * 64, test=correct(100))
    comparison = compared(sides)
    assert len(comparison.matches) == 1 and (len(comparison.lost), len(comparison.added)) == (1, 3)


def test_a_row_that_fails_now_is_a_regression_and_one_that_works_now_is_not(sides):
    sides[0]("cnn", test=correct(200))
    sides[1]("cnn", status="failed", reason="no memory")
    sides[0]("vgg16", status="diverged", reason="the loss became nan")
    sides[1]("vgg16", test=correct(200))
    comparison = compared(sides)
    assert {match.before["model"]: match.verdict for match in comparison.matches} == {
        "cnn": "fails now",
        "vgg16": "works now",
    }
    assert [match.before["model"] for match in comparison.regressions] == ["cnn"]


def test_only_seeds_with_the_same_samples_are_tested(sides):
    fewer = exact([0] * 100, [0] * 100)
    sides[0]("cnn", seed=0, test=correct(200))
    sides[0]("cnn", seed=1, test=correct(210))
    sides[1]("cnn", seed=0, test=correct(260))
    sides[1]("cnn", seed=7, test=fewer)
    match = the_match(sides)
    assert match.test.difference == pytest.approx((260 - 205) / SAMPLES) and match.verdict == "better"
    sides[0]("vgg16", test=correct(200))
    sides[1]("vgg16", test=fewer)
    (untested,) = [match for match in compared(sides).matches if match.before["model"] == "vgg16"]
    assert untested.verdict == "not tested" and untested.test is None


def test_one_seed_and_several_seeds_are_compared(sides):
    sides[0]("cnn", test=correct(200))
    for seed in range(3):
        sides[1]("cnn", seed=seed, test=correct(204))
    match = the_match(sides)
    assert match.differences == ["1 → 3 seeds"] and match.verdict == "not significant"


def as_csv(maker: RecordMaker, path: Path) -> Path:
    path.write_text(to_csv(leaderboard_of(maker).frame))
    return path


def test_tables_without_predictions_are_compared_but_not_tested(sides, tmp_path):
    for maker, first in zip(sides, (200, 100), strict=True):
        maker("cnn", test=correct(first))
        maker("vgg16", test=correct(200))
        maker("failing", status="failed", reason="no memory")
    a, b = (as_csv(maker, tmp_path / f"{maker.results.name}.csv") for maker in sides)
    comparison = compare(read_side(a), read_side(b))
    assert {match.before["model"]: match.verdict for match in comparison.matches} == {
        "cnn": "not tested",
        "vgg16": "the same",
        "failing": "the same",
    }
    assert (comparison.num_tested, comparison.regressions) == (0, [])
    mixed = compare(read_side(a), read_side(sides[1].results))
    assert [match.verdict for match in mixed.matches] == ["not tested", "the same", "the same"]


def test_a_folder_with_only_a_table_is_read(sides, tmp_path):
    sides[0]("cnn", test=correct(200))
    (tmp_path / "tables").mkdir()
    as_csv(sides[0], tmp_path / "tables" / "leaderboard.csv")
    side = read_side(tmp_path / "tables")
    assert side.frame["accuracy"].tolist() == [0.5] and side.rows == {}


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "no results folder"),
        ("", "is not a leaderboard.csv"),
        ("a,b\n1,2\n", "is not a leaderboard.csv"),
        ("row,model\n1,cnn\n", "dataset"),
        ("\x00\xff", "is not a leaderboard.csv"),
    ],
)
def test_other_files_raise(tmp_path, content, word):
    path = tmp_path / "other.csv"
    if content is not None:
        path.write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=word) as raised:
        read_side(path)
    assert "\n" not in str(raised.value)


def test_an_empty_folder_raises(tmp_path):
    with pytest.raises(UserError, match="no records"):
        read_side(tmp_path)


def test_markdown_has_counts_and_tables(sides):
    a, b = sides
    a("cnn", test=correct(260))
    b("cnn", test=correct(200), machine=MACHINE | {"processor": "Another | CPU"})
    a("gone", test=correct(100))
    b("new", test=correct(100))
    (b.results / "records" / "foreign").mkdir()
    text = to_markdown(compared(sides))
    lines = text.splitlines()
    assert any(line.startswith("- A: ") and "2 rows" in line for line in lines)
    assert any("1 unreadable record skipped" in line for line in lines)
    assert any(line.startswith("- machine of B: ") and "Another | CPU" in line for line in lines)
    (cnn,) = [line for line in lines if line.startswith("| cnn")]
    cells = [cell.strip() for cell in cnn.strip("|").split("|")]
    assert cells[:5] == ["cnn", "fer2013, official", "65.00", "50.00", "-15.00"]
    assert cells[6:] == ["< 0.001", "worse", ""]
    assert "## Changed (1)" in lines and "## Lost (1)" in lines and "## Added (1)" in lines
    assert summary(compared(sides)) == "1 row in both: 1 worse; 1 lost; 1 added."
    assert summary(compared(sides)) in lines


def test_regressions_come_first(sides):
    for n, (before, after) in enumerate([(200, 200), (200, 260), (260, 200), (200, 204)]):
        sides[0](f"net{n}", test=correct(before))
        sides[1](f"net{n}", test=correct(after))
    verdicts = [match.verdict for match in compared(sides).matches]
    assert verdicts == ["worse", "better", "not significant", "the same"]
