"""FER2013 from image folders: the same as from the csv, or what is wrong with them in a sentence."""

import os
from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_up_fer2013 import IMAGES, LABELS, SPLIT, write_csv, write_folder

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, find, load
from fer_bench.datasets.dataset import FER2013_CLASSES
from fer_bench.datasets.fer2013 import read_fer2013

NAMED_PARTS = {"Training": "Training", "PublicTest": "PublicTest", "PrivateTest": "PrivateTest"}


@pytest.fixture
def places(tmp_path):
    (tmp_path / "data").mkdir()
    return DataConfig(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


def message(places) -> str:
    """What the user is told; nothing may be left in the cache."""
    with pytest.raises(UserError) as raised:
        load("fer2013", places)
    assert not list(places.cache_dir.glob("*")) and not list(places.cache_dir.glob(".*"))
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")
    return str(raised.value)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("{usage}_{row}.png", None),
        ("{usage}_{within}.png", None),
        ("{usage}-{row:05d}.PNG", None),
        ("{row}.png", NAMED_PARTS),
        ("{within:04d}.png", NAMED_PARTS),
    ],
    ids=["rows", "rows-within-parts", "dashes", "folders-of-parts", "folders-of-parts-rows-within"],
)
def test_a_folder_made_from_the_csv_is_equal_to_it(places, tmp_path, name, parts):
    write_folder(places.data_dir / "archive", name, **({"parts": parts} if parts else {}))
    data, csv = load("fer2013", places), read_fer2013(write_csv(tmp_path / "fer2013.csv"))
    for part in ("images", "labels", "split", "ids"):
        assert np.array_equal(getattr(data, part), getattr(csv, part)), part
    assert data.classes == csv.classes == FER2013_CLASSES
    other = replace(places, data_dir=tmp_path / "csv")
    write_csv(other.data_dir / "fer2013.csv")
    assert data.fingerprint == load("fer2013", other).fingerprint


def test_numbers_that_are_no_rows_give_the_split_and_an_order_of_their_own(places):
    write_folder(places.data_dir / "fer2013", "{usage}_{scrambled}.png")
    data = load("fer2013", places)
    assert data.split.tolist() == SPLIT.tolist() and data.ids[0].startswith("fer2013/Training_")
    known = {image.tobytes(): row for row, image in enumerate(IMAGES)}
    rows = [known[image.tobytes()] for image in data.images]
    assert sorted(rows) == list(range(len(LABELS)))
    assert np.array_equal(data.labels, LABELS[rows]) and np.array_equal(data.split, SPLIT[rows])
    assert not data.notes or "told apart" not in " ".join(data.notes)


def test_names_that_say_nothing_leave_one_test_part_and_a_note(places):
    write_folder(places.data_dir / "fer2013", "im{row}.png")
    data = load("fer2013", places)
    assert np.bincount(data.split, minlength=3).tolist() == [14, 0, 14]
    assert any("PublicTest and PrivateTest cannot be told apart" in note for note in data.notes)
    assert any("cannot be told apart" in note for note in load("fer2013", places).notes)  # from the cache too


@pytest.mark.parametrize("name", ["{usage}_{row}.png", "{usage}_{scrambled}.png", "im{row}.png"])
def test_the_order_of_files_does_not_matter(places, tmp_path, name):
    other = replace(places, data_dir=tmp_path / "other")
    write_folder(places.data_dir / "fer2013", name)
    write_folder(other.data_dir / "fer2013", name, order=np.random.default_rng(0).permutation(len(LABELS)))
    one, two = load("fer2013", places), load("fer2013", other)
    assert one.fingerprint == two.fingerprint and one.ids.tolist() == two.ids.tolist()


def test_class_names_may_be_synonyms_in_any_case(places):
    root = write_folder(places.data_dir / "fer2013")
    for old, new in {"angry": "Anger", "happy": "HAPPINESS", "sad": "Sadness", "fear": "Scared"}.items():
        (root / "train" / old).rename(root / "train" / new)
    assert np.array_equal(load("fer2013", places).labels, LABELS)


def test_jpeg_files_are_told(places):
    write_folder(places.data_dir / "fer2013", "{usage}_{row}.jpg")
    data = load("fer2013", places)
    assert np.array_equal(data.split, SPLIT) and any("JPEG" in note for note in data.notes)


def test_names_win_over_folders_and_that_is_told(places):
    root = write_folder(places.data_dir / "fer2013")
    (root / "test" / "angry" / "PublicTest_14.png").rename(root / "train" / "angry" / "PublicTest_14.png")
    data = load("fer2013", places)
    assert np.array_equal(data.split, SPLIT) and any("the names were followed" in note for note in data.notes)


def test_other_files_are_left_alone(places):
    root = write_folder(places.data_dir / "fer2013")
    for name in ("train/Thumbs.db", "train/happy/.DS_Store", "train/happy/._Training_3.png", "readme.txt"):
        (root / name).write_text("x")
    (root / ".git").mkdir()
    assert len(load("fer2013", places)) == len(LABELS)


