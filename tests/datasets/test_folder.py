"""Images in class folders, and the messages for wrong layouts."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fer_bench.datasets import find, find_all, load

RNG = np.random.default_rng(3)


def random_image(shape=(48, 48)) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def write(root, tree: dict[str, int], suffix: str = ".png", shape=(48, 48)) -> None:
    """Write images; `tree` is folder → number of images."""
    for folder, count in tree.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            assert cv2.imwrite(str(root / folder / f"{number}{suffix}"), random_image(shape))


def test_folders_are_the_classes(data_config):
    write(data_config.data_dir, {"zebra": 2, "Ape": 3})
    data = load("folder", data_config)
    assert data.classes == ("Ape", "zebra") and data.labels.tolist() == [0, 0, 0, 1, 1] and data.split is None
    assert data.ids.tolist() == ["Ape/0.png", "Ape/1.png", "Ape/2.png", "zebra/0.png", "zebra/1.png"]
    assert data.images.shape == (5, 48, 48) and data.images.dtype == np.uint8


@pytest.mark.parametrize(
    ("folders", "classes"),
    [
        (("Happiness", "ANGER", "Contempt", "scared"), ("angry", "fear", "happy", "contempt")),
        (("Happy", "Angry", "Ahegao"), ("Angry", "Happy", "Ahegao")),  # not all are expressions
    ],
)
def test_names_of_expressions_become_canonical(data_config, folders, classes):
    write(data_config.data_dir, dict.fromkeys(folders, 1))
    assert load("folder", data_config).classes == classes


def test_split_folders_give_the_split(data_config):
    write(
        data_config.data_dir / "folder", {"train/a": 2, "train/b": 1, "val/a": 1, "val/B": 1, "test/a": 1, "test/b": 3}
    )
    data = load("folder", data_config)
    assert data.classes == ("a", "b") and np.bincount(data.split).tolist() == [3, 2, 4]
    assert data.labels.tolist() == [0, 0, 1, 0, 1, 0, 1, 1, 1]


def test_color_images_of_any_size(data_config):
    write(data_config.data_dir, {"a": 1}, ".jpg", (100, 80, 3))
    write(data_config.data_dir, {"b": 1}, ".bmp", (20, 20))
    assert load("folder", data_config).images.shape == (2, 48, 48)


def test_order_of_files_does_not_matter(data_config, tmp_path):
    write(data_config.data_dir, {"a": 3, "b": 2})
    other = replace(data_config, data_dir=tmp_path / "other")
    for path in sorted(data_config.data_dir.rglob("*.png"), reverse=True):
        copy = other.data_dir / path.relative_to(data_config.data_dir)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert load("folder", data_config).fingerprint == load("folder", other).fingerprint


def test_folder_of_an_archive_is_skipped(data_config):
    write(data_config.data_dir / "folder" / "archive" / "data", {"a": 1, "b": 1})
    assert find("folder", data_config) == data_config.data_dir / "folder" / "archive" / "data"


def test_unreadable_images_are_counted_or_skipped(data_config, load_error):
    write(data_config.data_dir, {"a": 3, "b": 2})
    (data_config.data_dir / "a" / "1.png").write_bytes(b"")
    (data_config.data_dir / "b" / "x.jpg").write_bytes(b"text")
    message = load_error("folder")
    assert "1.png" in message and "x.jpg" in message and "2 of 6" in message
    data = load("folder", replace(data_config, skip_invalid=True))
    assert data.ids.tolist() == ["a/0.png", "a/2.png", "b/0.png", "b/1.png"]
    assert any("2 files were skipped: a/1.png" in note for note in data.notes)


def test_class_without_readable_images(data_config, load_error):
    write(data_config.data_dir, {"a": 3, "b": 2, "c": 1})
    (data_config.data_dir / "c" / "0.png").write_bytes(b"")
    assert "None of the images of c" in load_error("folder", replace(data_config, skip_invalid=True))


def test_other_files_are_noted(data_config):
    write(data_config.data_dir, {"a": 1, "b": 1})
    for name in ("notes.txt", "film.mp4", "Thumbs.db"):
        (data_config.data_dir / "a" / name).write_text("x")
    note = load("folder", data_config).notes[0]
    assert note == "Files in data/a that are no images were skipped: film.mp4, notes.txt."


def test_class_missing_in_test_is_noted(data_config):
    write(data_config.data_dir, {"train/happy": 1, "train/sad": 1, "test/happy": 1})
    assert load("folder", data_config).notes == ("The test split has no images of sad.",)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"happy": 3}, "one class only, happy"),
        ({"train/a": 1, "train/b": 1, "test/a": 1, "test/c": 1}, "no images of c"),
        ({"Happy": 1, "happiness": 1, "sad": 1}, "two folders for happy"),
        ({"a": 1, "b": 1, "b/deeper": 1}, "folder within a class"),
        ({"a": 1, "b": 1, ".": 1}, "not in a class folder"),
    ],
)
def test_wrong_layouts(data_config, load_error, tree, words):
    write(data_config.data_dir, tree)
    assert words in load_error("folder")


def test_missing_folder_names_the_layouts(load_error):
    assert "folder/<class>/<images>" in load_error("folder")


def test_omitted_if_it_contains_another_dataset(data_config):
    write(data_config.data_dir / "mine", {"a": 1, "b": 1})
    assert find_all(data_config)["folder"] == data_config.data_dir / "mine"
    (data_config.data_dir / "mine" / "fer2013.csv").touch()
    assert "folder" not in find_all(data_config) and "fer2013" in find_all(data_config)


def test_own_images_are_not_fer2013(data_config):
    classes = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    write(data_config.data_dir / "folder", {f"{split}/{name}": 1 for split in ("train", "test") for name in classes})
    assert "fer2013" not in find_all(data_config) and "folder" in find_all(data_config)
    assert load("folder", data_config).classes == classes


def test_new_file_rebuilds_the_cache(data_config):
    write(data_config.data_dir, {"a": 1, "b": 1})
    assert len(load("folder", data_config)) == 2
    write(data_config.data_dir, {"a": 3})
    assert len(load("folder", data_config)) == 4
    write(data_config.data_dir, {"c": 1})
    assert load("folder", data_config).classes == ("a", "b", "c")
