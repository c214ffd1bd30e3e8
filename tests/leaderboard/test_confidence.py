"""Intervals of rows, and which rows are tied with the best."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_records import bootstrap_interval, exact, leaderboard_of


def predictions_with(correct: np.ndarray, classes: int = 3):
    """Return predictions of as many samples with these correct."""
    labels = np.arange(len(correct)) % classes
    return exact(list(labels), list(np.where(correct, labels, (labels + 1) % classes)), classes)


def first(number: int, of: int = 400) -> np.ndarray:
    return np.arange(of) < number


def shuffled(predictions, seed: int = 0):
    order = np.random.default_rng(seed).permutation(len(predictions.labels))
    columns = {
        name: getattr(predictions, name) for name in ("ids", "labels", "probabilities", "no_duplicate", "groups")
    }
    return replace(predictions, **{name: v if v is None else v[order] for name, v in columns.items()})


def notes_of(found) -> str:
    (notes,) = found.notes.values()
    return " ".join(notes)


def test_the_interval_is_that_of_the_mean_over_seeds(make):
    make(seed=0, test=predictions_with(first(300)))
    make(seed=1, test=predictions_with(first(280)))
    row = leaderboard_of(make).frame.iloc[0]
    low, high = bootstrap_interval(np.mean([first(300), first(280)], axis=0))
    assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx((low, high), abs=0.005)  # other draws
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
    assert np.isnan(row["test_groups"])


def test_whole_subjects_are_drawn_if_they_are_known(make):
    right = np.repeat(np.arange(20) < 14, 20)  # 14 subjects always correct, 6 always wrong
    subjects = np.repeat([f"S{i:02d}" for i in range(20)], 20)
    make("by_image", dataset="a", test=predictions_with(right))
    make("by_subject", dataset="b", test=replace(predictions_with(right), groups=subjects))
    by_image, by_subject = (row for _, row in leaderboard_of(make).frame.iterrows())
    width = {row["model"]: row["accuracy_high"] - row["accuracy_low"] for row in (by_image, by_subject)}
    assert width["by_subject"] > 3 * width["by_image"]
    assert by_subject["test_groups"] == 20
    notes = list(leaderboard_of(make).notes.values())
    assert "bootstrap over 400 test images" in notes[0][0]
    assert "20 subjects or sequences" in notes[1][0]


def test_rows_tied_with_the_best_are_marked(make):
    make("best", test=predictions_with(first(300)))
    make("near", test=predictions_with(first(298)))
    make("poor", test=predictions_with(first(200)))
    make("broken", status="failed", reason="out of memory")
    found = leaderboard_of(make)
    assert dict(zip(found.frame["model"], found.frame["tied"], strict=True)) == {
        "best": True,
        "near": True,
        "poor": False,
        "broken": None,
    }
    assert "1 of 2 other rows" in notes_of(found)
    assert "Holm-corrected over 3 pairs" in notes_of(found)
    assert "≈ marks tied rows" in notes_of(found)


def test_a_single_row_is_not_compared(make):
    make(test=predictions_with(first(300)))
    found = leaderboard_of(make)
    assert found.frame["tied"].tolist() == [None]
    assert "significantly" not in notes_of(found)


def test_the_order_of_samples_does_not_matter(make):
    make("best", test=shuffled(predictions_with(first(300)), 1))
    make("poor", seed=0, test=shuffled(predictions_with(first(200)), 2))
    make("poor", seed=1, test=predictions_with(first(200)))
    found = leaderboard_of(make)
    assert found.frame["tied"].tolist() == [True, False]
    assert found.frame["accuracy_low"].iloc[1] == pytest.approx(float(bootstrap_interval(first(200))[0]), abs=0.01)


def test_rows_with_other_samples_are_not_compared(make):
    make("best", test=predictions_with(first(300)))
    make("near", test=predictions_with(first(299)))
    fewer = predictions_with(first(300))
    columns = {name: getattr(fewer, name)[:350] for name in ("ids", "labels", "probabilities")}
    make("other", test=replace(fewer, **columns))
    found = leaderboard_of(make)
    marks = dict(zip(found.frame["model"], found.frame["tied"], strict=True))
    assert marks == {"best": True, "near": True, "other": None}
    assert found.frame["accuracy_low"].notna().all()
    assert "best of the 2 with the same test images" in notes_of(found)
    assert "differ: other." in notes_of(found)


def test_other_labels_of_the_same_images_are_other_samples(make):
    make("one", test=predictions_with(first(300)))
    changed = predictions_with(first(300))
    make("two", test=replace(changed, labels=(changed.labels + 1) % 3))
    assert leaderboard_of(make).frame["tied"].tolist() == [None, None]


def test_a_seed_with_other_samples_does_not_count_for_the_interval(make):
    for seed in (0, 1):
        make(fold=0, seed=seed, test=predictions_with(first(60, 100)))
    other = replace(predictions_with(first(90, 100)), ids=np.array([f"j{i}" for i in range(100)]))
    make(fold=1, seed=0, test=other)
    make(fold=1, seed=1, test=other)
    make(fold=0, seed=2, test=predictions_with(first(10, 100)))
    found = leaderboard_of(make)
    row = found.frame.iloc[0]
    assert row["accuracy"] == pytest.approx((0.75 + 0.75 + 0.1) / 3)
    assert 0.68 < row["accuracy_low"] < 0.75 < row["accuracy_high"] < 0.82
    assert "seeds with the same test images: cnn (2 of 3)" in notes_of(found)


@pytest.mark.parametrize(
    ("seeds", "text"),
    [({"a": 1, "b": 1}, "One seed per row"), ({"a": 3, "b": 3}, "3 seeds per row"), ({"a": 2, "b": 3}, "2 to 3 seeds")],
)
def test_a_note_has_the_number_of_seeds(make, seeds, text):
    for model, number in seeds.items():
        for seed in range(number):
            make(model, seed=seed)
    assert text in notes_of(leaderboard_of(make))


def test_a_note_warns_of_intervals_that_are_too_narrow(make):
    subjects = np.repeat(["S1", "S2", "S3", "S4"], 100)
    make("sure", test=replace(predictions_with(first(398)), groups=subjects))
    make("fair", test=replace(predictions_with(first(300)), groups=subjects))
    text = notes_of(leaderboard_of(make))
    assert "so few groups" in text
    assert "fewer than 5 images are wrong or correct: sure." in text


def test_a_note_has_absent_classes(make):
    make(test=exact([0, 1, 0, 1], [0, 1, 2, 1]))
    found = leaderboard_of(make)
    assert found.frame["absent_classes"].tolist() == ["fear"]
    assert "No test image has the class fear" in notes_of(found)


def test_folds_without_a_class_are_counted(make):
    make(fold=0, test=exact([0, 1, 2], [0, 1, 2]))
    make(fold=1, test=replace(exact([0, 1, 1], [0, 1, 1]), ids=np.array(["x", "y", "z"])))
    text = notes_of(leaderboard_of(make))
    assert "1 of 2 folds have no test image of a class (fear)" in text
    assert "No test image has the class" not in text
