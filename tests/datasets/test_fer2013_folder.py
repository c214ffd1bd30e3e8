"""FER2013 from image folders: equal to the csv, and the messages for malformed folders."""

import os
import shutil
from dataclasses import replace

import cv2
import numpy as np
import pytest
from made_up_fer2013 import IMAGES, LABELS, SPLIT, write_csv, write_folder

from fer_bench.datasets import find, load
from fer_bench.datasets.dataset import FER2013_CLASSES
from fer_bench.datasets.fer2013.csv_file import read_csv

NAMED_SPLITS = {"Training": "Training", "PublicTest": "PublicTest", "PrivateTest": "PrivateTest"}


@pytest.mark.parametrize(
    ("name", "folders"),
    [
        ("{usage}_{row}.png", None),
        ("{usage}_{within}.png", None),
        ("{usage}-{row:05d}.PNG", None),
        ("{row}.png", NAMED_SPLITS),
        ("{within:04d}.png", NAMED_SPLITS),
    ],
    ids=["rows", "rows-within-splits", "dashes", "folders-of-splits", "folders-of-splits-rows-within"],
)
def test_folder_made_from_the_csv_is_equal(data_config, tmp_path, name, folders):
    write_folder(data_config.data_dir / "archive", name, **({"folders": folders} if folders else {}))
    data, csv = load("fer2013", data_config), read_csv(write_csv(tmp_path / "fer2013.csv"), data_config)
    for name in ("images", "labels", "split", "ids"):
        assert np.array_equal(getattr(data, name), getattr(csv, name)), name
    assert data.classes == csv.classes == FER2013_CLASSES
    other = replace(data_config, data_dir=tmp_path / "csv")
    write_csv(other.data_dir / "fer2013.csv")
    assert data.fingerprint == load("fer2013", other).fingerprint


def test_numbers_that_are_no_rows(data_config):
    write_folder(data_config.data_dir / "fer2013", "{usage}_{scrambled}.png")
    data = load("fer2013", data_config)
    assert data.split.tolist() == SPLIT.tolist() and data.ids[0].startswith("fer2013/Training_")
    known = {image.tobytes(): row for row, image in enumerate(IMAGES)}
    rows = [known[image.tobytes()] for image in data.images]
    assert sorted(rows) == list(range(len(LABELS)))
    assert np.array_equal(data.labels, LABELS[rows]) and np.array_equal(data.split, SPLIT[rows])
    assert not data.notes or "distinguished" not in " ".join(data.notes)


def test_names_without_usage_give_one_test_split_and_a_note(data_config):
    write_folder(data_config.data_dir / "fer2013", "im{row}.png")
    data = load("fer2013", data_config)
    assert np.bincount(data.split, minlength=3).tolist() == [14, 0, 14]
    assert any("distinguished" in note for note in data.notes)
    assert any("distinguished" in note for note in load("fer2013", data_config).notes)  # from the cache too


@pytest.mark.parametrize("name", ["{usage}_{row}.png", "{usage}_{scrambled}.png", "im{row}.png"])
def test_the_order_of_files_does_not_matter(data_config, tmp_path, name):
    other = replace(data_config, data_dir=tmp_path / "other")
    write_folder(data_config.data_dir / "fer2013", name)
    write_folder(other.data_dir / "fer2013", name, order=np.random.default_rng(0).permutation(len(LABELS)))
    one, two = load("fer2013", data_config), load("fer2013", other)
    assert one.fingerprint == two.fingerprint and one.ids.tolist() == two.ids.tolist()


def test_class_folders_are_synonyms_in_any_case(data_config):
    root = write_folder(data_config.data_dir / "fer2013")
    for old, new in {"angry": "Anger", "happy": "HAPPINESS", "sad": "Sadness", "fear": "Scared"}.items():
        (root / "train" / old).rename(root / "train" / new)
    assert np.array_equal(load("fer2013", data_config).labels, LABELS)


def test_jpeg_files_are_noted(data_config):
    write_folder(data_config.data_dir / "fer2013", "{usage}_{row}.jpg")
    data = load("fer2013", data_config)
    assert np.array_equal(data.split, SPLIT) and any("JPEG" in note for note in data.notes)


def test_names_override_folders(data_config):
    root = write_folder(data_config.data_dir / "fer2013")
    (root / "test" / "angry" / "PublicTest_14.png").rename(root / "train" / "angry" / "PublicTest_14.png")
    data = load("fer2013", data_config)
    assert np.array_equal(data.split, SPLIT) and any("the names were used" in note for note in data.notes)


