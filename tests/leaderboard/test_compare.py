"""Two leaderboards side by side."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_up_records import MACHINE, Maker, exact
from scipy.stats import binomtest

from fer_bench.core.errors import UserError
from fer_bench.leaderboard.compare import compare, read_side
from fer_bench.leaderboard.leaderboard import board
from fer_bench.records import load
from fer_bench.report.comparison import summary, to_markdown
from fer_bench.report.markdown import to_csv

SAMPLES = 400


@pytest.fixture
def sides(tmp_path):
    """Makers of records in two results folders."""
    return Maker(tmp_path / "a"), Maker(tmp_path / "b")


def right(first: int, wrong: int = 0):
    """Predictions of which the first ones but for `wrong` at the very beginning are right, and no other."""
    hits = (np.arange(SAMPLES) >= wrong) & (np.arange(SAMPLES) < first)
    return exact([0] * SAMPLES, np.where(hits, 0, 1).tolist())


def compared(sides):
    a, b = (read_side(maker.results) for maker in sides)
    return compare(a, b)


def the_match(sides):
    (match,) = compared(sides).matches
    return match


@pytest.mark.parametrize(
    ("before", "after", "verdict"),
    [
        (right(200), right(200), "the same"),
        (right(200), right(260), "better"),
        (right(260), right(200), "worse"),
        (right(200), right(204), "not told apart"),
        (right(200), right(204, wrong=4), "not told apart"),  # as accurate, and not the same
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_row_is_better_or_worse_only_where_a_paired_test_says_so(sides, before, after, verdict):
    sides[0]("cnn", test=before)
    sides[1]("cnn", test=after)
    match = the_match(sides)
    assert match.verdict == verdict and match.differs == []


def test_difference_interval_and_p(sides):
    sides[0]("cnn", test=right(200))
    sides[1]("cnn", test=right(212, wrong=3))  # 12 gained, 3 lost
    match = the_match(sides)
    assert match.test.difference == pytest.approx(9 / SAMPLES)
    assert match.test.low < 9 / SAMPLES < match.test.high
    assert match.p >= binomtest(3, 15).pvalue - 1e-12  # both tests must reject
    assert match.p == pytest.approx(binomtest(3, 15).pvalue, abs=0.02)


def test_p_is_corrected_for_the_number_of_rows(sides):
    for n in range(4):
        sides[0](f"net{n}", test=right(200))
        sides[1](f"net{n}", test=right(208))  # 8 gained, none lost: p = 2 / 2^8 = 0.0078
    matches = compared(sides).matches
    assert {round(match.p, 6) for match in matches} == {round(4 * binomtest(0, 8).pvalue, 6)}
    assert {match.verdict for match in matches} == {"better"}
    sides[0]("one more", test=right(200))
    sides[1]("one more", test=right(200))
    sides[0]("and another", test=right(200))
    sides[1]("and another", test=right(200))
    sides[0]("and more", test=right(200))
    sides[1]("and more", test=right(200))
    assert {match.verdict for match in compared(sides).matches} == {"not told apart", "the same"}


def test_subjects_are_drawn_whole(sides):
    """Forty persons of ten images: two of them judged better are two draws, not twenty."""
    persons = np.repeat([f"S{n:02d}" for n in range(40)], 10)
    sides[0]("cnn", test=replace(right(200), groups=persons))
    sides[1]("cnn", test=replace(right(220), groups=persons))
    assert the_match(sides).verdict == "not told apart"


def test_a_row_matches_whatever_its_source_data_and_resolved_recipe(sides):
    sides[0]("cnn", test=right(200))
    changes = {"source": "1" * 64, "fingerprint": "e" * 64, "recipe": {"epochs": 12, "new field": 1}}
    sides[1]("cnn", test=right(260), **changes)
    match = the_match(sides)
    assert match.verdict == "better"
    assert match.differs == ["data", "source", "recipe: epochs, fields that one of them has not"]


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
def test_what_was_asked_for_tells_rows_apart(sides, other):
    sides[0](**{"model": "cnn"}, test=right(200))
    sides[1](**{"model": "cnn"} | other, test=right(100))
    made = compared(sides)
    assert (len(made.matches), len(made.lost), len(made.added)) == (0, 1, 1)
    assert made.regressions == []  # a lost row is none


def test_of_several_rows_that_fit_only_the_same_trials_match(sides):
    a, b = sides
    a("cnn", source="1" * 64, test=right(200))
    b("cnn", source="1" * 64, test=right(200))
    b("cnn", source="2" * 64, test=right(100))
    made = compared(sides)
    assert [match.verdict for match in made.matches] == ["the same"] and len(made.added) == 1
    a("vgg16", source="1" * 64, test=right(200))
    b("vgg16", source="2" * 64, test=right(100))
    b("vgg16", source="3" * 64, test=right(100))
    made = compared(sides)
    assert len(made.matches) == 1 and (len(made.lost), len(made.added)) == (1, 3)


def test_a_row_that_fails_now_is_a_regression_and_one_that_works_now_is_not(sides):
    sides[0]("cnn", test=right(200))
    sides[1]("cnn", status="failed", reason="no memory")
    sides[0]("vgg16", status="diverged", reason="the loss became nan")
    sides[1]("vgg16", test=right(200))
    made = compared(sides)
    assert {match.before["model"]: match.verdict for match in made.matches} == {
        "cnn": "fails now",
        "vgg16": "works now",
    }
    assert [match.before["model"] for match in made.regressions] == ["cnn"]


def test_only_seeds_with_the_same_samples_are_tested(sides):
    fewer = exact([0] * 100, [0] * 100)
    sides[0]("cnn", seed=0, test=right(200))
    sides[0]("cnn", seed=1, test=right(210))
    sides[1]("cnn", seed=0, test=right(260))
    sides[1]("cnn", seed=7, test=fewer)
    match = the_match(sides)
    assert match.test.difference == pytest.approx((260 - 205) / SAMPLES) and match.verdict == "better"
    sides[0]("vgg16", test=right(200))
    sides[1]("vgg16", test=fewer)
    (untested,) = [match for match in compared(sides).matches if match.before["model"] == "vgg16"]
    assert untested.verdict == "not tested" and untested.test is None


def test_one_seed_and_several_are_told(sides):
    sides[0]("cnn", test=right(200))
    for seed in range(3):
        sides[1]("cnn", seed=seed, test=right(204))
    match = the_match(sides)
    assert match.differs == ["1 → 3 seeds"] and match.verdict == "not told apart"


def as_csv(maker: Maker, path: Path) -> Path:
    path.write_text(to_csv(board(load(maker.results)).frame))
    return path


def test_tables_without_predictions_are_compared_but_not_tested(sides, tmp_path):
    for maker, first in zip(sides, (200, 100), strict=True):
        maker("cnn", test=right(first))
        maker("vgg16", test=right(200))
        maker("failing", status="failed", reason="no memory")
    a, b = (as_csv(maker, tmp_path / f"{maker.results.name}.csv") for maker in sides)
    made = compare(read_side(a), read_side(b))
    assert {match.before["model"]: match.verdict for match in made.matches} == {
        "cnn": "not tested",
        "vgg16": "the same",
        "failing": "the same",
    }
    assert (made.tested, made.regressions) == (0, [])
    mixed = compare(read_side(a), read_side(sides[1].results))
    assert [match.verdict for match in mixed.matches] == ["not tested", "the same", "the same"]


def test_a_folder_with_a_table_alone_is_read(sides, tmp_path):
    sides[0]("cnn", test=right(200))
    (tmp_path / "tables").mkdir()
    as_csv(sides[0], tmp_path / "tables" / "leaderboard.csv")
    side = read_side(tmp_path / "tables")
    assert side.frame["accuracy"].tolist() == [0.5] and side.rows == {}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "There is no results folder and no leaderboard.csv at"),
        ("", "is no leaderboard.csv"),
        ("a,b\n1,2\n", "is no leaderboard.csv"),
        ("row,model\n1,cnn\n", "it has no column 'dataset'"),
        ("\x00\xff", "is no leaderboard.csv"),
    ],
)
def test_what_is_no_leaderboard_is_told(tmp_path, content, sentence):
    path = tmp_path / "other.csv"
    if content is not None:
        path.write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=sentence) as raised:
        read_side(path)
    assert "\n" not in str(raised.value)


def test_an_empty_folder_is_told(tmp_path):
    with pytest.raises(UserError, match=r"There are no records in .*, and no leaderboard\.csv"):
        read_side(tmp_path)


def test_markdown_tells_all_of_it(sides):
    a, b = sides
    a("cnn", test=right(260))
    b("cnn", test=right(200), machine=MACHINE | {"processor": "Another | CPU"})
    a("gone", test=right(100))
    b("new", test=right(100))
    (b.results / "records" / "foreign").mkdir()
    text = to_markdown(compared(sides))
    lines = text.splitlines()
    assert any(line.startswith("- A: ") and "2 rows" in line for line in lines)
    assert any("1 unreadable record left out" in line for line in lines)
    assert any(line.startswith("- machine of B: ") and "Another | CPU" in line for line in lines)
    (cnn,) = [line for line in lines if line.startswith("| cnn")]
    cells = [cell.strip() for cell in cnn.strip("|").split("|")]
    assert cells[:5] == ["cnn", "fer2013, official", "65.00", "50.00", "-15.00"]
    assert cells[6:] == ["< 0.001", "worse", ""]
    assert "## Changed (1)" in lines and "## Lost (1)" in lines and "## Added (1)" in lines
    assert summary(compared(sides)) == "1 row in both: 1 worse; 1 lost; 1 added."
    assert summary(compared(sides)) in lines


def test_the_worst_news_comes_first(sides):
    for n, (before, after) in enumerate([(200, 200), (200, 260), (260, 200), (200, 204)]):
        sides[0](f"net{n}", test=right(before))
        sides[1](f"net{n}", test=right(after))
    verdicts = [match.verdict for match in compared(sides).matches]
    assert verdicts == ["worse", "better", "not told apart", "the same"]
