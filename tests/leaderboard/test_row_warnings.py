"""Warnings of a row, and rows below the others because they may have been trained on the test images."""

import numpy as np
import pytest
from made_up_records import RecordMaker, exact, leaderboard_of, made_up

from fer_bench.datasets.dataset import FER2013_CLASSES
from fer_bench.leaderboard.ensemble_members import select_candidates
from fer_bench.leaderboard.filter import group_rows
from fer_bench.leaderboard.ranking import rank_by
from fer_bench.leaderboard.row_warnings import row_warnings
from fer_bench.records import load
from fer_bench.records.schema import Predictions, TrainingCheck

EXTERNAL = {"external": {"labels": list(FER2013_CLASSES)}}


def add_external(make: RecordMaker, name: str, training: float, accuracy: float, samples: int = 800, **more) -> None:
    check = TrainingCheck(images=3000, accuracy=training, neighbor_accuracy=0.3)
    make(
        name, accuracy=accuracy, samples=samples, recipe=EXTERNAL, recipe_name="external", training_check=check, **more
    )


def swap_last(predictions: Predictions) -> Predictions:
    """Return predictions with the outputs of FER2013's order read in the alphabetical order, and the reverse."""
    columns = [0, 1, 2, 3, 6, 4, 5]
    return Predictions(predictions.ids, predictions.labels, predictions.probabilities[:, columns])


@pytest.fixture
def suspected(make):
    """A leaderboard with two honest models and one that was trained on the test images."""
    make("cnn", accuracy=0.6, samples=800)
    add_external(make, "honest", 0.76, 0.69)
    add_external(make, "all_images", 0.90, 0.91)
    make("broken", status="failed", reason="out of memory")
    return leaderboard_of(make)


def test_a_suspected_model_is_below_the_others_and_is_not_compared(suspected):
    frame = suspected.frame.set_index("model")
    assert frame.index.tolist() == ["honest", "cnn", "all_images", "broken"]
    assert frame["rank"].tolist()[:2] == [1, 2] and frame["rank"].isna().tolist() == [False, False, True, True]
    assert frame["tied"]["all_images"] is None and frame["tied"]["honest"] is not None
    assert "external · no gap between training and test" in frame["badges"]["all_images"]
    assert "no gap" not in frame["badges"]["honest"] and frame["training_accuracy"]["honest"] == 0.76
    (notes,) = suspected.notes.values()
    assert any("Not ranked" in note and "all_images" in note for note in notes)
    assert any("1 of 1 other row" in note or "0 of 1 other row" in note for note in notes)


def test_ranks_by_another_metric_and_in_groups(make, suspected):
    by_f1 = rank_by(suspected, "macro_f1", load(make.results)).frame.set_index("model")
    assert by_f1["rank"].isna()["all_images"] and by_f1["tied"]["all_images"] is None
    assert by_f1.index.tolist()[-2:] == ["all_images", "broken"]
    grouped = group_rows(suspected, "recipe").frame.set_index("model")
    assert grouped["group_rank"].isna()["all_images"] and grouped["group_rank"]["honest"] == 1


def test_a_suspected_model_votes_only_if_it_is_named(make, suspected):
    everybody = [row.trial.architecture for row in select_candidates(make.results, []).rows]
    assert sorted(everybody) == ["cnn", "honest"]
    (named,) = select_candidates(make.results, ["all_images"]).rows
    assert named.trial.architecture == "all_images"


def test_the_warning_has_the_three_accuracies(suspected):
    (row,) = (row for row in suspected.rows.values() if row.trial.architecture == "all_images")
    (sentence,) = row_warnings(row)
    assert "training 90.00 %, validation 9" in sentence and "test 9" in sentence


@pytest.mark.parametrize(
    "more",
    [{"dataset": "mine"}, {"dataset": "ckplus"}, {"test": exact([0, 1, 2] * 200, [0, 1, 2] * 200)}],
    ids=["own dataset", "easy dataset", "three classes"],
)
def test_where_any_accuracy_is_possible_nobody_is_suspected(make, more):
    add_external(make, "perfect", 1.0, 1.0, **more)
    assert "suspicion" not in leaderboard_of(make).frame


def test_own_trials_are_checked_from_their_records(make):
    make("right", accuracy=0.6, samples=800)
    swapped = swap_last(made_up(800, 0.6, 1))
    for seed in range(2):
        make("swapped", seed, test=swapped, validation=swapped)
    make("constant", test=exact([*range(7)] * 20, [3] * 140, 7))
    frame = leaderboard_of(make).frame.set_index("model")
    assert isinstance(frame["warnings"]["swapped"], str) and "'alphabetical'" in frame["warnings"]["swapped"]
    assert "Seed" not in frame["warnings"]["swapped"]
    assert "All 140 test images got one class, happy" in frame["warnings"]["constant"]
    assert not isinstance(frame["warnings"]["right"], str)


def test_warnings_of_one_seed_name_it(make):
    make("model", 0, accuracy=0.6, samples=800)
    make("model", 1, test=exact([*range(7)] * 20, [3] * 140, 7))
    (text,) = leaderboard_of(make).frame["warnings"]
    assert text.startswith("Seed 1: All 140")


def test_orders_of_an_external_model_without_checks_are_those_that_it_states(make):
    """Older records have no checks; the labels of the preprocessing file are in them."""
    predictions = made_up(800, 0.6, 1)
    states = {"external": {"labels": ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise", None]}}
    make("right", test=predictions, validation=predictions, recipe=states)
    stated_alphabetical = [0, 1, 2, 3, 5, 6, 4]
    wrong = Predictions(predictions.ids, predictions.labels, predictions.probabilities[:, stated_alphabetical])
    make("wrong", test=wrong, validation=wrong, recipe=states)
    frame = leaderboard_of(make).frame.set_index("model")
    assert "'fer2013'" in frame["warnings"]["wrong"] and not isinstance(frame["warnings"]["right"], str)


def test_recorded_warnings_are_shown_once(make):
    add_external(make, "folds", 0.5, 0.4, warnings=("Another scaling fits.",))
    add_external(make, "folds", 0.5, 0.4, warnings=("Another scaling fits.",), fold=1)
    (text,) = leaderboard_of(make).frame["warnings"]
    assert text == "Another scaling fits."


def test_labels_that_nobody_expects_do_not_stop_the_report(make):
    for labels in (None, [["angry"]], [1, 2], []):
        make(f"model{labels}", recipe={"external": {"labels": labels}})
    assert len(leaderboard_of(make).frame) == 4 and np.isfinite(leaderboard_of(make).frame["accuracy"]).all()
