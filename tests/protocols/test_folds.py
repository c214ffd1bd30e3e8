"""What must hold of every split, of whatever data: hypothesis draws the data."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_faces import datasets, faces, permuted

from fer_bench.core.errors import UserError
from fer_bench.protocols.fold import SPLITS
from fer_bench.protocols.registry import PROTOCOLS, folds

SEEDS = st.integers(0, 5)
ANY = ("holdout-80-10-10", "kfold")
OF_SUBJECTS = ("subject-kfold", "loso", "kfold", "holdout-80-10-10")
EXAMPLES = settings(max_examples=30, deadline=None)


def parts_of(fold):
    return [getattr(fold, part) for part in SPLITS]


def assert_whole(dataset, found):
    """Every fold's parts are disjoint and complete, none is empty, and indices are in order."""
    for fold in found:
        together = np.concatenate(parts_of(fold))
        np.testing.assert_array_equal(np.sort(together), np.arange(len(dataset)))
        assert all(len(part) and (np.diff(part) > 0).all() and part.dtype == np.int64 for part in parts_of(fold))


def assert_spread(labels, chosen, of, share):
    """Each class has its share of the chosen samples, within one."""
    counts, totals = (np.bincount(labels[i], minlength=labels.max() + 1) for i in (chosen, of))
    assert np.abs(counts - share * totals).max() <= 1


@EXAMPLES
@given(datasets(), SEEDS)
def test_parts_are_disjoint_complete_and_stratified(dataset, seed):
    for protocol, count in (("holdout-80-10-10", 1), ("kfold", 10)):
        found = folds(protocol, dataset, seed)
        assert len(found) == count
        assert_whole(dataset, found)
        for fold in found:
            for part, share in zip(parts_of(fold), (0.8, 0.1, 0.1), strict=True):
                assert_spread(dataset.labels, part, np.arange(len(dataset)), share)
                assert abs(len(part) - share * len(dataset)) <= 1
    for part in ("validation", "test"):
        once = np.sort(np.concatenate([getattr(fold, part) for fold in found]))
        np.testing.assert_array_equal(once, np.arange(len(dataset)))


@EXAMPLES
@given(datasets(subjects=True), SEEDS)
def test_no_subject_is_in_two_parts(dataset, seed):
    for protocol in OF_SUBJECTS:
        found = folds(protocol, dataset, seed)
        assert_whole(dataset, found)
        for fold in found:
            persons = [set(dataset.subjects[part]) for part in parts_of(fold)]
            assert not (persons[0] & persons[1] or persons[0] & persons[2] or persons[1] & persons[2])
            assert fold.notes == ()
        tested = np.concatenate([fold.test for fold in found])
        assert len(tested) == len(set(tested))
        assert len(tested) == len(dataset) or protocol == "holdout-80-10-10"


@EXAMPLES
@given(datasets(split=True), SEEDS)
def test_validation_cut_from_an_official_training_part_is_stratified(dataset, seed):
    (fold,) = folds("official", dataset, seed)
    assert_whole(dataset, [fold])
    assert_spread(dataset.labels, fold.validation, np.flatnonzero(dataset.split == 0), 0.1)


@EXAMPLES
@given(datasets(subjects=True), SEEDS, st.randoms(use_true_random=False))
def test_the_order_in_a_file_has_no_part_in_it(dataset, seed, random):
    order = np.array(random.sample(range(len(dataset)), len(dataset)))
    other = permuted(dataset, order)
    for protocol in (*OF_SUBJECTS, "image-kfold"):
        for one, two in zip(folds(protocol, dataset, seed), folds(protocol, other, seed), strict=True):
            for part in SPLITS:
                assert set(dataset.ids[getattr(one, part)]) == set(other.ids[getattr(two, part)])
    alone, other = replace(dataset, subjects=None), replace(other, subjects=None)
    for protocol in ANY:
        for one, two in zip(folds(protocol, alone, seed), folds(protocol, other, seed), strict=True):
            assert set(alone.ids[one.test]) == set(other.ids[two.test])


def test_a_split_is_the_same_on_every_machine_and_with_every_version():
    """If this fails, splits have changed: raise the protocols' version."""
    numbers, text = np.arange(200), ""
    images = (numbers[:, None, None] * 7 + np.arange(16).reshape(4, 4)) % 251
    plain = replace(faces(200, 7, None, 1), images=images.astype(np.uint8), labels=numbers**2 % 7)
    known = replace(plain, subjects=np.array([f"S{n}" for n in numbers**2 % 37]))
    for protocol, dataset in (("kfold", plain), ("subject-kfold", known)):
        text += " ".join(i for fold in folds(protocol, dataset, 0) for i in sorted(dataset.ids[fold.test]))
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == "b9820b850bb3"


