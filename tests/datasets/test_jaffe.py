"""JAFFE from its folder, and the messages for unexpected images."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_bench.datasets import available, find, find_all, load
from fer_bench.datasets.dataset import FER2013_CLASSES
from fer_bench.datasets.jaffe.read import load_originals

NAMES = ("KA.AN1.39", "KA.DI2.43", "KM.FE1.23", "KM.HA3.6", "TM.SA1.184", "TM.SU1.187", "YM.NE2.50")


def image(name: str) -> np.ndarray:
    """Return 256×256 pixels in blocks that are larger than one pixel after the reduction to 48×48."""
    small = np.random.default_rng(list(name.encode())).integers(0, 256, (8, 8), np.uint8)
    return np.kron(small, np.ones((32, 32), np.uint8))


def write(data_config, folder: str = "jaffe", names=NAMES, suffix: str = ".tiff") -> Path:
    root = data_config.data_dir / folder
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / f"{name}{suffix}").write_bytes(cv2.imencode(suffix, image(name))[1].tobytes())
    return root


@pytest.mark.parametrize("suffix", [".tiff", ".png"])
def test_names_give_subject_and_expression(data_config, suffix):
    (write(data_config, suffix=suffix) / "README_FIRST.txt").touch()
    data = load("jaffe", data_config)
    assert data.images.shape == (7, 48, 48) and data.images.dtype == np.uint8 and data.split is None
    assert data.classes == FER2013_CLASSES and data.labels.tolist() == list(range(7))
    assert data.ids.tolist() == list(NAMES)
    assert data.subjects.tolist() == ["KA", "KA", "KM", "KM", "TM", "TM", "YM"] and data.sequences is None
    assert np.array_equal(data.images[:, 3::6, 3::6], [image(name)[16::32, 16::32] for name in NAMES])
    assert any("256×256" in note for note in data.notes) and any("instead of 30" in note for note in data.notes)


@pytest.mark.parametrize("folder", ["", "jaffe", "archive/jaffedbase/jaffe"])
def test_folder_is_found_at_any_depth(data_config, folder):
    assert find("jaffe", data_config) is None and not available("jaffe", data_config)
    (data_config.data_dir / "other.tiff").touch()
    root = write(data_config, folder, ["KA.AN1.39"])
    assert find("jaffe", data_config) == root and available("jaffe", data_config)


def test_missing_folder_names_the_origin(data_config, load_error):
    (data_config.data_dir / "other.txt").touch()
    assert "zenodo.org" in load_error("jaffe") and "KA.AN1.39.tiff" in load_error("jaffe")


@pytest.mark.parametrize(
    ("name", "words"), [("KA.XX1.40.tiff", "expression code XX"), ("scan 12.tiff", "not named like KA.AN1.39.tiff")]
)
def test_unexpected_image_name(data_config, load_error, name, words):
    root = write(data_config, names=(*NAMES, "KA.AN2.40"))
    (root / "KA.AN1.39.tiff").rename(root / name)
    assert f"{root / name} (" in load_error("jaffe") and words in load_error("jaffe")
    data = load("jaffe", replace(data_config, skip_invalid=True))
    assert len(data) == 7 and any(f"1 file was skipped: jaffe/{name}" in note for note in data.notes)


def test_empty_image_file(data_config, load_error):
    root = write(data_config)
    (root / "KM.FE1.23.tiff").write_bytes(b"")
    assert f"1 of 7 images cannot be read: {root / 'KM.FE1.23.tiff'} (0 bytes)." in load_error("jaffe")
    skipping = replace(data_config, skip_invalid=True)
    assert "No image of fear" in load_error("jaffe", skipping)
    write(data_config, names=["KM.FE2.24"])
    assert len(load("jaffe", skipping)) == 7


def test_image_that_exists_twice(data_config, load_error):
    write(data_config)
    write(data_config, names=NAMES[:1], suffix=".png")
    assert "KA.AN1.39 exists twice" in load_error("jaffe")


def test_load_originals(data_config):
    root = write(data_config)
    files = load_originals("jaffe", data_config)
    assert set(files) == set(load("jaffe", data_config).ids) and files["KA.AN1.39"] == root / "KA.AN1.39.tiff"


def write_sorted(data_config, folder_of) -> Path:
    """Write each image below the folder that `folder_of` returns for its name."""
    for name in NAMES:
        write(data_config, f"jaffe/{folder_of(name)}", [name])
    return data_config.data_dir / "jaffe"


EMOTION_FOLDERS = dict(zip(("AN", "DI", "FE", "HA", "SA", "SU", "NE"), FER2013_CLASSES, strict=True))


@pytest.mark.parametrize(
    "folder_of",
    [
        lambda name: f"Training/{EMOTION_FOLDERS[name[3:5]]}",
        lambda name: f"0 {EMOTION_FOLDERS[name[3:5]]}",
        lambda name: name[:2],
        lambda name: name[3:5],
        lambda name: f"{'test' if name[:2] == 'YM' else 'train'}/{EMOTION_FOLDERS[name[3:5]]}",
    ],
)
def test_images_in_folders_of_classes_or_subjects(data_config, folder_of):
    write_sorted(data_config, folder_of)
    data = load("jaffe", data_config)
    assert set(data.ids) == set(NAMES) and set(data.subjects) == {"KA", "KM", "TM", "YM"}
    assert set(load_originals("jaffe", data_config)) == set(NAMES)
    assert "folder" not in find_all(data_config) and "fer2013" not in find_all(data_config)


def test_own_splits_are_noted(data_config):
    write_sorted(data_config, lambda name: f"{'test' if name[:2] == 'YM' else 'train'}/{EMOTION_FOLDERS[name[3:5]]}")
    assert any("test, train are no official splits" in note for note in load("jaffe", data_config).notes)


def test_copies_in_another_folder_are_not_read(data_config):
    root = write(data_config)
    write(data_config, "jaffe_copy")
    assert find("jaffe", data_config) == root and len(load("jaffe", data_config)) == len(NAMES)


def test_image_in_the_folder_of_another_class(data_config, load_error):
    write_sorted(data_config, lambda name: "happy" if name == "KA.AN1.39" else EMOTION_FOLDERS[name[3:5]])
    assert "happy/KA.AN1.39.tiff" in load_error("jaffe") and "--dataset folder" in load_error("jaffe")
