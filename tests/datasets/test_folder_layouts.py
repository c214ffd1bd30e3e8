"""Images in class folders: splits and subjects in folders and names, persons taken for classes, classes that vanish."""

import unicodedata
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fer_bench.core.splits import SPLITS
from fer_bench.datasets import find, find_all, load
from fer_bench.protocols.registry import folds

RNG = np.random.default_rng(4)
CLASSES = ("angry", "happy", "sad")


@pytest.fixture
def write(data_config):
    """Return a function that writes random images, given as paths below the data folder."""

    def write(*paths: str) -> None:
        for path in paths:
            file = data_config.data_dir / path
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = RNG.integers(0, 256, (12, 12), np.uint8)
            suffix = file.suffix if file.suffix in (".jpg", ".gif", ".tiff") else ".png"
            Image.fromarray(pixels).save(file, suffix[1:].replace("jpg", "jpeg"))

    return write


def counts_by_split(data) -> dict[str, int]:
    return {SPLITS[split]: int(count) for split, count in zip(*np.unique(data.split, return_counts=True), strict=True)}


# ---- splits


@pytest.mark.parametrize(
    "names",
    [
        ("Training", "PublicTest", "PrivateTest"),
        ("train", "val", "test"),
        ("TRAIN", "valid", "Testing"),
        ("train_set", "dev", "test_set"),
        ("train", "evaluation", "private_test"),
    ],
)
def test_names_of_split_folders(data_config, write, names):
    write(*(f"x/{split}/{name}/{i}.png" for split in names for name in CLASSES for i in range(2)))
    data = load("folder", data_config)
    assert data.classes == CLASSES and counts_by_split(data) == {"training": 6, "validation": 6, "test": 6}


def test_splits_in_class_folders(data_config, write):
    write(*(f"{name}/{split}/0.png" for split in ("train", "test") for name in CLASSES))
    assert counts_by_split(load("folder", data_config)) == {"training": 3, "test": 3}


def test_splits_in_file_names(data_config, write):
    write(*(f"{name}/{usage}_{i}.png" for usage in ("Training", "PublicTest", "PrivateTest") for name in CLASSES
            for i in range(2)))  # fmt: skip
    data = load("folder", data_config)
    assert counts_by_split(data) == {"training": 6, "validation": 6, "test": 6}
    assert all(id.split("/")[1].startswith("Training") for id in data.ids[data.split == 0])


def test_file_names_without_a_test_split_are_no_splits(data_config, write):
    write(*(f"{name}/train_{i}.png" for name in CLASSES for i in range(2)))
    assert load("folder", data_config).split is None


def test_folders_that_all_images_share_do_not_matter(data_config, write):
    write(*(f"train/images/{name}/0.png" for name in CLASSES), *(f"test/{name}/images/0.png" for name in CLASSES))
    assert counts_by_split(load("folder", data_config)) == {"training": 3, "test": 3}


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("val", "test"), "Rename one of them to train"),
        (("train", "training"), "two folders for the training split"),
        (("fold_0", "fold_1"), "rename them to train"),
        (("session1", "session2"), "rename them to train"),
    ],
)
def test_folders_to_rename(write, load_error, folders, words):
    write(*(f"{folder}/{name}/0.png" for folder in folders for name in CLASSES))
    assert words in load_error("folder")


def test_test_images_without_classes(write, load_error):
    write(*(f"train/{name}/0.png" for name in CLASSES), "test/0.png")
    assert "test/0.png is not in a class folder" in load_error("folder")


def test_training_split_without_images(data_config, write, load_error):
    write(*(f"test/{name}/0.png" for name in CLASSES))
    (data_config.data_dir / "train" / "happy").mkdir(parents=True)
    assert "train/happy has no images" in load_error("folder")


# ---- subjects


