"""Two datasets as one: training on the first, testing on the whole of the other."""

from dataclasses import replace

import numpy as np
import pytest
from random_datasets import faces

from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.protocols.cross_dataset import concatenate, load
from fer_bench.protocols.registry import DataProtocol, expand_protocols, folds


@pytest.fixture
def first():
    """An official split without subjects; four classes."""
    dataset = replace(faces(90, 4, None, 0, "ours"), classes=("angry", "happy", "sad", "neutral"))
    return replace(dataset, split=(np.arange(90) % 3).astype(np.int8), labels=np.arange(90) % 4)


@pytest.fixture
def second():
    """Subjects, no split, larger images, other names for three of the classes, and contempt."""
    dataset = replace(faces(40, 4, 12, 1, "theirs"), classes=("contempt", "Happiness", "ANGER", "sadness"))
    return replace(dataset, images=np.repeat(np.repeat(dataset.images, 2, 1), 2, 2), labels=np.arange(40) % 4)


def test_classes_are_matched_by_meaning_in_the_order_of_the_first(first, second):
    both = concatenate(first, second)
    assert both.name == "ours->theirs" and both.classes == ("angry", "happy", "sad")
    test = both.split == 2
    names = np.array(["angry", "happy", "sad"])[both.labels[test]]
    expected = {1: "happy", 2: "angry", 3: "sad"}
    np.testing.assert_array_equal(names, [expected[i] for i in second.labels if i])
    np.testing.assert_array_equal(both.labels[~test], first.labels[(first.split != 2) & (first.labels < 3)])
    assert "neutral of ours and contempt of theirs" in both.notes[-1]


def test_images_have_the_size_of_the_first(first, second):
    both = concatenate(first, second)
    assert both.images.shape[1:] == (4, 4) and both.images.dtype == np.uint8
    np.testing.assert_array_equal(both.images[both.split == 2], second.images[second.labels > 0][:, ::2, ::2])
    back = concatenate(second, first)
    assert back.images.shape[1:] == (8, 8)


def test_the_test_split_of_the_first_is_not_used_and_its_validation_split_is(first, second):
    both = concatenate(first, second)
    (fold,) = folds("cross", both, 0)
    for number, indices in enumerate((fold.training, fold.validation)):
        expected = first.ids[(first.split == number) & (first.labels < 3)]
        assert both.ids[indices].tolist() == [f"ours/{i}" for i in expected]
    assert len(fold.test) == 30 and fold.notes == ()
    assert len(set(both.ids)) == len(both)


def test_without_a_split_whole_subjects_are_split_off_for_validation(first, second):
    both = concatenate(second, first)
    (fold,) = folds("cross", both, 0)
    assert fold.notes == ("validation cut from training",)
    training, validation = (set(both.subjects[indices]) for indices in (fold.training, fold.validation))
    assert not training & validation and validation
    assert len(fold.training) + len(fold.validation) == 30
    assert len(fold.test) == (first.labels < 3).sum()  # all splits


def test_the_fingerprint_depends_on_both_datasets(first, second):
    fingerprints = {concatenate(first, second).fingerprint, concatenate(second, first).fingerprint}
    fingerprints.add(concatenate(replace(first, fingerprint="other"), second).fingerprint)
    assert len(fingerprints) == 3
    assert concatenate(first, second).fingerprint in fingerprints


def test_datasets_that_cannot_be_concatenated_are_an_error(first, second):
    with pytest.raises(UserError, match="happy"):
        concatenate(first, replace(second, classes=("a", "happy", "b", "c")))
    with pytest.raises(UserError, match="sequences"):
        concatenate(first, replace(second, images=second.images[:, None]))
    with pytest.raises(UserError, match="requires the protocol cross"):
        folds("official", concatenate(first, second), 0)


def test_two_datasets_are_loaded_by_their_names(first, second, tmp_path):
    with DATASETS.temporary():
        for dataset in (first, second):
            DATASETS.register(dataset.name)(lambda places, dataset=dataset: dataset)
        assert load("ours->theirs", DataConfig(tmp_path)).name == "ours->theirs"
        assert load("ours", DataConfig(tmp_path)) is first
        with pytest.raises(UserError, match="theirs"):
            load("ours->their", DataConfig(tmp_path))


def test_cross_names_its_own_datasets():
    assert expand_protocols(["a", "b"], ["kfold", "cross:a->b", "official"]) == [
        *(DataProtocol(data, protocol) for data in ("a", "b") for protocol in ("kfold", "official")),
        DataProtocol("a->b", "cross"),
    ]
    for datasets, protocol in (([], "cross:a -> b"), (["a->b"], "cross")):
        assert expand_protocols(datasets, [protocol]) == [DataProtocol("a->b", "cross")]


@pytest.mark.parametrize(
    ("datasets", "protocols", "message"),
    [
        ([], ["cross:a-"], "quotes"),
        ([], ["cross:a"], "'cross:a' does not name two datasets"),
        ([], ["cross:a->a"], "two datasets"),
        ([], ["cross:a->b->c"], "two datasets"),
        ([], ["kfold"], "Name a dataset"),
        (["a"], ["crss:a->b"], "Unknown protocol 'crss:a->b'"),
        (["a"], ["file:nowhere.json"], "nowhere.json"),
    ],
)
def test_wrong_protocols_are_a_user_error(datasets, protocols, message):
    with pytest.raises(UserError, match=message):
        expand_protocols(datasets, protocols)
