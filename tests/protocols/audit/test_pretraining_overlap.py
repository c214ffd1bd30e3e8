"""Test images and persons that a pretraining has seen are counted, named, and refused if nothing would be measured."""

from dataclasses import replace

import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.audit import pretraining_overlap
from fer_bench.protocols.audit.pretraining_overlap import PretrainingData, check_overlap
from fer_bench.protocols.fold import Fold

SIDE = 24


def photographs(name: str, count: int, seed: int, subjects: int = 0) -> Dataset:
    """Smooth random images, which differ from each other as photographs do."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 6, 6)).repeat(4, axis=1).repeat(4, axis=2).astype(np.float32)
    for axis in (1, 2):
        coarse = (coarse + np.roll(coarse, 1, axis) + np.roll(coarse, 2, axis)) / 3
    return Dataset(
        name=name,
        images=coarse.astype(np.uint8),
        labels=np.arange(count) % 3,
        ids=np.array([f"{name}-{i:03d}" for i in range(count)]),
        classes=("a", "b", "c"),
        fingerprint=f"{name}-{seed}",
        subjects=np.array([f"S{i % subjects}" for i in range(count)]) if subjects else None,
    )


def thirds(dataset: Dataset) -> Fold:
    training, validation, test = np.array_split(np.arange(len(dataset)), 3)
    return Fold(training, validation, test)


@pytest.fixture
def check(tmp_path):
    """Check the last third of a target against the first two of a source."""

    def make(target: Dataset, source: Dataset):
        data = PretrainingData(source, "official", thirds(source))
        return check_overlap(target, "official", [thirds(target)], data, tmp_path)

    return make


def test_other_images_get_no_badge(check):
    (fold,), sentence = check(photographs("target", 30, 0), photographs("source", 60, 1))
    assert fold.notes == () and "none of the 10" in sentence


def test_identical_images_and_changed_copies_in_training_are_counted(check, tmp_path, monkeypatch):
    target, source = photographs("target", 30, 0), photographs("source", 60, 1)
    images = source.images.copy()
    images[3] = target.images[25]  # in training
    images[30] = np.clip(target.images[26] * 0.8 + 20, 0, 255)  # in validation, darker
    images[50] = target.images[27]  # in test, which no training sees
    images[5] = target.images[0]  # no test image
    changed = replace(source, images=images)
    (fold,), sentence = check(target, changed)
    assert fold.notes == ("1 test image in pretraining", "changed copies of 1 test image in pretraining")
    assert "1 are pixel-identical" in sentence and "1 have a changed copy" in sentence

    def search(*arguments):
        raise AssertionError("it was searched again")

    monkeypatch.setattr(pretraining_overlap, "find_near_duplicates", search)
    assert check(target, changed)[1] == sentence
    for file in (tmp_path / "pretraining_overlap").iterdir():
        file.write_text("damaged")
    with pytest.raises(AssertionError, match="again"):
        check(target, changed)


def test_images_of_another_size_are_compared_after_resizing(check):
    target, source = photographs("target", 30, 0), photographs("source", 60, 1)
    images = source.images.copy()
    images[3] = target.images[25]
    large = replace(target, images=target.images.repeat(2, axis=1).repeat(2, axis=2))
    (fold,), _ = check(large, replace(source, images=images))
    assert fold.notes == ("1 test image in pretraining",)


def test_the_same_dataset_is_refused_unless_its_test_images_were_kept(check):
    source = photographs("source", 30, 0)
    (fold,), sentence = check(replace(source, name="source~haar"), source)
    assert fold.notes == () and "none" in sentence
    shifted = replace(source, name="source~haar", ids=np.roll(source.ids, 3), images=np.roll(source.images, 3, axis=0))
    with pytest.raises(UserError, match="pretrain"):
        check(shifted, source)


def test_other_names_do_not_hide_the_same_images(check):
    source = photographs("source", 30, 0)
    other = photographs("target", 30, 1)
    with pytest.raises(UserError, match="10 of the 10"):
        check(replace(other, images=source.images[::-1]), source)


def test_persons_are_compared_within_one_dataset_only(check):
    source = photographs("faces", 30, 0, subjects=5)
    same = photographs("faces+neutral", 30, 1, subjects=5)
    (fold,), sentence = check(same, source)
    assert fold.notes == ("leaky: same subjects in pretraining and test",) and "person" in sentence
    (fold,), _ = check(photographs("target", 30, 1, subjects=5), source)
    assert fold.notes == ()


def test_the_tested_dataset_of_a_pair_counts(check):
    source = photographs("tested", 30, 0)
    pair = replace(source, name="trained->tested", ids=np.array([f"tested/{name}" for name in source.ids[::-1]]))
    with pytest.raises(UserError, match="pretrain"):
        check(pair, source)
