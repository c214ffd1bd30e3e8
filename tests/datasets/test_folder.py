"""One's own images in class folders: what is read, and what is said of what cannot be."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, find, find_all, load

RNG = np.random.default_rng(3)


@pytest.fixture
def places(tmp_path):
    (tmp_path / "data").mkdir()
    return DataConfig(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


def picture(shape=(48, 48)) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def write(root, tree: dict[str, int], suffix: str = ".png", shape=(48, 48)) -> None:
    """Folder → how many images it gets."""
    for folder, count in tree.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            assert cv2.imwrite(str(root / folder / f"{number}{suffix}"), picture(shape))


def message(places) -> str:
    with pytest.raises(UserError) as raised:
        load("folder", places)
    assert not list(places.cache_dir.glob("*"))
    assert "\n" not in str(raised.value) and str(raised.value).endswith(".")
    return str(raised.value)


def test_class_folders_are_the_classes(places):
    write(places.data_dir, {"zebra": 2, "Ape": 3})
    data = load("folder", places)
    assert data.classes == ("Ape", "zebra") and data.labels.tolist() == [0, 0, 0, 1, 1] and data.split is None
    assert data.ids.tolist() == ["Ape/0.png", "Ape/1.png", "Ape/2.png", "zebra/0.png", "zebra/1.png"]
    assert data.images.shape == (5, 48, 48) and data.images.dtype == np.uint8


def test_names_of_expressions_become_the_usual_ones_in_fer2013s_order(places):
    write(places.data_dir, {"Happiness": 1, "ANGER": 1, "Contempt": 1, "scared": 1})
    assert load("folder", places).classes == ("angry", "fear", "happy", "contempt")


def test_one_other_name_keeps_all_as_they_are(places):
    write(places.data_dir, {"Happy": 1, "Angry": 1, "Ahegao": 1})
    assert load("folder", places).classes == ("Angry", "Happy", "Ahegao")


def test_parts_give_the_split(places):
    write(places.data_dir / "folder", {"train/a": 2, "train/b": 1, "val/a": 1, "val/B": 1, "test/a": 1, "test/b": 3})
    data = load("folder", places)
    assert data.classes == ("a", "b") and np.bincount(data.split).tolist() == [3, 2, 4]
    assert data.labels.tolist() == [0, 0, 1, 0, 1, 0, 1, 1, 1]


def test_colour_and_any_size_are_read_grey_at_48(places):
    write(places.data_dir, {"a": 1}, ".jpg", (100, 80, 3))
    write(places.data_dir, {"b": 1}, ".bmp", (20, 20))
    assert load("folder", places).images.shape == (2, 48, 48)


def test_it_does_not_depend_on_the_order_of_files(places, tmp_path):
    write(places.data_dir, {"a": 3, "b": 2})
    other = replace(places, data_dir=tmp_path / "other")
    for path in sorted(places.data_dir.rglob("*.png"), reverse=True):
        copy = other.data_dir / path.relative_to(places.data_dir)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    assert load("folder", places).fingerprint == load("folder", other).fingerprint


def test_an_archives_own_folder_is_looked_through(places):
    write(places.data_dir / "folder" / "archive" / "data", {"a": 1, "b": 1})
    assert find("folder", places) == places.data_dir / "folder" / "archive" / "data"


def test_one_class_is_too_few(places):
    write(places.data_dir, {"happy": 3})
    assert "one class alone, happy" in message(places)


def test_bad_images_are_named_and_counted(places):
    write(places.data_dir, {"a": 3, "b": 2})
    (places.data_dir / "a" / "1.png").write_bytes(b"")
    (places.data_dir / "b" / "x.jpg").write_bytes(b"text")
    told = message(places)
    assert "1.png" in told and "x.jpg" in told and "2 of 6" in told
    data = load("folder", replace(places, skip_bad=True))
    assert data.ids.tolist() == ["a/0.png", "a/2.png", "b/0.png", "b/1.png"]
    assert any("2 files were left out: a/1.png" in note for note in data.notes)


def test_a_class_of_which_nothing_can_be_read_is_an_error_all_the_same(places):
    write(places.data_dir, {"a": 3, "b": 2, "c": 1})
    (places.data_dir / "c" / "0.png").write_bytes(b"")
    with pytest.raises(UserError, match="None of the images of c"):
        load("folder", replace(places, skip_bad=True))


def test_files_that_are_no_images_are_told(places):
    write(places.data_dir, {"a": 1, "b": 1})
    for name in ("notes.txt", "film.mp4", "Thumbs.db"):
        (places.data_dir / "a" / name).write_text("x")
    (note,) = load("folder", places).notes
    assert note == "No images, and left out, in data/a: film.mp4, notes.txt."


def test_a_class_that_training_lacks(places):
    write(places.data_dir, {"train/a": 1, "train/b": 1, "test/a": 1, "test/c": 1})
    assert "training part" in message(places) and "no images of c" in message(places)


def test_a_class_that_the_test_lacks_is_noted(places):
    write(places.data_dir, {"train/a": 1, "train/b": 1, "test/a": 1})
    assert load("folder", places).notes == ("The test part has no images of b.",)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ({"Happy": 1, "happiness": 1, "sad": 1}, "two folders for happy"),
        ({"a": 1, "b": 1, "b/deeper": 1}, "folder within a class"),
        ({"a": 1, "b": 1, ".": 1}, "lies in no class folder"),
    ],
)
def test_what_is_laid_out_otherwise_is_said(places, tree, words):
    write(places.data_dir, tree)
    assert words in message(places)


def test_nothing_there_says_how_to_lay_it_out(places):
    assert "folder/<class>/<images>" in message(places)


def test_it_is_offered_where_no_other_dataset_reads_the_images(places):
    write(places.data_dir / "mine", {"a": 1, "b": 1})
    assert find_all(places)["folder"] == places.data_dir / "mine"
    (places.data_dir / "mine" / "fer2013.csv").touch()
    assert "folder" not in find_all(places) and "fer2013" in find_all(places)


def test_the_folder_of_ones_own_images_is_not_taken_for_fer2013(places):
    classes = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    write(places.data_dir / "folder", {f"{part}/{name}": 1 for part in ("train", "test") for name in classes})
    assert "fer2013" not in find_all(places) and "folder" in find_all(places)
    assert load("folder", places).classes == classes


def test_a_new_file_makes_the_cache_anew(places):
    write(places.data_dir, {"a": 1, "b": 1})
    assert len(load("folder", places)) == 2
    write(places.data_dir, {"a": 3})
    assert len(load("folder", places)) == 4
    write(places.data_dir, {"c": 1})
    assert load("folder", places).classes == ("a", "b", "c")
