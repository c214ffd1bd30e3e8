"""JAFFE from its folder: who shows what, and what is said of a picture that is wrong."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, available, find, jaffe, load
from fer_bench.datasets.dataset import FER2013_CLASSES

NAMES = ("KA.AN1.39", "KA.DI2.43", "KM.FE1.23", "KM.HA3.6", "TM.SA1.184", "TM.SU1.187", "YM.NE2.50")


@pytest.fixture
def places(tmp_path):
    (tmp_path / "data").mkdir()
    return DataConfig(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


def picture(name: str) -> np.ndarray:
    """256×256, in blocks as large as one pixel is after the reduction to 48 (but for rounding)."""
    small = np.random.default_rng(list(name.encode())).integers(0, 256, (8, 8), np.uint8)
    return np.kron(small, np.ones((32, 32), np.uint8))


def write(places, folder: str = "jaffe", names=NAMES, suffix: str = ".tiff") -> Path:
    root = places.data_dir / folder
    root.mkdir(parents=True, exist_ok=True)
    for name in names:
        (root / f"{name}{suffix}").write_bytes(cv2.imencode(suffix, picture(name))[1].tobytes())
    return root


def message(places) -> str:
    """What the user is told; nothing may be left in the cache."""
    with pytest.raises(UserError) as raised:
        load("jaffe", places)
    assert not list(places.cache_dir.glob("*")) and not list(places.cache_dir.glob(".*"))
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")
    return str(raised.value)


def test_names_say_who_shows_what(places):
    (write(places) / "README_FIRST.txt").touch()
    data = load("jaffe", places)
    assert data.images.shape == (7, 48, 48) and data.images.dtype == np.uint8 and data.split is None
    assert data.classes == FER2013_CLASSES and data.labels.tolist() == list(range(7))
    assert data.ids.tolist() == list(NAMES)
    assert data.subjects.tolist() == ["KA", "KA", "KM", "KM", "TM", "TM", "YM"] and data.sequences is None
    assert np.array_equal(data.images[:, 3::6, 3::6], [picture(name)[16::32, 16::32] for name in NAMES])
    assert any("256×256" in note for note in data.notes) and any("instead of 30" in note for note in data.notes)


@pytest.mark.parametrize("folder", ["", "jaffe", "archive/jaffedbase/jaffe"])
def test_the_folder_is_found_anywhere(places, folder):
    assert find("jaffe", places) is None and not available("jaffe", places)
    (places.data_dir / "other.tiff").touch()
    root = write(places, folder, ["KA.AN1.39"])
    assert find("jaffe", places) == root and available("jaffe", places)


def test_other_kinds_of_files_are_read_too(places):
    write(places, suffix=".png")
    assert len(load("jaffe", places)) == 7


def test_a_missing_folder_names_the_origin(places):
    (places.data_dir / "other.txt").touch()
    assert "zenodo.org" in message(places) and "KA.AN1.39.tiff" in message(places)


@pytest.mark.parametrize(
    ("name", "told"), [("KA.XX1.40.tiff", "expression code XX"), ("scan 12.tiff", "not named like KA.AN1.39.tiff")]
)
def test_a_picture_of_another_name(places, name, told):
    root = write(places)
    (root / "KA.AN1.39.tiff").rename(root / name)
    assert f"{root / name} (" in message(places) and told in message(places)
    data = load("jaffe", DataConfig(places.data_dir, places.cache_dir, skip_invalid=True))
    assert len(data) == 6 and any(f"1 file was left out: jaffe/{name}" in note for note in data.notes)


def test_an_empty_picture(places):
    root = write(places)
    (root / "KM.FE1.23.tiff").write_bytes(b"")
    assert f"1 of 7 images cannot be read: {root / 'KM.FE1.23.tiff'} (0 bytes)." in message(places)
    assert len(load("jaffe", DataConfig(places.data_dir, places.cache_dir, skip_invalid=True))) == 6


def test_a_picture_that_is_there_twice(places):
    write(places)
    write(places, names=NAMES[:1], suffix=".png")
    assert "KA.AN1.39 is there twice" in message(places)


def test_the_originals_are_whole(places):
    root = write(places)
    files = jaffe.originals("jaffe", places)
    assert set(files) == set(load("jaffe", places).ids) and files["KA.AN1.39"] == root / "KA.AN1.39.tiff"
