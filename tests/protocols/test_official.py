"""The split that a dataset's authors gave."""

from dataclasses import replace

import numpy as np
import pytest

from fer_bench.errors import UserError
from fer_bench.protocols.catalogue import PROTOCOLS, folds


def test_one_fold_holds_every_image_once(dataset):
    shuffled = replace(dataset, split=np.random.default_rng(0).permutation(dataset.split))
    (fold,) = folds("official", shuffled, seed=0)
    for part, name in enumerate(("training", "validation", "test")):
        indices = getattr(fold, name)
        assert (shuffled.split[indices] == part).all() and indices.dtype == np.int64
    together = np.concatenate([fold.training, fold.validation, fold.test])
    np.testing.assert_array_equal(np.sort(together), np.arange(len(dataset)))


def test_the_seed_has_no_part_in_it(dataset):
    (one,), (other,) = folds("official", dataset, seed=0), folds("official", dataset, seed=9)
    np.testing.assert_array_equal(one.training, other.training)


def test_a_dataset_without_a_split_is_refused(dataset):
    with pytest.raises(UserError, match="'made' has no official split"):
        folds("official", replace(dataset, split=None), seed=0)


@pytest.mark.parametrize(("part", "name"), [(0, "training"), (1, "validation"), (2, "test")])
def test_an_empty_part_is_named(dataset, part, name):
    split = np.where(dataset.split == part, (part + 1) % 3, dataset.split)
    with pytest.raises(UserError, match=f"'made' has no {name} images"):
        folds("official", replace(dataset, split=split), seed=0)


def test_the_protocol_is_listed_with_one_line():
    assert "PrivateTest" in PROTOCOLS.get("official").summary
    with pytest.raises(UserError, match="did you mean official"):
        PROTOCOLS.get("offical")
