"""Properties of every split, on random datasets."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_datasets import datasets, faces, permuted

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS
from fer_bench.protocols.registry import PROTOCOLS, folds

SEEDS = st.integers(0, 5)
WITHOUT_SUBJECTS = ("holdout-80-10-10", "kfold")
WITH_SUBJECTS = ("subject-kfold", "loso", "kfold", "holdout-80-10-10")
EXAMPLES = settings(max_examples=30, deadline=None)


def splits_of(fold):
    return [getattr(fold, split) for split in SPLITS]


def assert_complete(dataset, found):
    """The splits of every fold are disjoint and complete, none is empty, and indices ascend."""
    for fold in found:
        together = np.concatenate(splits_of(fold))
        np.testing.assert_array_equal(np.sort(together), np.arange(len(dataset)))
        assert all(len(split) and (np.diff(split) > 0).all() and split.dtype == np.int64 for split in splits_of(fold))


def assert_disjoint(names, fold):
    """No name, such as a subject, is in two splits."""
    sets = [set(names[split]) for split in splits_of(fold)]
    assert sum(map(len, sets)) == len(set.union(*sets))


def assert_stratified(labels, selected, population, fraction):
    """The selected samples have the given fraction of each class, within one sample."""
    counts, totals = (np.bincount(labels[i], minlength=labels.max() + 1) for i in (selected, population))
    assert np.abs(counts - fraction * totals).max() <= 1


@EXAMPLES
@given(datasets(), SEEDS)
def test_splits_are_disjoint_complete_and_stratified(dataset, seed):
    for protocol, count in (("holdout-80-10-10", 1), ("kfold", 10)):
        found = folds(protocol, dataset, seed)
        assert len(found) == count
        assert_complete(dataset, found)
        for fold in found:
            for split, fraction in zip(splits_of(fold), (0.8, 0.1, 0.1), strict=True):
                assert_stratified(dataset.labels, split, np.arange(len(dataset)), fraction)
                assert abs(len(split) - fraction * len(dataset)) <= 1
    for split in ("validation", "test"):
        once = np.sort(np.concatenate([getattr(fold, split) for fold in found]))
        np.testing.assert_array_equal(once, np.arange(len(dataset)))


@EXAMPLES
@given(datasets(subjects=True), SEEDS)
def test_no_subject_is_in_two_splits(dataset, seed):
    for protocol in WITH_SUBJECTS:
        found = folds(protocol, dataset, seed)
        assert_complete(dataset, found)
        for fold in found:
            assert_disjoint(dataset.subjects, fold)
            assert not any("leaky" in note for note in fold.notes)
        tested = np.concatenate([fold.test for fold in found])
        assert len(tested) == len(set(tested))
        assert len(tested) == len(dataset) or protocol == "holdout-80-10-10"


@EXAMPLES
@given(datasets(split=True), SEEDS)
def test_validation_split_off_from_official_training_is_stratified(dataset, seed):
    (fold,) = folds("official", dataset, seed)
    assert_complete(dataset, [fold])
    assert_stratified(dataset.labels, fold.validation, np.flatnonzero(dataset.split == 0), 0.1)


@EXAMPLES
@given(datasets(subjects=True), SEEDS, st.randoms(use_true_random=False))
def test_folds_do_not_depend_on_the_order_of_samples(dataset, seed, random):
    order = np.array(random.sample(range(len(dataset)), len(dataset)))
    other = permuted(dataset, order)
    for protocol in (*WITH_SUBJECTS, "image-kfold"):
        for one, two in zip(folds(protocol, dataset, seed), folds(protocol, other, seed), strict=True):
            for split in SPLITS:
                assert set(dataset.ids[getattr(one, split)]) == set(other.ids[getattr(two, split)])
    dataset, other = replace(dataset, subjects=None), replace(other, subjects=None)
    for protocol in WITHOUT_SUBJECTS:
        for one, two in zip(folds(protocol, dataset, seed), folds(protocol, other, seed), strict=True):
            assert set(dataset.ids[one.test]) == set(other.ids[two.test])


def test_a_split_is_the_same_on_every_machine_and_with_every_version():
    """If this fails, splits have changed: raise the protocols' version."""
    numbers, text = np.arange(200), ""
    images = (numbers[:, None, None] * 7 + np.arange(16).reshape(4, 4)) % 251
    plain = replace(faces(200, 7, None, 1), images=images.astype(np.uint8), labels=numbers**2 % 7)
    known = replace(plain, subjects=np.array([f"S{n}" for n in numbers**2 % 37]))
    for protocol, dataset in (("kfold", plain), ("subject-kfold", known)):
        text += " ".join(i for fold in folds(protocol, dataset, 0) for i in sorted(dataset.ids[fold.test]))
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == "b9820b850bb3"