@pytest.mark.parametrize(
    "name", ["K{subject}.AN1.39.tiff", "S00{number}_001_00000011.png", "AF0{number}ANS.jpg", "subject_{number}-{i}.png"]
)
def test_subjects_in_file_names(data_config, write, name):
    paths = [
        f"{emotion}/{name.format(subject='ABC'[number], number=number, i=i)}"
        for i, emotion in enumerate(CLASSES)
        for number in range(3)
    ]
    write(*paths)
    data = load("folder", data_config)
    assert len(set(data.subjects)) == 3 and any("3 subjects" in note for note in data.notes)
    assert len(folds("loso", data, seed=0)) == 3


def test_shared_subjects_have_a_badge(data_config, write):
    write(
        *(
            f"{split}/{emotion}/S00{number}_00{take}_00000011.png"
            for take, split in enumerate(("train", "val", "test"))
            for emotion in CLASSES
            for number in range(3)
        )
    )
    data = load("folder", data_config)
    assert "leaky: same subjects in training and test" in folds("official", data, seed=0)[0].notes
    assert not any("leaky" in note for fold in folds("loso", data, seed=0) for note in fold.notes)


def test_a_name_without_a_subject_is_noted(data_config, write):
    write(*(f"{emotion}/S00{number}_001_00000011.png" for emotion in CLASSES for number in range(3)), "sad/x.png")
    data = load("folder", data_config)
    assert data.subjects is None and any("subjects are unknown" in note and "x.png" in note for note in data.notes)


def test_subjects_in_splits(data_config, write):
    write(*(f"{split}/subject_{number}/{emotion}/0.png" for split, number in (("train", 0), ("train", 1), ("test", 2))
            for emotion in CLASSES))  # fmt: skip
    data = load("folder", data_config)
    assert data.classes == CLASSES and counts_by_split(data) == {"training": 6, "test": 3}
    assert not any("leaky" in note for note in folds("official", data, seed=0)[0].notes)


@pytest.mark.parametrize("path", ["{emotion}/subject_{number}/0.png", "subject_{number}/{emotion}/0.png"])
def test_folders_of_subjects(data_config, write, path):
    write(*(path.format(emotion=emotion, number=number) for emotion in CLASSES for number in range(3)))
    data = load("folder", data_config)
    assert data.classes == CLASSES and sorted(set(data.subjects)) == ["subject_0", "subject_1", "subject_2"]


# ---- what is no class


@pytest.mark.parametrize(
    "paths",
    [
        ("AF01/AF01ANS.jpg", "AF01/AF01HAS.jpg", "AM02/AM02ANS.jpg", "AM02/AM02HAS.jpg"),
        ("S005/S005_001.png", "S010/S010_001.png"),
        ("session1/0.png", "session2/0.png"),
        ("train2/0.png", "fold_1/0.png"),
        ("Anna/happy.png", "Anna/sad.png", "Bob/happy.png", "Bob/sad.png"),
        ("subject01/subject01.gif", "subject02/subject02.gif"),
    ],
)
def test_persons_recordings_and_splits_are_no_classes(data_config, write, load_error, paths):
    write(*paths)
    message = load_error("folder")
    assert "would be read as 2 classes" in message and "--accept-classes" in message
    accepted = replace(data_config, accept_classes=True)
    assert len(load("folder", accepted).classes) == 2
    assert "--accept-classes" in load_error("folder")  # although it is in the cache now


def test_other_class_names_are_noted(data_config, write):
    write("engaged/engaged_0.png", "bored/bored_0.png")
    assert any("No class is named for an expression" in note for note in load("folder", data_config).notes)
    write("happy/0.png")
    assert not any("No class is named" in note for note in load("folder", data_config).notes)


@pytest.mark.parametrize("path", ["S005/001/0.png", "trial1/camera2/0.png"])
def test_nested_folders_without_expressions(write, load_error, path):
    write(path, path.replace("5", "6").replace("trial1", "trial2"))
    write(path.replace("001", "002").replace("camera2", "camera3"))
    assert "no folder is named for an expression" in load_error("folder")


