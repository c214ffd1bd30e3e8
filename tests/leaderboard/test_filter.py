"""Filters and groups: what is shown, and that nothing goes without being counted."""

import pytest
from made_up_records import exact

from fer_bench.core.errors import UserError
from fer_bench.leaderboard.filter import BY, filtered, grouped, groups, summary
from fer_bench.leaderboard.leaderboard import board
from fer_bench.records import load
from fer_bench.report.latex import to_latex
from fer_bench.report.markdown import to_csv, to_markdown

LABELS = [0, 1] * 10


def right(number):
    """Predictions of 20 samples, so many of them right."""
    return exact(LABELS, [label if i < number else 1 - label for i, label in enumerate(LABELS)], 2)


@pytest.fixture
def found(make):
    """Two recipes of two models and a failed row on one dataset, one row each on two others."""
    for model, recipe, number in (("a", "default", 18), ("b", "frozen", 15), ("a", "frozen", 9), ("b", "default", 12)):
        make(model, recipe_name=f"{recipe}, epochs=3", recipe={"name": recipe}, test=right(number))
    make("c", recipe_name="frozen, epochs=3", recipe={"name": "frozen"}, status="failed", reason="out of memory")
    make("a", dataset="jaffe", protocol="loso")
    make("a", dataset="ckplus", protocol="subject-kfold")
    return board(load(make.results))


def test_what_a_filter_leaves_out_is_counted(found):
    part = filtered(found, ["fer2013"])
    assert len(part.frame) == 5 and set(part.frame["dataset"]) == {"fer2013"}
    assert part.view.said == ("Shown: 5 of 7 rows; left out by --dataset fer2013: 2 rows (ckplus 1, jaffe 1).",)
    assert set(part.rows) == set(part.frame.index) and set(part.notes) == {("fer2013", "official", "f" * 64)}
    assert part.view.said[0] in to_markdown(part) and f"% {part.view.said[0]}" in to_latex(part)


def test_two_filters_are_counted_one_after_the_other(found):
    part = filtered(found, ["fer2013", "jaffe"], ["loso"])
    assert part.frame["dataset"].tolist() == ["jaffe"]
    assert part.view.said[0] == (
        "Shown: 1 of 7 rows; left out by --dataset fer2013,jaffe: 1 row (ckplus 1); "
        "left out by --protocol loso: 5 rows (official 5)."
    )


def test_a_filter_changes_no_number_and_keeps_failed_rows(found):
    part = filtered(found, protocols=["official"])
    kept = found.frame.loc[part.frame.index].drop(columns="average_rank")
    assert part.frame.drop(columns="average_rank").equals(kept)
    assert part.frame["status"].tolist()[-1] == "failed"


def test_a_filter_that_leaves_out_nothing_says_nothing(found):
    assert filtered(found) is found
    assert filtered(found, ["fer2013", "jaffe", "ckplus"]) is found


def test_average_ranks_are_of_the_datasets_shown(make):
    for dataset, best in (("x", "a"), ("y", "a"), ("z", "b")):
        make("a", dataset=dataset, test=right(15 if best == "a" else 10))
        make("b", dataset=dataset, test=right(10 if best == "a" else 15))
    part = filtered(board(load(make.results)), ["x", "y"])
    assert part.frame["average_rank"].tolist() == [1, 2, 1, 2]
    assert list(part.ranks.columns) == ["x, official", "y, official", "average_rank"]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (
            (["fer2031"], []),
            r"the dataset 'fer2031': did you mean fer2013\? There are ckplus, fer2013, jaffe",
        ),
        (([], ["los"]), r"the protocol 'los': did you mean loso\?"),
        ((["jaffe"], ["official"]), "No row of jaffe has the protocol official: there is loso"),
    ],
)
def test_a_name_that_no_row_has_is_a_mistake(found, asked, said):
    with pytest.raises(UserError, match=said):
        filtered(found, *asked)


def test_groups_begin_with_that_of_the_best_row_and_rank_within(found):
    frame = grouped(filtered(found, ["fer2013"]), "recipe").frame
    assert frame["group"].tolist() == ["default", "default", "frozen", "frozen", "frozen"]
    assert frame["model"].tolist() == ["a", "b", "b", "a", "c"]
    assert frame["group_rank"].fillna(0).tolist() == [1, 2, 1, 2, 0]
    assert frame["rank"].fillna(0).tolist() == [1, 3, 2, 4, 0]


def test_groups_change_no_number_and_lose_no_row(found):
    frame = grouped(found, "model").frame
    assert frame[found.frame.columns].loc[found.frame.index].equals(found.frame)
    assert to_csv(frame).count("\n") == 8 and ",group,group_rank\n" in to_csv(frame)


def test_the_summary_has_every_group_with_its_best_and_median(found):
    section = filtered(grouped(found, "recipe"), ["fer2013"]).frame
    headers, lines = summary(section, "recipe", "accuracy")
    assert headers == ["recipe", "rows", "without score", "best row", "best accuracy", "median accuracy"]
    assert lines == [
        ["default", "2", "0", "a default", "90.00", "75.00"],
        ["frozen", "3", "1", "b frozen", "75.00", "60.00"],
    ]
    failed = section[section["status"] == "failed"]
    assert summary(failed, "recipe", "accuracy")[1] == [["frozen", "1", "1", "–", "–", "–"]]


def test_markdown_has_a_table_for_each_group_and_marks_of_the_whole_section(found):
    made = grouped(filtered(found, ["fer2013"]), "recipe")
    text = to_markdown(made)
    default, frozen = text.split("\n### recipe: ")[1:]
    assert default.startswith("default\n") and frozen.startswith("frozen\n")
    first = next(line for line in frozen.splitlines() if "| b " in line)
    # Second of the section, where 20 images tell it not from the first; first of its group.
    assert first.split("|")[1].strip() == "≈ 1"
    assert "failed: out of memory" in frozen and "failed: out of memory" not in default
    assert "Groups change no statistics" in text.split("\n## ")[0]
    assert "of 3 other rows can be told from the best" in text


def test_what_rows_can_be_grouped_by(found):
    for by in BY:
        assert sum(len(rows) for _, rows in groups(grouped(filtered(found, ["fer2013"]), by).frame)) == 5
    with pytest.raises(UserError, match=r"grouped by 'recipes': did you mean recipe"):
        grouped(found, "recipes")