def test_folds_do_not_depend_on_sample_ids():
    """The same data read from a CSV file or from image files have one fingerprint and one split."""
    dataset = faces(200, 7, None, 1)
    images = dataset.images.copy()
    images[50:60] = images[40:50]
    dataset = replace(dataset, images=images, labels=np.arange(200) % 10 % 7)
    other = replace(dataset, ids=np.array([f"{i * 7919 % 1009:04d}.png" for i in range(200)]))
    for one, two in zip(folds("kfold", dataset, 0), folds("kfold", other, 0), strict=True):
        samples = [sorted((images[i].tobytes(), dataset.labels[i]) for i in fold.test) for fold in (one, two)]
        assert samples[0] == samples[1]


def test_the_split_depends_on_the_seed():
    for dataset in (faces(200, 7, None, 1), faces(200, 7, 25, 1)):
        one, two = (folds("holdout-80-10-10", dataset, seed)[0].test for seed in (0, 1))
        assert set(one) != set(two)


def test_subject_folds_are_balanced_in_images_and_classes():
    rng = np.random.default_rng(0)
    dataset = faces(1000, 5, None, 3)
    dataset = replace(dataset, subjects=np.array([f"S{i}" for i in rng.integers(0, 100, 1000)]))
    sizes = [len(fold.test) for fold in folds("subject-kfold", dataset, 0)]
    assert min(sizes) >= 90 and max(sizes) <= 110
    counts = [np.bincount(dataset.labels[fold.test], minlength=5) for fold in folds("subject-kfold", dataset, 0)]
    assert np.ptp(counts, axis=0).max() <= 12


def test_loso_has_one_fold_per_subject():
    dataset = faces(60, 3, 12, 0)
    found = folds("loso", dataset, 0)
    assert [set(dataset.subjects[fold.test]) for fold in found] == [{f"S{i:03d}"} for i in range(12)]


def test_image_kfold_has_subjects_in_two_splits_and_a_badge():
    dataset = replace(faces(300, 3, None, 0), subjects=np.array([f"S{i % 12}" for i in range(300)]))
    for fold in folds("image-kfold", dataset, 0):
        assert set(dataset.subjects[fold.test]) <= set(dataset.subjects[fold.training])
        assert fold.notes == ("leaky: same subjects in training and test",)


def test_sequences_stay_together_if_subjects_are_unknown():
    dataset = faces(90, 3, None, 0)
    dataset = replace(dataset, sequences=np.array([f"film {i // 3}" for i in range(90)]))
    for fold in folds("kfold", dataset, 0):
        assert_disjoint(dataset.sequences, fold)
    assert folds("image-kfold", dataset, 0)[0].notes == ("leaky: same sequences in training and test",)


@pytest.mark.parametrize(
    ("protocol", "dataset", "message"),
    [
        ("subject-kfold", faces(50, 3, None, 0), "requires subjects"),
        ("loso", faces(50, 3, None, 0), "requires subjects"),
        ("loso", faces(50, 3, 2, 0), "three subjects"),
        ("image-kfold", faces(50, 3, None, 0), "Use kfold"),
        ("subject-kfold", faces(50, 3, 9, 0), "9 subjects"),
        ("kfold", faces(9, 3, None, 0), "9 images"),
        ("kfold@2", faces(50, 3, None, 0), "version 1"),
        ("kfolds", faces(50, 3, None, 0), "'kfold'"),
    ],
)
def test_a_protocol_that_does_not_apply_is_a_user_error(protocol, dataset, message):
    with pytest.raises(UserError, match=message):
        folds(protocol, dataset, 0)


def test_every_protocol_has_a_version_and_a_summary():
    for entry in PROTOCOLS:
        assert entry.options["version"] >= 1
        assert 20 < len(entry.summary) <= 120 and entry.summary.endswith((".", "TEST.")), entry.summary