def test_what_samples_are_called_has_no_part_in_it():
    """The same data may be read from a csv or from files: one fingerprint, one split."""
    dataset = faces(200, 7, None, 1)
    images = dataset.images.copy()
    images[50:60] = images[40:50]
    dataset = replace(dataset, images=images, labels=np.arange(200) % 10 % 7)
    other = replace(dataset, ids=np.array([f"{i * 7919 % 1009:04d}.png" for i in range(200)]))
    for one, two in zip(folds("kfold", dataset, 0), folds("kfold", other, 0), strict=True):
        shown = [sorted((images[i].tobytes(), dataset.labels[i]) for i in fold.test) for fold in (one, two)]
        assert shown[0] == shown[1]


def test_another_seed_gives_another_split():
    for dataset in (faces(200, 7, None, 1), faces(200, 7, 25, 1)):
        one, two = (folds("holdout-80-10-10", dataset, seed)[0].test for seed in (0, 1))
        assert set(one) != set(two)


def test_a_subject_fold_has_its_share_of_images_and_classes():
    rng = np.random.default_rng(0)
    dataset = faces(1000, 5, None, 3)
    dataset = replace(dataset, subjects=np.array([f"S{i}" for i in rng.integers(0, 100, 1000)]))
    sizes = [len(fold.test) for fold in folds("subject-kfold", dataset, 0)]
    assert min(sizes) >= 90 and max(sizes) <= 110
    shares = [np.bincount(dataset.labels[fold.test], minlength=5) for fold in folds("subject-kfold", dataset, 0)]
    assert np.ptp(shares, axis=0).max() <= 12


def test_loso_has_a_fold_for_each_person():
    dataset = faces(60, 3, 12, 0)
    found = folds("loso", dataset, 0)
    assert [set(dataset.subjects[fold.test]) for fold in found] == [{f"S{i:03d}"} for i in range(12)]


def test_image_kfold_has_its_persons_on_both_sides_and_says_so():
    dataset = replace(faces(300, 3, None, 0), subjects=np.array([f"S{i % 12}" for i in range(300)]))
    for fold in folds("image-kfold", dataset, 0):
        assert set(dataset.subjects[fold.test]) <= set(dataset.subjects[fold.training])
        assert fold.notes == ("leaky: same subjects in training and test",)


def test_sequences_stay_whole_where_no_subject_is_known():
    dataset = faces(90, 3, None, 0)
    dataset = replace(dataset, sequences=np.array([f"film {i // 3}" for i in range(90)]))
    for fold in folds("kfold", dataset, 0):
        films = [set(dataset.sequences[part]) for part in parts_of(fold)]
        assert not (films[0] & films[1] or films[0] & films[2] or films[1] & films[2])
    assert folds("image-kfold", dataset, 0)[0].notes == ("leaky: same sequences in training and test",)


@pytest.mark.parametrize(
    ("protocol", "dataset", "sentence"),
    [
        ("subject-kfold", faces(50, 3, None, 0), "'subject-kfold' needs to know the subjects, and 'faces' names none"),
        ("loso", faces(50, 3, None, 0), "'loso' needs to know the subjects, and 'faces' names none"),
        ("loso", faces(50, 3, 2, 0), "'loso' needs three subjects or more, and 'faces' has 2"),
        ("image-kfold", faces(50, 3, None, 0), "those of 'faces' are not known: take kfold"),
        ("subject-kfold", faces(50, 3, 9, 0), "'faces' has 9 subjects to cut into 10 parts: too few"),
        ("kfold", faces(9, 3, None, 0), "'faces' has 9 images to cut into 10 parts: too few"),
        ("kfold@2", faces(50, 3, None, 0), "'kfold' is at version 1: there is no 'kfold@2' here"),
        ("kfolds", faces(50, 3, None, 0), "Did you mean 'kfold'"),
    ],
)
def test_a_protocol_that_does_not_fit_is_refused_in_a_sentence(protocol, dataset, sentence):
    with pytest.raises(UserError, match=sentence):
        folds(protocol, dataset, 0)


def test_every_protocol_has_a_version_and_a_line():
    for entry in PROTOCOLS:
        assert entry.options["version"] >= 1
        assert 20 < len(entry.summary) <= 120 and entry.summary.endswith((".", "TEST.")), entry.summary
