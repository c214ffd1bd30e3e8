"""Some of a dataset's classes under any protocol."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_datasets import datasets, faces

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS
from fer_bench.protocols.class_subset import restrict, whole_protocol
from fer_bench.protocols.fold import Fold
from fer_bench.protocols.registry import folds


@settings(max_examples=20, deadline=None)
@given(st.data(), st.sampled_from(["subject-kfold", "loso", "image-kfold"]))
def test_folds_lose_the_images_of_other_classes_and_nothing_else(data, protocol):
    dataset = data.draw(datasets(subjects=True))
    classes = sorted(data.draw(st.permutations(range(len(dataset.classes))))[: len(dataset.classes) // 2 + 1])
    whole = folds(protocol, dataset, 0)
    subset, found, title = restrict(dataset, whole, protocol, classes)
    assert title.startswith(f"{protocol} ({len(classes)} of {len(dataset.classes)} classes: ")
    name_of = dict(zip(dataset.ids, np.array(dataset.classes)[dataset.labels], strict=True))
    assert [name_of[i] for i in subset.ids] == [subset.classes[label] for label in subset.labels]
    kept = [
        {split: [i for i in dataset.ids[getattr(fold, split)] if name_of[i] in subset.classes] for split in SPLITS}
        for fold in whole
    ]
    assert [{split: subset.ids[getattr(fold, split)].tolist() for split in SPLITS} for fold in found] == [
        of_fold for of_fold in kept if of_fold["test"]
    ]
    at = np.searchsorted(dataset.ids, subset.ids[0], sorter=np.argsort(dataset.ids))
    position = np.argsort(dataset.ids)[at]
    assert (subset.images[0] == dataset.images[position]).all() and subset.subjects[0] == dataset.subjects[position]


def test_duplicates_and_notes_of_a_fold_are_kept():
    dataset = replace(faces(6, 3, None, 0), labels=np.array([0, 1, 2, 0, 1, 2]))
    fold = Fold(
        np.array([], int), np.array([0, 1]), np.array([5, 4, 3, 2]), np.array([True, False, True, False]), ("leaky",)
    )
    subset, (restricted,), _ = restrict(dataset, [fold], "file:a@1", [0, 2])
    assert subset.ids[restricted.test].tolist() == dataset.ids[[5, 3, 2]].tolist()
    assert restricted.no_duplicate.tolist() == [True, True, False] and restricted.notes == ("leaky",)
    assert "3 of 4 test images" in subset.notes[-1]


def test_classes_without_a_test_image_fail():
    dataset = replace(faces(4, 3, None, 0), labels=np.array([0, 1, 2, 2]))
    with pytest.raises(UserError, match="no test image"):
        restrict(dataset, [Fold(*np.array([[0], [1], [2]]))], "official", [0, 1])


def test_titles_differ_by_classes_and_have_no_comma():
    dataset = faces(60, 40, None, 0)
    fold = Fold(*np.arange(60).reshape(3, 20))
    titles = [restrict(dataset, [fold], "official", classes)[2] for classes in (range(30), [*range(29), 31], [0, 1])]
    assert len(set(titles)) == 3 and max(map(len, titles)) < 150 and "," not in "".join(titles)
    assert [whole_protocol(title) for title in titles] == [
        ("official", "30 of 40 classes"),
        ("official", "30 of 40 classes"),
        ("official", "2 of 40 classes"),
    ]
    assert whole_protocol("file:official@1") == ("file:official@1", "")
