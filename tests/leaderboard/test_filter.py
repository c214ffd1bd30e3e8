"""Filters and groups."""

import pytest
from made_up_records import exact, leaderboard_of

from fer_bench.core.errors import UserError
from fer_bench.leaderboard.filter import GROUP_COLUMNS, filter_rows, group_rows, group_summary, split_groups
from fer_bench.report.latex import to_latex
from fer_bench.report.markdown import to_csv, to_markdown

LABELS = [0, 1] * 10


def predictions(number):
    """Return predictions of 20 samples."""
    return exact(LABELS, [label if i < number else 1 - label for i, label in enumerate(LABELS)], 2)


@pytest.fixture
def leaderboard(make):
    """Two recipes of two models and a failed row on one dataset, one row each on two others."""
    for model, recipe, number in (("a", "default", 18), ("b", "frozen", 15), ("a", "frozen", 9), ("b", "default", 12)):
        make(model, recipe_name=f"{recipe}, epochs=3", recipe={"name": recipe}, test=predictions(number))
    make("c", recipe_name="frozen, epochs=3", recipe={"name": "frozen"}, status="failed", reason="out of memory")
    make("a", dataset="jaffe", protocol="loso")
    make("a", dataset="ckplus", protocol="subject-kfold")
    return leaderboard_of(make)


def test_omitted_rows_are_counted(leaderboard):
    filtered = filter_rows(leaderboard, ["fer2013"])
    assert len(filtered.frame) == 5 and set(filtered.frame["dataset"]) == {"fer2013"}
    assert filtered.options.notes == ("Shown: 5 of 7 rows; omitted by --dataset fer2013: 2 rows (ckplus 1, jaffe 1).",)
    assert set(filtered.rows) == set(filtered.frame.index) and set(filtered.notes) == {
        ("fer2013", "official", "f" * 64, 1)
    }
    assert filtered.options.notes[0] in to_markdown(filtered) and f"% {filtered.options.notes[0]}" in to_latex(filtered)


def test_two_filters_are_counted_separately(leaderboard):
    filtered = filter_rows(leaderboard, ["fer2013", "jaffe"], ["loso"])
    assert filtered.frame["dataset"].tolist() == ["jaffe"]
    assert filtered.options.notes[0] == (
        "Shown: 1 of 7 rows; omitted by --dataset fer2013,jaffe: 1 row (ckplus 1); "
        "omitted by --protocol loso: 5 rows (official 5)."
    )


def test_filters_change_no_numbers_and_keep_failed_rows(leaderboard):
    filtered = filter_rows(leaderboard, protocols=["official"])
    remaining = leaderboard.frame.loc[filtered.frame.index].drop(columns="average_rank")
    assert filtered.frame.drop(columns="average_rank").equals(remaining)
    assert filtered.frame["status"].tolist()[-1] == "failed"


def test_a_filter_that_omits_nothing_adds_no_note(leaderboard):
    assert filter_rows(leaderboard) is leaderboard
    assert filter_rows(leaderboard, ["fer2013", "jaffe", "ckplus"]) is leaderboard


def test_average_ranks_use_the_datasets_that_are_shown(make):
    for dataset, best in (("x", "a"), ("y", "a"), ("z", "b")):
        make("a", dataset=dataset, test=predictions(15 if best == "a" else 10))
        make("b", dataset=dataset, test=predictions(10 if best == "a" else 15))
    filtered = filter_rows(leaderboard_of(make), ["x", "y"])
    assert filtered.frame["average_rank"].tolist() == [1, 2, 1, 2]
    assert list(filtered.ranks.columns) == ["x, official", "y, official", "average_rank"]


@pytest.mark.parametrize(
    ("names", "word"),
    [((["fer2031"], []), "fer2013"), (([], ["los"]), "loso"), ((["jaffe"], ["official"]), "loso")],
)
def test_unknown_names_raise(leaderboard, names, word):
    with pytest.raises(UserError, match=word):
        filter_rows(leaderboard, *names)


def test_the_group_of_the_best_row_is_first_and_groups_have_ranks(leaderboard):
    frame = group_rows(filter_rows(leaderboard, ["fer2013"]), "recipe").frame
    assert frame["group"].tolist() == ["default", "default", "frozen", "frozen", "frozen"]
    assert frame["model"].tolist() == ["a", "b", "b", "a", "c"]
    assert frame["group_rank"].fillna(0).tolist() == [1, 2, 1, 2, 0]
    assert frame["rank"].fillna(0).tolist() == [1, 3, 2, 4, 0]


def test_groups_change_no_numbers_and_keep_all_rows(leaderboard):
    frame = group_rows(leaderboard, "model").frame
    assert frame[leaderboard.frame.columns].loc[leaderboard.frame.index].equals(leaderboard.frame)
    assert to_csv(frame).count("\n") == 8 and ",group,group_rank\n" in to_csv(frame)


def test_the_summary_has_every_group_with_its_best_and_median(leaderboard):
    section = filter_rows(group_rows(leaderboard, "recipe"), ["fer2013"]).frame
    columns, lines = group_summary(section, "recipe", "accuracy")
    assert [title for title, _ in columns] == [
        "recipe",
        "rows",
        "without score",
        "best row",
        "best accuracy",
        "median accuracy",
    ]
    assert lines == [
        ["default", "2", "0", "a default", "90.00", "75.00"],
        ["frozen", "3", "1", "b frozen", "75.00", "60.00"],
    ]
    failed = section[section["status"] == "failed"]
    assert group_summary(failed, "recipe", "accuracy")[1] == [["frozen", "1", "1", "–", "–", "–"]]


def test_markdown_has_a_table_per_group_with_the_ties_of_the_section(leaderboard):
    made = group_rows(filter_rows(leaderboard, ["fer2013"]), "recipe")
    text = to_markdown(made)
    default, frozen = text.split("## Full tables")[0].split("\n### recipe: ")[1:]
    assert default.startswith("default\n") and frozen.startswith("frozen\n")
    first = next(line for line in frozen.splitlines() if "| b " in line)
    # The second of the section, tied with the first with 20 images; the first of its group.
    assert first.split("|")[1].strip() == "≈ 1"
    assert "failed" in frozen and "failed" not in default
    assert "Groups change no statistics" in text.split("\n## ")[0]
    assert "of 3 other rows" in text


def test_all_group_columns_keep_all_rows(leaderboard):
    filtered = filter_rows(leaderboard, ["fer2013"])
    for column in GROUP_COLUMNS:
        groups = split_groups(group_rows(filtered, column).frame)
        assert sum(len(rows) for _, rows in groups) == 5
    with pytest.raises(UserError, match="recipe"):
        group_rows(leaderboard, "recipes")
