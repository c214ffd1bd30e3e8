"""Notes on the folds of any protocol: absent classes, and subjects in training and test."""

from dataclasses import replace

import numpy as np
import pytest

from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.fold_notes import describe_problems
from fer_bench.protocols.registry import folds


def make(counts: dict[str, int]) -> Dataset:
    labels = np.repeat(np.arange(len(counts)), list(counts.values()))
    return Dataset(
        name="made",
        images=np.random.default_rng(1).integers(0, 256, (len(labels), 4, 4), np.uint8),
        labels=labels,
        ids=np.array([str(i) for i in range(len(labels))]),
        classes=tuple(counts),
        fingerprint="made",
    )


def test_rare_classes_of_one_fold():
    data = make({"happy": 12, "neutral": 2, "disgust": 1})
    (fold,) = folds("holdout-80-10-10", data, seed=0)
    lacking = {name for note in fold.notes for name in ("neutral", "disgust") if name in note}
    assert lacking == {"neutral", "disgust"} and all(note.startswith("no ") for note in fold.notes)
    assert any("(1 image in all)" in sentence for sentence in describe_problems(data, [fold]))


def test_class_that_some_folds_do_not_train():
    data = make({"happy": 12, "neutral": 2, "disgust": 1})
    found = folds("kfold", data, seed=0)
    assert {fold.notes for fold in found} == {("no disgust in training of 2 of 10 folds",)}
    assert "never trained" in describe_problems(data, found)[0]


@pytest.mark.parametrize("protocol", ["kfold", "holdout-80-10-10"])
def test_no_notes_on_complete_splits(protocol):
    data = make({"happy": 30, "sad": 20})
    assert all(fold.notes == () for fold in folds(protocol, data, seed=0))
    assert describe_problems(data, folds(protocol, data, seed=0)) == []


def test_subjects_in_training_and_test():
    data = replace(make({"happy": 6, "sad": 6}), split=np.array([0, 0, 1, 1, 2, 2] * 2, np.int8))
    leaky = replace(data, subjects=np.array(["a", "b", "c", "c", "b", "d"] * 2))
    clean = replace(data, subjects=np.array(["a", "b", "c", "c", "d", "d"] * 2))
    assert folds("official", leaky, seed=0)[0].notes == ("leaky: same subjects in training and test",)
    assert folds("official", clean, seed=0)[0].notes == ()
    assert "same subjects" in describe_problems(leaky, folds("official", leaky, seed=0))[0]
    assert describe_problems(clean, folds("official", clean, seed=0)) == []
