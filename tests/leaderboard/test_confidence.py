"""Intervals of rows, and which of them cannot be told from the best."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_records import exact

from fer_bench.evaluation.resampling import bootstrap_interval
from fer_bench.evaluation.significance import compare_all_pairs, tied_with_best
from fer_bench.leaderboard.leaderboard import compute_leaderboard
from fer_bench.records import load


def answers(right: list[int] | np.ndarray, classes: int = 3):
    """Predictions on as many samples, right where told."""
    labels = np.arange(len(right)) % classes
    return exact(list(labels), list(np.where(right, labels, (labels + 1) % classes)), classes)


def first(number: int, of: int = 400) -> np.ndarray:
    return np.arange(of) < number


def shuffled(predictions, seed: int = 0):
    order = np.random.default_rng(seed).permutation(len(predictions.labels))
    columns = {name: getattr(predictions, name) for name in ("ids", "labels", "probabilities", "clean", "groups")}
    return replace(predictions, **{name: v if v is None else v[order] for name, v in columns.items()})


def read(make):
    return compute_leaderboard(load(make.results))


def notes_of(found) -> str:
    (notes,) = found.notes.values()
    return " ".join(notes)


def test_the_interval_is_that_of_the_mean_over_seeds(make):
    make(seed=0, test=answers(first(300)))
    make(seed=1, test=answers(first(280)))
    row = read(make).frame.iloc[0]
    low, high = bootstrap_interval(np.mean([first(300), first(280)], axis=0))
    assert (row["accuracy_low"], row["accuracy_high"]) == pytest.approx((low, high), abs=0.005)  # other draws
    assert row["accuracy_low"] < row["accuracy"] < row["accuracy_high"]
    assert np.isnan(row["test_groups"])


def test_whole_subjects_are_drawn_where_they_are_recorded(make):
    right = np.repeat(np.arange(20) < 14, 20)  # 14 persons always right, 6 always wrong
    persons = np.repeat([f"S{i:02d}" for i in range(20)], 20)
    make("by_image", dataset="a", test=answers(right))
    make("by_person", dataset="b", test=replace(answers(right), groups=persons))
    by_image, by_person = (row for _, row in read(make).frame.iterrows())
    width = {row["model"]: row["accuracy_high"] - row["accuracy_low"] for row in (by_image, by_person)}
    assert width["by_person"] > 3 * width["by_image"]
    assert by_person["test_groups"] == 20
    notes = list(read(make).notes.values())
    assert "bootstrap over 400 test images" in notes[0][0]
    assert "20 subjects or sequences, each drawn whole (400 test images)" in notes[1][0]


def test_the_group_of_the_best_is_marked_and_the_others_are_not(make):
    make("best", test=answers(first(300)))
    make("near", test=answers(first(298)))
    make("poor", test=answers(first(200)))
    make("broken", status="failed", reason="out of memory")
    found = read(make)
    assert dict(zip(found.frame["model"], found.frame["tied"], strict=True)) == {
        "best": True,
        "near": True,
        "poor": False,
        "broken": None,
    }
    expected = tied_with_best(compare_all_pairs([first(300), first(298), first(200)]))
    assert found.frame["tied"].tolist()[:3] == expected.tolist()
    assert "1 of 2 other rows can be told from the best" in notes_of(found)
    assert "Holm-corrected over 3 pairs" in notes_of(found)
    assert "≈ marks those that cannot" in notes_of(found)


def test_a_row_alone_is_compared_with_nobody(make):
    make(test=answers(first(300)))
    found = read(make)
    assert found.frame["tied"].tolist() == [None]
    assert "told from" not in notes_of(found)


def test_the_order_of_samples_does_not_matter(make):
    make("best", test=shuffled(answers(first(300)), 1))
    make("poor", seed=0, test=shuffled(answers(first(200)), 2))
    make("poor", seed=1, test=answers(first(200)))
    found = read(make)
    assert found.frame["tied"].tolist() == [True, False]
    assert found.frame["accuracy_low"].iloc[1] == pytest.approx(float(bootstrap_interval(first(200))[0]), abs=0.01)


def test_rows_with_other_samples_are_not_compared_and_that_is_said(make):
    make("best", test=answers(first(300)))
    make("near", test=answers(first(299)))
    fewer = answers(first(300))
    columns = {name: getattr(fewer, name)[:350] for name in ("ids", "labels", "probabilities")}
    make("other", test=replace(fewer, **columns))
    found = read(make)
    marks = dict(zip(found.frame["model"], found.frame["tied"], strict=True))
    assert marks == {"best": True, "near": True, "other": None}
    assert found.frame["accuracy_low"].notna().all()
    assert "best of the 2 with the same test images" in notes_of(found)
    assert "not the same: other." in notes_of(found)


def test_other_labels_of_the_same_images_are_other_samples(make):
    make("one", test=answers(first(300)))
    changed = answers(first(300))
    make("two", test=replace(changed, labels=(changed.labels + 1) % 3))
    assert read(make).frame["tied"].tolist() == [None, None]


def test_a_seed_with_other_samples_does_not_count_for_the_interval(make):
    for seed in (0, 1):
        make(fold=0, seed=seed, test=answers(first(60, 100)))
    other = replace(answers(first(90, 100)), ids=np.array([f"j{i}" for i in range(100)]))
    make(fold=1, seed=0, test=other)
    make(fold=1, seed=1, test=other)
    make(fold=0, seed=2, test=answers(first(10, 100)))
    found = read(make)
    row = found.frame.iloc[0]
    assert row["accuracy"] == pytest.approx((0.75 + 0.75 + 0.1) / 3)
    assert 0.68 < row["accuracy_low"] < 0.75 < row["accuracy_high"] < 0.82
    assert "seeds with the same test images: cnn (2 of 3)" in notes_of(found)


@pytest.mark.parametrize(
    ("seeds", "said"),
    [({"a": 1, "b": 1}, "One seed a row"), ({"a": 3, "b": 3}, "3 seeds a row"), ({"a": 2, "b": 3}, "2 to 3 seeds")],
)
def test_how_many_seeds_there_are_is_said(make, seeds, said):
    for model, number in seeds.items():
        for seed in range(number):
            make(model, seed=seed)
    assert said in notes_of(read(make))


def test_what_makes_an_interval_too_narrow_is_said(make):
    persons = np.repeat(["S1", "S2", "S3", "S4"], 100)
    make("sure", test=replace(answers(first(398)), groups=persons))
    make("fair", test=replace(answers(first(300)), groups=persons))
    text = notes_of(read(make))
    assert "With so few to draw" in text
    assert "fewer than 5 images are wrong, or right: sure." in text


def test_absent_classes_are_said(make):
    make(test=exact([0, 1, 0, 1], [0, 1, 2, 1]))
    found = read(make)
    assert found.frame["absent_classes"].tolist() == ["fear"]
    assert "No test image shows fear" in notes_of(found)


def test_folds_without_a_class_are_counted(make):
    make(fold=0, test=exact([0, 1, 2], [0, 1, 2]))
    make(fold=1, test=replace(exact([0, 1, 1], [0, 1, 1]), ids=np.array(["x", "y", "z"])))
    text = notes_of(read(make))
    assert "1 of 2 folds have no test image of a class (fear)" in text
    assert "No test image shows" not in text
