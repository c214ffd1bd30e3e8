"""Two datasets as one: trained on the first, tested on the whole of the other."""

from dataclasses import replace

import numpy as np
import pytest
from made_up_faces import faces

from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.protocols.cross_dataset import concatenate, load
from fer_bench.protocols.registry import DataProtocol, expand_protocols, folds


@pytest.fixture
def ours():
    """An official split without persons; four classes."""
    dataset = replace(faces(90, 4, None, 0, "ours"), classes=("angry", "happy", "sad", "neutral"))
    return replace(dataset, split=(np.arange(90) % 3).astype(np.int8), labels=np.arange(90) % 4)


@pytest.fixture
def theirs():
    """Persons, no split, larger images, other names for three of the classes, and contempt."""
    dataset = replace(faces(40, 4, 12, 1, "theirs"), classes=("contempt", "Happiness", "ANGER", "sadness"))
    return replace(dataset, images=np.repeat(np.repeat(dataset.images, 2, 1), 2, 2), labels=np.arange(40) % 4)


def test_classes_are_matched_by_what_they_mean_in_the_firsts_order(ours, theirs):
    both = concatenate(ours, theirs)
    assert both.name == "ours->theirs" and both.classes == ("angry", "happy", "sad")
    test = both.split == 2
    names = np.array(["angry", "happy", "sad"])[both.labels[test]]
    expected = {1: "happy", 2: "angry", 3: "sad"}
    np.testing.assert_array_equal(names, [expected[i] for i in theirs.labels if i])
    np.testing.assert_array_equal(both.labels[~test], ours.labels[(ours.split != 2) & (ours.labels < 3)])
    assert "neutral of ours and contempt of theirs left out" in both.notes[-1]


def test_images_have_the_size_of_the_first(ours, theirs):
    both = concatenate(ours, theirs)
    assert both.images.shape[1:] == (4, 4) and both.images.dtype == np.uint8
    np.testing.assert_array_equal(both.images[both.split == 2], theirs.images[theirs.labels > 0][:, ::2, ::2])
    back = concatenate(theirs, ours)
    assert back.images.shape[1:] == (8, 8)


def test_the_firsts_test_part_stays_away_and_its_validation_selects(ours, theirs):
    both = concatenate(ours, theirs)
    (fold,) = folds("cross", both, 0)
    for part, indices in enumerate((fold.training, fold.validation)):
        expected = ours.ids[(ours.split == part) & (ours.labels < 3)]
        assert both.ids[indices].tolist() == [f"ours/{i}" for i in expected]
    assert len(fold.test) == 30 and fold.notes == ()
    assert len(set(both.ids)) == len(both)


def test_without_a_split_validation_is_cut_by_whole_persons(ours, theirs):
    both = concatenate(theirs, ours)
    (fold,) = folds("cross", both, 0)
    assert fold.notes == ("validation cut from training",)
    persons = [set(both.subjects[part]) for part in (fold.training, fold.validation, fold.test)]
    assert not persons[0] & persons[1] and len(persons[1]) >= 1
    assert len(fold.training) + len(fold.validation) == 30
    assert len(fold.test) == (ours.labels < 3).sum()  # all of it, whatever its own split


def test_the_fingerprint_is_of_both(ours, theirs):
    known = {concatenate(ours, theirs).fingerprint, concatenate(theirs, ours).fingerprint}
    known.add(concatenate(replace(ours, fingerprint="other"), theirs).fingerprint)
    assert len(known) == 3
    assert concatenate(ours, theirs).fingerprint in known


def test_what_cannot_be_pooled_is_said(ours, theirs):
    with pytest.raises(UserError, match="fewer than two classes in common \\(happy\\)"):
        concatenate(ours, replace(theirs, classes=("a", "happy", "b", "c")))
    with pytest.raises(UserError, match="one holds images and the other sequences"):
        concatenate(ours, replace(theirs, images=theirs.images[:, None]))
    with pytest.raises(UserError, match="'ours->theirs' is for the protocol cross, not for official"):
        folds("official", concatenate(ours, theirs), 0)


def test_two_datasets_are_loaded_by_their_names(ours, theirs, tmp_path):
    with DATASETS.temporary():
        for dataset in (ours, theirs):
            DATASETS.register(dataset.name)(lambda places, dataset=dataset: dataset)
        assert load("ours->theirs", DataConfig(tmp_path)).name == "ours->theirs"
        assert load("ours", DataConfig(tmp_path)) is ours
        with pytest.raises(UserError, match="theirs"):
            load("ours->their", DataConfig(tmp_path))


def test_a_cross_brings_its_own_data():
    assert expand_protocols(["a", "b"], ["kfold", "cross:a->b", "official"]) == [
        *(DataProtocol(data, protocol) for data in ("a", "b") for protocol in ("kfold", "official")),
        DataProtocol("a->b", "cross"),
    ]
    assert (
        expand_protocols([], ["cross:a -> b"])
        == expand_protocols(["a->b"], ["cross"])
        == [DataProtocol("a->b", "cross")]
    )


@pytest.mark.parametrize(
    ("datasets", "protocols", "sentence"),
    [
        ([], ["cross:a-"], r"'cross:a-' names no two datasets, as .* does \(in quotes: the shell takes > for itself\)"),
        ([], ["cross:a"], "'cross:a' names no two datasets"),
        ([], ["cross:a->a"], "names no two datasets"),
        ([], ["cross:a->b->c"], "names no two datasets"),
        ([], ["kfold"], "Name a dataset"),
        (["a"], ["crss:a->b"], "Unknown protocol 'crss:a->b'"),
        (["a"], ["file:nowhere.json"], "no split file nowhere.json"),
    ],
)
def test_a_mistaken_setting_is_a_sentence(datasets, protocols, sentence):
    with pytest.raises(UserError, match=sentence):
        expand_protocols(datasets, protocols)