def test_a_missing_class_folder_is_named(places):
    root = write_folder(places.data_dir / "fer2013")
    for path in (root / "train" / "disgust").iterdir():
        path.unlink()
    (root / "train" / "disgust").rmdir()
    told = message(places)
    assert str(root / "train") in told and "disgust" in told


def test_an_empty_class_folder_is_a_missing_one(places):
    root = write_folder(places.data_dir / "fer2013")
    for path in (root / "train" / "fear").iterdir():
        path.unlink()
    assert "no images of fear" in message(places)


def test_a_class_that_only_the_test_part_lacks_is_noted(places):
    root = write_folder(places.data_dir / "fer2013")
    for path in (root / "test" / "sad").iterdir():
        path.unlink()
    assert any("test/ has no images of sad" in note for note in load("fer2013", places).notes)


@pytest.mark.parametrize(("folder", "words"), [("hapy", "no class of FER2013"), ("anger", "two folders for angry")])
def test_a_folder_of_no_class_or_of_one_that_is_there_is_named(places, folder, words):
    root = write_folder(places.data_dir / "fer2013")
    (root / "train" / folder).mkdir()
    (root / "train" / folder / "Training_99.png").write_bytes((root / "train/angry/Training_0.png").read_bytes())
    told = message(places)
    assert folder in told and str(root / "train") in told and words in told


def test_an_image_outside_of_the_class_folders_is_named(places):
    root = write_folder(places.data_dir / "fer2013")
    (root / "train" / "Training_0.png").write_bytes((root / "train/angry/Training_0.png").read_bytes())
    assert f"{root / 'train' / 'Training_0.png'} lies in no class folder" in message(places)


def test_mixed_sizes_are_refused_with_both_files(places):
    root = write_folder(places.data_dir / "fer2013")
    cv2.imwrite(str(root / "train" / "angry" / "Training_0.png"), np.zeros((64, 64), np.uint8))
    told = message(places)
    assert "64×64" in told and "48×48" in told


def test_images_of_another_size_are_not_fer2013(places):
    root = write_folder(places.data_dir / "fer2013")
    for path in root.rglob("*.png"):
        cv2.imwrite(str(path), np.zeros((96, 96), np.uint8))
    assert "96×96" in message(places)


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_an_unreadable_image_is_refused_unless_it_may_be_left_out(places, content):
    root = write_folder(places.data_dir / "fer2013")
    bad = root / "train" / "happy" / "Training_3.png"
    bad.write_bytes(content)
    assert "Training_3.png" in message(places)
    data = load("fer2013", replace(places, skip_bad=True))
    assert np.array_equal(data.images, np.delete(IMAGES, 3, axis=0)) and "fer2013-00003" not in data.ids
    assert any("1 file was left out" in note and "Training_3.png" in note for note in data.notes)


def test_a_file_that_is_added_makes_the_cache_anew(places):
    root = write_folder(places.data_dir / "fer2013")
    before = load("fer2013", places)
    picture = (root / "train" / "angry" / "Training_0.png").read_bytes()
    (root / "train" / "angry" / "Training_28.png").write_bytes(picture)
    assert len(load("fer2013", places)) == len(before) + 1
    (root / "train" / "angry" / "Training_28.png").unlink()
    assert load("fer2013", places).fingerprint == before.fingerprint


def test_an_image_that_is_overwritten_is_seen_by_a_refresh(places):
    root = write_folder(places.data_dir / "fer2013")
    before = load("fer2013", places).fingerprint
    path = root / "train" / "angry" / "Training_0.png"
    with path.open("r+b") as file:
        file.write(cv2.imencode(".png", IMAGES[1])[1].tobytes())
        file.truncate()
    assert load("fer2013", places).fingerprint == before
    assert load("fer2013", replace(places, refresh=True)).fingerprint != before
    assert load("fer2013", places).fingerprint != before


def test_a_tree_is_found_at_any_depth_and_the_csv_goes_before_it(places):
    root = write_folder(places.data_dir / "a" / "b")
    assert find("fer2013", places) == root
    assert find("fer2013", replace(places, data_dir=root)) == root
    csv = write_csv(places.data_dir / "c" / "d" / "e" / "fer2013.csv")
    assert find("fer2013", places) == csv


def test_a_tree_of_other_classes_is_not_taken_for_fer2013(places):
    root = write_folder(places.data_dir / "mine")
    (root / "train" / "contempt").mkdir()
    assert find("fer2013", places) is None
    root.rename(root.with_name("FER-2013"))  # but below such a name it is told what is wrong
    assert find("fer2013", places) == root.with_name("FER-2013")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_class_folder_that_may_not_be_read(places):
    root = write_folder(places.data_dir / "fer2013")
    (root / "train" / "sad").chmod(0)
    assert "sad" in message(places)
