"""Folds in a file: what is written is read back equal, and what is no such file is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_faces import datasets, faces, permuted

from fer_bench.core.errors import UserError
from fer_bench.protocols.fold import SPLITS
from fer_bench.protocols.registry import folds, title
from fer_bench.protocols.split_file import read, write

ENDINGS = st.sampled_from([".json", ".csv"])


def assert_equal(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        for part in SPLITS:
            np.testing.assert_array_equal(getattr(a, part), getattr(b, part))
        assert (a.clean is None) == (b.clean is None)
        assert a.clean is None or a.clean.tolist() == b.clean.tolist()
        assert a.remarks == b.remarks


@settings(max_examples=20, deadline=None)
@given(datasets(subjects=True), st.sampled_from(["kfold", "image-kfold", "loso", "holdout-80-10-10"]), ENDINGS)
def test_written_and_read_back_equal(tmp_path_factory, dataset, protocol, ending):
    path = tmp_path_factory.mktemp("split") / f"split{ending}"
    found = folds(protocol, dataset, 0)
    write(path, dataset, protocol, 0, found)
    assert_equal(folds(f"file:{path}", dataset, 7), found)


@pytest.mark.parametrize("ending", [".json", ".csv"])
def test_which_test_images_are_clean_comes_back(tmp_path, ending):
    dataset = replace(faces(60, 3, None, 0), split=(np.arange(60) % 3).astype(np.int8))
    images = dataset.images.copy()
    images[[2, 5]] = images[0]
    dataset = replace(dataset, images=images, ids=np.array([f'odd, "{i}"#' for i in range(60)]))
    found = folds("official-dedup", dataset, 0)
    assert (~found[0].no_duplicate).sum() == 2
    write(tmp_path / f"split{ending}", dataset, "official-dedup", 0, found)
    assert_equal(read(tmp_path / f"split{ending}", dataset), found)


def test_a_file_serves_the_same_samples_in_another_order(tmp_path):
    dataset = faces(60, 3, None, 0)
    found = folds("kfold", dataset, 0)
    write(tmp_path / "split.json", dataset, "kfold", 0, found)
    other = permuted(dataset, np.random.default_rng(0).permutation(60))
    for one, two in zip(found, read(tmp_path / "split.json", other), strict=True):
        assert set(dataset.ids[one.test]) == set(other.ids[two.test])


def test_a_trial_calls_it_by_its_protocol_and_who_is_where(tmp_path):
    dataset = faces(60, 3, None, 0)
    names = set()
    for seed, name in ((0, "a.json"), (0, "b.csv"), (1, "c.json")):
        write(tmp_path / name, dataset, "kfold", seed, folds("kfold", dataset, seed))
        names.add(title(f"file:{tmp_path / name}"))
    assert len(names) == 2 and all(name.startswith("file:kfold@") for name in names)
    assert title("kfold") == title("kfold@1") == "kfold"


def test_a_table_by_hand_needs_parts_and_ids_alone(tmp_path):
    dataset = replace(faces(4, 2, None, 0), ids=np.array(["a", "b", "c", "d"]))
    path = tmp_path / "mine.csv"
    path.write_text("id,part\nd,test\nb,training\na,training\nc,validation\n")
    (fold,) = read(path, dataset)
    assert (fold.training.tolist(), fold.validation.tolist(), fold.test.tolist()) == ([0, 1], [2], [3])
    assert title(f"file:{path}").startswith("file:mine@")


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("s.json", "{", "is no split file: Expecting"),
        ("s.json", "[]", "it has no folds"),
        ("s.json", '{"folds": []}', "it has no folds"),
        ("s.json", '{"folds": [{"training": ["a"]}]}', "each fold needs lists of ids for training, validation, test"),
        ("s.json", '{"folds": [{"training": [1], "validation": [], "test": []}]}', "each fold needs lists of ids"),
        ("s.csv", "id,part\na,train\n", "line 2 needs an id and a part that is one of training, validation, test"),
        ("s.csv", "id,part\na,training\na,test\nb,validation\n", "fold 0: 'a' stands there twice"),
        ("s.csv", "id,part\na,training\nb,test\n", "the part validation is empty"),
        ("s.csv", "id,part\nz,training\nb,test\n", r"'faces' has no sample 'z' \(1 of 1 missing\)"),
        ("s.csv", "fold,id,part\none,a,training\n", "is no split file: invalid literal"),
        ("s.csv", "", "it has no folds"),
    ],
)
def test_what_is_no_split_file_is_refused(tmp_path, name, text, sentence):
    dataset = replace(faces(3, 2, None, 0), ids=np.array(["a", "b", "c"]))
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=sentence):
        read(tmp_path / name, dataset)


def test_a_file_for_other_data_is_refused(tmp_path):
    dataset = faces(60, 3, None, 0)
    write(tmp_path / "split.json", dataset, "kfold", 0, folds("kfold", dataset, 0))
    with pytest.raises(UserError, match="was written for other data: faces"):
        read(tmp_path / "split.json", replace(dataset, fingerprint="another"))
    content = json.loads((tmp_path / "split.json").read_text())
    (tmp_path / "split.json").write_text(json.dumps({"folds": content["folds"]}))
    assert len(read(tmp_path / "split.json", replace(dataset, fingerprint="another"))) == 10


def test_where_it_cannot_be_written_is_said(tmp_path):
    dataset = faces(60, 3, None, 0)
    with pytest.raises(UserError, match=r"is written as \.json or \.csv"):
        write(tmp_path / "split.txt", dataset, "kfold", 0, [])
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write(tmp_path / "file" / "split.json", dataset, "kfold", 0, [])
    with pytest.raises(UserError, match="cannot be read"):
        read(tmp_path / "none.json", dataset)