def test_other_files_are_ignored(data_config):
    root = write_folder(data_config.data_dir / "fer2013")
    for name in ("train/Thumbs.db", "train/happy/.DS_Store", "train/happy/._Training_3.png", "readme.txt"):
        (root / name).write_text("x")
    (root / ".git").mkdir()
    assert len(load("fer2013", data_config)) == len(LABELS)


@pytest.mark.parametrize("is_empty", [True, False])
def test_class_missing_in_training(data_config, load_error, is_empty):
    folder = write_folder(data_config.data_dir / "fer2013") / "train" / "disgust"
    shutil.rmtree(folder)
    if is_empty:
        folder.mkdir()
    assert f"{folder.parent} has no images of disgust" in load_error("fer2013")


def test_class_missing_in_the_test_split_is_noted(data_config):
    root = write_folder(data_config.data_dir / "fer2013")
    shutil.rmtree(root / "test" / "sad")
    assert any("test/ has no images of sad" in note for note in load("fer2013", data_config).notes)


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("hapy/Training_99.png", "names no class of FER2013"),
        ("anger/Training_99.png", "two folders for angry"),
        ("Training_99.png", "is not in a class folder"),
    ],
)
def test_misplaced_images(data_config, load_error, file, words):
    train = write_folder(data_config.data_dir / "fer2013") / "train"
    (train / file).parent.mkdir(exist_ok=True)
    shutil.copy(train / "angry" / "Training_0.png", train / file)
    message = load_error("fer2013")
    assert file.partition("/")[0] in message and str(train) in message and words in message


def test_images_of_other_sizes(data_config, load_error):
    root = write_folder(data_config.data_dir / "fer2013")
    cv2.imwrite(str(root / "train" / "angry" / "Training_0.png"), np.zeros((96, 96), np.uint8))
    assert "96×96" in load_error("fer2013") and "48×48" in load_error("fer2013")
    for path in root.rglob("*.png"):
        cv2.imwrite(str(path), np.zeros((96, 96), np.uint8))
    assert "are 96×96" in load_error("fer2013")


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_unreadable_image_fails_or_is_skipped(data_config, load_error, content):
    root = write_folder(data_config.data_dir / "fer2013")
    bad = root / "train" / "happy" / "Training_3.png"
    bad.write_bytes(content)
    assert "Training_3.png" in load_error("fer2013")
    data = load("fer2013", replace(data_config, skip_invalid=True))
    assert np.array_equal(data.images, np.delete(IMAGES, 3, axis=0)) and "fer2013-00003" not in data.ids
    assert any("1 file was skipped" in note and "Training_3.png" in note for note in data.notes)


def test_added_file_rebuilds_the_cache(data_config):
    root = write_folder(data_config.data_dir / "fer2013")
    before = load("fer2013", data_config)
    image = (root / "train" / "angry" / "Training_0.png").read_bytes()
    (root / "train" / "angry" / "Training_28.png").write_bytes(image)
    assert len(load("fer2013", data_config)) == len(before) + 1
    (root / "train" / "angry" / "Training_28.png").unlink()
    assert load("fer2013", data_config).fingerprint == before.fingerprint


def test_overwritten_image_needs_refresh(data_config):
    root = write_folder(data_config.data_dir / "fer2013")
    before = load("fer2013", data_config).fingerprint
    path = root / "train" / "angry" / "Training_0.png"
    with path.open("r+b") as file:
        file.write(cv2.imencode(".png", IMAGES[1])[1].tobytes())
        file.truncate()
    assert load("fer2013", data_config).fingerprint == before
    assert load("fer2013", replace(data_config, refresh=True)).fingerprint != before
    assert load("fer2013", data_config).fingerprint != before


def test_image_tree_is_found_at_any_depth_and_the_csv_is_preferred(data_config):
    root = write_folder(data_config.data_dir / "a" / "b")
    assert find("fer2013", data_config) == root
    assert find("fer2013", replace(data_config, data_dir=root)) == root
    csv = write_csv(data_config.data_dir / "c" / "d" / "e" / "fer2013.csv")
    assert find("fer2013", data_config) == csv


def test_image_tree_of_other_classes(data_config):
    root = write_folder(data_config.data_dir / "mine")
    (root / "train" / "contempt").mkdir()
    assert find("fer2013", data_config) is None
    root.rename(root.with_name("FER-2013"))  # but below a folder of that name the message says what is missing
    assert find("fer2013", data_config) == root.with_name("FER-2013")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_class_folder_without_permission(data_config, load_error):
    root = write_folder(data_config.data_dir / "fer2013")
    (root / "train" / "sad").chmod(0)
    assert "sad" in load_error("fer2013")
