"""Average ranks of models over datasets."""

import numpy as np
import pytest

from fer_bench.leaderboard.leaderboard import board
from fer_bench.records import load
from fer_bench.report.markdown import to_markdown


def read(make):
    return board(load(make.results))


def test_ranks_over_datasets_of_the_models_that_all_have(make):
    for dataset, accuracies in {"a": (0.9, 0.6, 0.3), "b": (0.5, 0.8, 0.2)}.items():
        for model, accuracy in zip(("first", "second", "third"), accuracies, strict=True):
            make(model, dataset=dataset, accuracy=accuracy, recipe_name=f"default, epochs={len(dataset)}{dataset}")
    make("stranger", dataset="a", accuracy=0.95)
    found = read(make)
    assert found.ranks["average_rank"].tolist() == [1.5, 1.5, 3]
    by_model = found.frame.groupby("model")["average_rank"].first().to_dict()
    assert by_model == pytest.approx({"first": 1.5, "second": 1.5, "third": 3, "stranger": np.nan}, nan_ok=True)
    section = to_markdown(found).split("## Average ranks")[1]
    assert "| a, official |" in " ".join(section.split())
    assert "stranger" not in section


def test_there_are_no_ranks_over_one_dataset_nor_over_drawn_faces(make):
    for dataset in ("a", "synthetic"):
        for model in ("first", "second"):
            make(model, dataset=dataset)
    found = read(make)
    assert found.ranks.empty and found.frame["average_rank"].isna().all()
    assert "Average ranks" not in to_markdown(found)


def test_a_dataset_with_one_model_does_not_keep_the_others_from_being_ranked(make):
    for dataset in ("a", "b"):
        make("first", dataset=dataset, accuracy=0.8)
        make("second", dataset=dataset, accuracy=0.4)
    make("first", dataset="c")
    assert read(make).ranks["average_rank"].tolist() == [1, 2]


def test_two_recipes_of_a_model_are_ranked_apart(make):
    for dataset in ("a", "b"):
        make(dataset=dataset, accuracy=0.8, recipe_name="default, epochs=3")
        make(dataset=dataset, accuracy=0.4, recipe_name="default, epochs=1", recipe={"epochs": 1})
    found = read(make)
    assert [model[1] for model in found.ranks.index] == ["default, epochs=3", "default, epochs=1"]
    assert found.ranks["average_rank"].tolist() == [1, 2]


def test_failed_rows_are_not_ranked(make):
    for dataset in ("a", "b"):
        make("first", dataset=dataset, accuracy=0.8)
        make("second", dataset=dataset, accuracy=0.4)
        make("third", dataset=dataset, status="failed")
    assert len(read(make).ranks) == 2
