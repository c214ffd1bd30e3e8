"""Split files: folds are read back unchanged, and invalid files are errors."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_datasets import datasets, faces, permuted

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS
from fer_bench.protocols.registry import folds, title
from fer_bench.protocols.split_file import read, write

SUFFIXES = st.sampled_from([".json", ".csv"])


def assert_equal(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        for split in SPLITS:
            np.testing.assert_array_equal(getattr(a, split), getattr(b, split))
        np.testing.assert_array_equal(a.no_duplicate, b.no_duplicate)
        assert a.notes == b.notes


@settings(max_examples=20, deadline=None)
@given(datasets(subjects=True), st.sampled_from(["kfold", "image-kfold", "loso", "holdout-80-10-10"]), SUFFIXES)
def test_folds_are_read_back_unchanged(tmp_path_factory, dataset, protocol, suffix):
    path = tmp_path_factory.mktemp("split") / f"split{suffix}"
    found = folds(protocol, dataset, 0)
    write(path, dataset, protocol, 0, found)
    assert_equal(folds(f"file:{path}", dataset, 7), found)


@pytest.mark.parametrize("suffix", [".json", ".csv"])
def test_duplicates_are_read_back(tmp_path, suffix):
    dataset = replace(faces(60, 3, None, 0), split=(np.arange(60) % 3).astype(np.int8))
    images = dataset.images.copy()
    images[[2, 5]] = images[0]
    dataset = replace(dataset, images=images, ids=np.array([f'odd, "{i}"#' for i in range(60)]))
    found = folds("official-dedup", dataset, 0)
    assert (~found[0].no_duplicate).sum() == 2
    write(tmp_path / f"split{suffix}", dataset, "official-dedup", 0, found)
    assert_equal(read(tmp_path / f"split{suffix}", dataset), found)


@pytest.fixture
def dataset():
    return faces(60, 3, None, 0)


@pytest.fixture
def path(dataset, tmp_path):
    """A file of the ten folds of `dataset`."""
    write(tmp_path / "split.json", dataset, "kfold", 0, folds("kfold", dataset, 0))
    return tmp_path / "split.json"


def test_a_file_applies_to_the_same_samples_in_another_order(dataset, path):
    other = permuted(dataset, np.random.default_rng(0).permutation(60))
    for one, two in zip(folds("kfold", dataset, 0), read(path, other), strict=True):
        assert set(dataset.ids[one.test]) == set(other.ids[two.test])


def test_the_title_depends_on_the_protocol_and_the_splits(dataset, tmp_path):
    names = set()
    for seed, name in ((0, "a.json"), (0, "b.csv"), (1, "c.json")):
        write(tmp_path / name, dataset, "kfold", seed, folds("kfold", dataset, seed))
        names.add(title(f"file:{tmp_path / name}"))
    assert len(names) == 2 and all(name.startswith("file:kfold@") for name in names)
    assert title("kfold") == title("kfold@1") == "kfold"


def test_a_handwritten_file_requires_only_splits_and_ids(tmp_path):
    dataset = replace(faces(4, 2, None, 0), ids=np.array(["a", "b", "c", "d"]))
    path = tmp_path / "mine.csv"
    path.write_text("id,split\nd,test\nb,training\na,training\nc,validation\n")
    (fold,) = read(path, dataset)
    assert (fold.training.tolist(), fold.validation.tolist(), fold.test.tolist()) == ([0, 1], [2], [3])
    assert title(f"file:{path}").startswith("file:mine@")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("s.json", "{", "Expecting"),
        ("s.json", "[]", "no folds"),
        ("s.json", '{"folds": []}', "no folds"),
        ("s.json", '{"folds": [{"training": ["a"]}]}', "lists of ids"),
        ("s.json", '{"folds": [{"training": [1], "validation": [], "test": []}]}', "lists of ids"),
        ("s.csv", "id,split\na,train\n", "line 2"),
        ("s.csv", "id,split\na,training\na,test\nb,validation\n", "'a' occurs twice"),
        ("s.csv", "id,split\na,training\nb,test\n", "validation split is empty"),
        ("s.csv", "id,split\nz,training\nb,test\n", "no sample 'z'"),
        ("s.csv", "fold,id,split\none,a,training\n", "invalid literal"),
        ("s.csv", "", "no folds"),
    ],
)
def test_an_invalid_split_file_is_a_user_error(tmp_path, name, text, message):
    dataset = replace(faces(3, 2, None, 0), ids=np.array(["a", "b", "c"]))
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        read(tmp_path / name, dataset)


def test_a_file_for_other_data_is_an_error(dataset, path):
    other = replace(dataset, fingerprint="another")
    with pytest.raises(UserError, match="other data"):
        read(path, other)
    path.write_text(json.dumps({"folds": json.loads(path.read_text())["folds"]}))  # a handwritten one names no data
    assert len(read(path, other)) == 10


def test_paths_that_cannot_be_written_or_read_are_errors(dataset, tmp_path):
    with pytest.raises(UserError, match="json"):
        write(tmp_path / "split.txt", dataset, "kfold", 0, [])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write(tmp_path / "file" / "split.json", dataset, "kfold", 0, [])
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path / "none.json", dataset)
