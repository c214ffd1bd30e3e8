"""Average ranks of models over datasets."""

import numpy as np
import pytest
from made_up_records import leaderboard_of

from fer_bench.report.markdown import to_markdown


def test_models_that_all_datasets_have_are_ranked(make):
    for dataset, accuracies in {"a": (0.9, 0.6, 0.3, 0.3), "b": (0.5, 0.8, 0.2, 0.2)}.items():
        for model, accuracy in zip(("first", "second", "third", "tied"), accuracies, strict=True):
            make(model, dataset=dataset, accuracy=accuracy, recipe_name=f"default, epochs={len(dataset)}{dataset}")
    make("other", dataset="a", accuracy=0.95)
    leaderboard = leaderboard_of(make)
    assert leaderboard.ranks["average_rank"].tolist() == [1.5, 1.5, 3.5, 3.5]
    by_model = leaderboard.frame.groupby("model")["average_rank"].first().to_dict()
    assert by_model == pytest.approx(
        {"first": 1.5, "second": 1.5, "third": 3.5, "tied": 3.5, "other": np.nan}, nan_ok=True
    )
    section = to_markdown(leaderboard).split("## Average ranks")[1].split("## Full tables")[0]
    assert "| a, official |" in " ".join(section.split())
    assert "other" not in section


def test_there_are_no_ranks_with_one_dataset_or_synthetic_data(make):
    for dataset in ("a", "synthetic"):
        for model in ("first", "second"):
            make(model, dataset=dataset)
    leaderboard = leaderboard_of(make)
    assert leaderboard.ranks.empty and leaderboard.frame["average_rank"].isna().all()
    assert "Average ranks" not in to_markdown(leaderboard)


def test_a_dataset_with_one_model_is_ignored(make):
    for dataset in ("a", "b"):
        make("first", dataset=dataset, accuracy=0.8)
        make("second", dataset=dataset, accuracy=0.4)
    make("first", dataset="c")
    assert leaderboard_of(make).ranks["average_rank"].tolist() == [1, 2]


def test_two_recipes_of_a_model_have_ranks_of_their_own(make):
    for dataset in ("a", "b"):
        make(dataset=dataset, accuracy=0.8, recipe_name="default, epochs=3")
        make(dataset=dataset, accuracy=0.4, recipe_name="default, epochs=1", recipe={"epochs": 1})
    leaderboard = leaderboard_of(make)
    assert [model[1] for model in leaderboard.ranks.index] == ["default, epochs=3", "default, epochs=1"]
    assert leaderboard.ranks["average_rank"].tolist() == [1, 2]


def test_failed_rows_are_not_ranked(make):
    for dataset in ("a", "b"):
        make("first", dataset=dataset, accuracy=0.8)
        make("second", dataset=dataset, accuracy=0.4)
        make("third", dataset=dataset, status="failed")
    assert len(leaderboard_of(make).ranks) == 2


def test_tables_of_some_classes_are_ignored(make):
    for dataset in ("a", "b"):
        make("first", dataset=dataset, accuracy=0.8)
        make("second", dataset=dataset, accuracy=0.4)
    for model in ("other", "another"):
        make(model, dataset="a", protocol="official (2 of 7 classes: happy sad)")
    assert leaderboard_of(make).ranks["average_rank"].tolist() == [1, 2]