# ---- classes that vanish


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"0.svg": b"<svg/>", "1.svg": b"<svg/>"}, "2 files, such as 0.svg"),
        ({".0.png": b"x"}, "hidden files"),
        ({"Thumbs.db": b"x"}, "has no images"),
        ({}, "has no images"),
        ({"IMG_1.HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"}, "HEIC"),
    ],
)
def test_a_class_without_readable_images(data_config, write, load_error, files, words):
    write("happy/0.png", "sad/0.png")
    (data_config.data_dir / "fear").mkdir()
    for name, content in files.items():
        (data_config.data_dir / "fear" / name).write_bytes(content)
    assert words in load_error("folder") and "fear" in load_error("folder")


def test_folders_of_documents_are_ignored(data_config, write):
    write("happy/0.png", "sad/0.png")
    (data_config.data_dir / "docs").mkdir()
    (data_config.data_dir / "docs" / "readme.txt").touch()
    assert any("docs" in note for note in load("folder", data_config).notes)


def test_suffixes_do_not_matter(data_config, write):
    write("happy/download (1).jfif", "happy/IMG_0001", "sad/0.gif", "sad/subject01.sad")
    (data_config.data_dir / "sad" / "IMG_2.HEIC").write_bytes(b"not read")
    data = load("folder", data_config)
    assert len(data) == 4 and any("IMG_2.HEIC" in note for note in data.notes)


def test_a_link_to_a_missing_image_is_reported(data_config, write, load_error):
    write("happy/0.png", "sad/0.png")
    (data_config.data_dir / "sad" / "1.png").symlink_to("missing.png")
    assert "1 of 3 images" in load_error("folder")


# ---- where the folders are


@pytest.mark.parametrize("data_dir", ["faces", "", "faces/../.."])
def test_data_dir_is_the_folder_or_one_above(data_config, write, data_dir):
    write("faces/happy/0.png", "faces/sad/0.png")
    (data_config.data_dir / "docs").mkdir()
    (data_config.data_dir / "docs" / "readme.txt").touch()
    path = find("folder", replace(data_config, data_dir=data_config.data_dir / data_dir))
    assert path and path.resolve() == (data_config.data_dir / "faces").resolve()


def test_data_dir_is_a_class_folder(data_config, write, load_error):
    write("happy/0.png")
    message = load_error("folder", replace(data_config, data_dir=data_config.data_dir / "happy"))
    assert "no class folders" in message and "folder above" in message


def test_several_folders_with_class_folders(write, load_error):
    write(*(f"{folder}/{name}/0.png" for folder in ("web", "film") for name in CLASSES))
    message = load_error("folder")
    assert "Several folders" in message and "data/film" in message and "--data-dir" in message


def test_results_and_caches_are_no_classes(data_config, write):
    write("happy/0.png", "sad/0.png", "results/figures/0.png", "cache/x.png")
    root = data_config.data_dir
    (root / "results" / "records" / "abc").mkdir(parents=True)
    (root / "cache" / ".datasets.lock").touch()
    data = load("folder", data_config)
    assert data.classes == ("happy", "sad") and data.notes == ()
    (root / "results" / "leaderboard.csv").touch()
    assert load("folder", data_config).fingerprint == data.fingerprint


def test_both_forms_of_unicode_are_one_class(data_config, write):
    name = "Überrascht"
    write(f"train/{unicodedata.normalize('NFC', name)}/0.png", f"test/{unicodedata.normalize('NFD', name)}/0.png")
    write("train/froh/0.png", "test/froh/0.png")
    data = load("folder", data_config)
    assert data.classes == ("froh", name) and all(unicodedata.is_normalized("NFC", id) for id in data.ids)


def test_circular_links_end(data_config, write):
    write("happy/0.png", "sad/0.png")
    (data_config.data_dir / "sad" / "back").symlink_to(data_config.data_dir)
    assert len(find_all(data_config)) == 3


def test_part_of_fer2013_is_read_as_a_folder(data_config, write, load_error):
    write(*(f"fer2013/{usage}/{name}/0.png" for usage in ("Training", "PublicTest", "PrivateTest") for name in CLASSES))
    assert find_all(data_config)["folder"] == data_config.data_dir / "fer2013"
    assert counts_by_split(load("folder", data_config)) == {"training": 3, "validation": 3, "test": 3}
    message = load_error("fer2013")
    assert "no images of disgust and fear" in message and "--dataset folder" in message
