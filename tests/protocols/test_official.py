"""The official split, with and without its duplicates, and across datasets."""

from dataclasses import replace

import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS
from fer_bench.protocols.registry import folds


def test_one_fold_has_every_image_once(dataset):
    shuffled = replace(dataset, split=np.random.default_rng(0).permutation(dataset.split))
    (fold,) = folds("official", shuffled, seed=0)
    for number, split in enumerate(SPLITS):
        indices = getattr(fold, split)
        assert (shuffled.split[indices] == number).all() and indices.dtype == np.int64
    together = np.concatenate([fold.training, fold.validation, fold.test])
    np.testing.assert_array_equal(np.sort(together), np.arange(len(dataset)))
    assert fold.notes == () and fold.no_duplicate.all()


def test_the_official_split_does_not_depend_on_the_seed(dataset):
    (one,), (other,) = folds("official", dataset, seed=0), folds("official", dataset, seed=9)
    np.testing.assert_array_equal(one.training, other.training)


@pytest.mark.parametrize("protocol", ["official", "official-dedup"])
def test_a_dataset_without_an_official_split_is_an_error(dataset, protocol):
    with pytest.raises(UserError, match="official split"):
        folds(protocol, replace(dataset, split=None), seed=0)


@pytest.mark.parametrize(("number", "name"), [(0, "training"), (2, "test")])
def test_an_empty_split_is_named(dataset, number, name):
    split = np.where(dataset.split == number, (number + 1) % 3, dataset.split)
    with pytest.raises(UserError, match=f"no {name} images"):
        folds("official", replace(dataset, split=split), seed=0)


def test_validation_is_split_off_from_training_if_missing_and_a_badge_says_so(dataset):
    merged = replace(dataset, split=np.where(dataset.split == 1, 0, dataset.split))
    (fold,) = folds("official", merged, seed=0)
    assert fold.notes == ("validation cut from training",)
    np.testing.assert_array_equal(np.sort([*fold.training, *fold.validation]), np.flatnonzero(merged.split == 0))
    per_class = np.bincount(merged.labels[fold.validation], minlength=3)
    assert per_class.sum() in (8, 9) and np.ptp(per_class) <= 1  # a tenth of 81
    subjects = np.array([f"subject {i % 20}" for i in range(len(dataset))])
    (fold,) = folds("official", replace(merged, subjects=subjects), seed=0)
    assert not set(subjects[fold.training]) & set(subjects[fold.validation])


@pytest.fixture
def duplicated(dataset):
    """60 training, 21 validation and 18 test images; some are identical."""
    images = dataset.images.copy()
    images[[3, 4]] = images[90]  # test image 90 twice in training,
    images[65] = images[90]  # and in validation
    images[70] = images[91]  # test image 91 in validation
    images[10] = images[72]  # a validation image in training
    images[20] = images[21]  # duplicates within training
    images[95] = images[96]  # and within test
    return replace(dataset, images=images)


def test_dedup_removes_duplicates_from_earlier_splits_only(duplicated):
    (fold,) = folds("official-dedup", duplicated, seed=0)
    assert set(range(60)) - set(fold.training) == {3, 4, 10}
    assert set(range(60, 81)) - set(fold.validation) == {65, 70}
    np.testing.assert_array_equal(fold.test, np.arange(81, 99))
    assert set(fold.test[~fold.no_duplicate]) == {90, 91}
    (official,) = folds("official", duplicated, seed=0)
    np.testing.assert_array_equal(official.no_duplicate, fold.no_duplicate)
    assert len(official.training) == 60


def test_dedup_leaves_no_image_in_two_splits(duplicated):
    (fold,) = folds("official-dedup", duplicated, seed=0)
    seen = [{duplicated.images[i].tobytes() for i in getattr(fold, split)} for split in SPLITS]
    assert sum(map(len, seen)) == len(set.union(*seen))


def test_an_empty_training_split_after_dedup_is_an_error(dataset):
    same = replace(dataset, images=np.zeros_like(dataset.images))
    with pytest.raises(UserError, match="no training images"):
        folds("official-dedup", same, seed=0)


def test_cross_requires_two_datasets(dataset):
    with pytest.raises(UserError, match="cross:made->jaffe"):
        folds("cross", dataset, seed=0)
