"""RAF-DB from its label file, and from folders named for its codes; and what is said of a copy that is wrong."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, available, find, load, rafdb
from fer_bench.datasets.dataset import FER2013_CLASSES

# In the order of the codes 1 to 7.
CODES = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
IMAGES = {f"{part}_{number:0{width}d}": number for part, width in (("train", 5), ("test", 4)) for number in range(1, 8)}


@pytest.fixture
def places(tmp_path):
    (tmp_path / "data").mkdir()
    return DataConfig(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


def write(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((100, 100, 3), 20 * seed, np.uint8)
    path.write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


def write_labels(places, root: str = "basic") -> Path:
    base = places.data_dir / root
    for name, code in IMAGES.items():
        write(base / "Image" / "aligned" / f"{name}_aligned.jpg", code)
    path = base / "EmoLabel" / "list_patition_label.txt"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{name}.jpg {code}\n" for name, code in reversed(IMAGES.items())))
    return path


def write_folders(places, root: str = "DATASET") -> Path:
    for name, code in IMAGES.items():
        write(places.data_dir / root / name.split("_")[0] / str(code) / f"{name}_aligned.jpg", code)
    return places.data_dir / root


def message(places) -> str:
    """What the user is told; nothing may be left in the cache."""
    with pytest.raises(UserError) as raised:
        load("rafdb", places)
    assert not list(places.cache_dir.glob("*")) and not list(places.cache_dir.glob(".*"))
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")
    return str(raised.value)


@pytest.mark.parametrize("layout", [write_labels, write_folders])
def test_both_layouts_read_the_same(places, layout):
    assert find("rafdb", places) is None and not available("rafdb", places)
    path = layout(places)
    assert find("rafdb", places) == path and available("rafdb", places)
    data = load("rafdb", places)
    assert data.images.shape == (14, 48, 48) and data.images.dtype == np.uint8 and data.classes == FER2013_CLASSES
    assert data.ids.tolist() == sorted(IMAGES) and data.subjects is None
    assert data.split.tolist() == [2] * 7 + [0] * 7
    assert [data.classes[label] for label in data.labels[:7]] == list(CODES)
    assert np.abs(data.images[:7, 0, 0].astype(int) - 20 * np.arange(1, 8)).max() <= 2
    assert any("training counts" in note and "happy 1 instead of 4,772" in note for note in data.notes)


def test_compound_expressions_are_not_taken_for_basic_ones(places):
    write_labels(places, "compound")
    assert find("rafdb", places) is None
    basic = write_labels(places, "deep/below/basic")
    assert find("rafdb", places) == basic


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("train_00001.jpg 8", "expression code '8'"),
        ("train_00001.jpg", "'train_00001.jpg'"),
        ("valid_00001.jpg 3", "'valid_00001.jpg 3'"),
    ],
)
def test_a_line_that_is_wrong(places, line, told):
    path = write_labels(places)
    path.write_text("\n".join([line, *path.read_text().splitlines()[:-7], "train_00002.jpg 2"]))
    assert f"{path}, line 1" in message(places) and told in message(places)
    data = load("rafdb", DataConfig(places.data_dir, places.cache_dir, skip_invalid=True))
    assert any("EmoLabel/list_patition_label.txt, line 1" in note for note in data.notes)


def test_an_image_labelled_twice(places):
    path = write_labels(places)
    path.write_text(path.read_text() + "train_00001.jpg 2\n")
    assert "train_00001 is labelled twice" in message(places)


def test_an_empty_label_file(places):
    write_labels(places).write_text("")
    assert "names no images" in message(places)


def test_images_that_are_missing(places):
    path = write_labels(places)
    aligned = path.parent.parent / "Image" / "aligned"
    (aligned / "train_00003_aligned.jpg").unlink()
    (aligned / "train_00004_aligned.jpg").write_bytes(b"")
    told = message(places)
    assert "2 of 14" in told and "train_00003_aligned.jpg (No such file" in told and "(0 bytes)" in told
    assert len(load("rafdb", DataConfig(places.data_dir, places.cache_dir, skip_invalid=True))) == 12
    shutil.rmtree(aligned)
    shutil.rmtree(places.cache_dir)
    assert str(aligned) in message(places)


def test_folders_that_are_wrong(places):
    root = write_folders(places)
    shutil.move(root / "train" / "3" / "train_00003_aligned.jpg", root / "test" / "3")
    write(root / "train" / "3" / "train_00009_aligned.jpg", 3)
    assert "an image of train in test" in message(places)
    shutil.rmtree(root / "test" / "3")
    assert f"{root / 'test' / '3'} has no images" in message(places)


def test_the_originals_are_the_aligned_images(places):
    path = write_labels(places)
    files = rafdb.originals("rafdb", places)
    assert list(files) == sorted(IMAGES)
    assert files["test_0001"] == path.parent.parent / "Image" / "aligned" / "test_0001_aligned.jpg"
