"""RAF-DB from its label file and from class folders, and the messages for malformed copies."""

import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from fer_bench.datasets import available, find, load
from fer_bench.datasets.dataset import FER2013_CLASSES
from fer_bench.datasets.rafdb.read import load_originals

# In the order of the codes 1 to 7.
CODES = ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral")
IMAGES = {
    f"{split}_{number:0{width}d}": number for split, width in (("train", 5), ("test", 4)) for number in range(1, 8)
}


def write(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((100, 100, 3), 20 * seed, np.uint8)
    path.write_bytes(cv2.imencode(".jpg", pixels)[1].tobytes())


def write_labels(data_config, root: str = "basic") -> Path:
    base = data_config.data_dir / root
    for name, code in IMAGES.items():
        write(base / "Image" / "aligned" / f"{name}_aligned.jpg", code)
    path = base / "EmoLabel" / "list_patition_label.txt"
    path.parent.mkdir(parents=True)
    path.write_text("".join(f"{name}.jpg {code}\n" for name, code in reversed(IMAGES.items())))
    return path


def write_folders(data_config, root: str = "DATASET") -> Path:
    for name, code in IMAGES.items():
        write(data_config.data_dir / root / name.split("_")[0] / str(code) / f"{name}_aligned.jpg", code)
    return data_config.data_dir / root


@pytest.mark.parametrize("layout", [write_labels, write_folders])
def test_both_layouts_read_the_same(data_config, layout):
    assert find("rafdb", data_config) is None and not available("rafdb", data_config)
    path = layout(data_config)
    assert find("rafdb", data_config) == path and available("rafdb", data_config)
    data = load("rafdb", data_config)
    assert data.images.shape == (14, 48, 48) and data.images.dtype == np.uint8 and data.classes == FER2013_CLASSES
    assert data.ids.tolist() == sorted(IMAGES) and data.subjects is None
    assert data.split.tolist() == [2] * 7 + [0] * 7
    assert [data.classes[label] for label in data.labels[:7]] == list(CODES)
    assert np.abs(data.images[:7, 0, 0].astype(int) - 20 * np.arange(1, 8)).max() <= 2
    assert any("training counts" in note and "happy 1 instead of 4,772" in note for note in data.notes)


def test_compound_expressions_are_ignored(data_config):
    write_labels(data_config, "compound")
    assert find("rafdb", data_config) is None
    basic = write_labels(data_config, "deep/below/basic")
    assert find("rafdb", data_config) == basic


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("train_00001.jpg x", "expression code 'x'"),
        ("train_00001.jpg", "'train_00001.jpg'"),
        ("train_00001.jpg 1 2", "'train_00001.jpg 1 2'"),
        ("valid_00001.jpg 3", "'valid_00001.jpg 3'"),
    ],
)
def test_malformed_line(data_config, load_error, line, words):
    path = write_labels(data_config)
    path.write_text("\n".join([line, *path.read_text().splitlines()[:-7], "train_00002.jpg 2"]))
    assert f"{path}, line 1" in load_error("rafdb") and words in load_error("rafdb")
    data = load("rafdb", replace(data_config, skip_invalid=True))
    assert any("EmoLabel/list_patition_label.txt, line 1" in note for note in data.notes)


@pytest.mark.parametrize("skip_invalid", [False, True])
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({code: code - 1 for code in range(1, 8)}, "counted from 0, not from 1: add 1"),
        ({code: code + 1 for code in range(1, 8)}, "counted from 2"),
        ({7: 0}, "counted from 0"),
        ({1: 0, 2: 0}, "numbers of other classes"),
        ({7: 9}, "'9'"),
    ],
)
def test_codes_of_another_list_are_never_skipped(data_config, load_error, change, words, skip_invalid):
    path = write_labels(data_config)
    lines = [line.rsplit(" ", 1) for line in path.read_text().splitlines()]
    path.write_text("".join(f"{name} {change.get(int(code), int(code))}\n" for name, code in lines))
    assert words in load_error("rafdb", replace(data_config, skip_invalid=skip_invalid))


@pytest.mark.parametrize("words", [["anger", "6.0"], ["Happiness", "4"]])
def test_names_of_classes_are_as_good_as_codes(data_config, words):
    path = write_labels(data_config)
    expected = load("rafdb", data_config)
    path.write_text(path.read_text().replace(f" {words[1][0]}\n", f" {words[0]}\n"))
    assert load("rafdb", data_config).labels.tolist() == expected.labels.tolist()


def test_a_whole_class_is_never_skipped(data_config, load_error):
    path = write_labels(data_config)
    skipping = replace(data_config, skip_invalid=True)
    path.write_text(path.read_text().replace(" 7\n", " none\n"))
    assert "neutral" in load_error("rafdb", skipping)
    path.write_text(path.read_text().replace(" none\n", " 7\n"))
    for name in ("train_00003", "test_0003"):
        (path.parent.parent / "Image" / "aligned" / f"{name}_aligned.jpg").write_bytes(b"")
    assert "disgust" in load_error("rafdb", skipping)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_label_file_in_another_encoding(data_config, encoding):
    path = write_labels(data_config)
    path.write_bytes(path.read_text().replace("\n", "\r\n").encode(encoding))
    assert len(load("rafdb", data_config)) == 14


def test_class_folders_counted_from_0(data_config, load_error):
    root = write_folders(data_config)
    for split in ("train", "test"):
        for code in range(1, 8):
            (root / split / str(code)).rename(root / split / str(code - 1))
    assert "counted from 0" in load_error("rafdb", replace(data_config, skip_invalid=True))


def test_image_labeled_twice(data_config, load_error):
    path = write_labels(data_config)
    path.write_text(path.read_text() + "train_00001.jpg 2\n")
    assert "train_00001 is labeled twice" in load_error("rafdb")


def test_empty_label_file(data_config, load_error):
    write_labels(data_config).write_text("")
    assert "empty" in load_error("rafdb")


def test_missing_images(data_config, load_error):
    path = write_labels(data_config)
    aligned = path.parent.parent / "Image" / "aligned"
    (aligned / "train_00003_aligned.jpg").unlink()
    (aligned / "train_00004_aligned.jpg").write_bytes(b"")
    message = load_error("rafdb")
    assert "2 of 14" in message and "train_00003_aligned.jpg (No such file" in message and "(0 bytes)" in message
    assert len(load("rafdb", replace(data_config, skip_invalid=True))) == 12
    shutil.rmtree(aligned)
    shutil.rmtree(data_config.cache_dir)
    assert str(aligned) in load_error("rafdb")


def test_misplaced_images_and_empty_folders(data_config, load_error):
    root = write_folders(data_config)
    shutil.move(root / "train" / "3" / "train_00003_aligned.jpg", root / "test" / "3")
    write(root / "train" / "3" / "train_00009_aligned.jpg", 3)
    assert "an image of train in test" in load_error("rafdb")
    shutil.rmtree(root / "test" / "3")
    assert f"{root / 'test' / '3'} has no images" in load_error("rafdb")


def test_load_originals(data_config):
    path = write_labels(data_config)
    files = load_originals("rafdb", data_config)
    assert list(files) == sorted(IMAGES)
    assert files["test_0001"] == path.parent.parent / "Image" / "aligned" / "test_0001_aligned.jpg"
