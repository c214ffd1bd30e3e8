"""Some classes of a dataset as a dataset of its own."""

from dataclasses import replace

import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets.class_selection import find_classes, select_classes, with_classes
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.face_crop.load import load

NAME = "synthetic~classes=angry+happy+sad"


@pytest.fixture(scope="module")
def whole() -> Dataset:
    rng = np.random.default_rng(0)
    labels = np.arange(12) % 4
    return Dataset(
        name="made",
        images=rng.integers(0, 256, (12, 8, 8), np.uint8),
        labels=labels,
        ids=np.array([f"{i}" for i in range(12)]),
        classes=("angry", "happy", "sad", "bored"),
        fingerprint="whole",
        split=np.repeat(np.arange(3, dtype=np.int8), 4),
        subjects=np.array([f"s{i // 4}" for i in range(12)]),
        soft_labels=np.eye(4, dtype=np.float32)[labels] * 0.8 + np.float32(0.05),
    )


def test_images_of_the_classes_keep_split_and_subjects(whole):
    part = select_classes(whole, ["happy", "bored"])
    assert part.classes == ("happy", "bored") and part.labels.tolist() == [0, 1] * 3
    assert part.ids.tolist() == ["1", "3", "5", "7", "9", "11"] and part.split.tolist() == [0, 0, 1, 1, 2, 2]
    assert part.subjects.tolist() == ["s0", "s0", "s1", "s1", "s2", "s2"]
    assert np.array_equal(part.images, whole.images[[1, 3, 5, 7, 9, 11]])
    np.testing.assert_allclose(part.soft_labels.sum(axis=1), 1)
    assert "6 of 12 images" in part.notes[0] and part.name == "made~classes=happy+bored"


def test_spelling_and_order_of_classes_do_not_matter(whole):
    assert find_classes(whole, ["Sadness", "anger"]) == ["angry", "sad"]


@pytest.mark.parametrize(("classes", "word"), [(["hapy", "sad"], "'happy'"), (["sad"], "alone"), (["fear"], "fear")])
def test_unknown_or_single_classes(whole, classes, word):
    with pytest.raises(UserError, match=word):
        find_classes(whole, classes)


def test_a_name_has_classes_once():
    with pytest.raises(UserError, match="already"):
        with_classes("made~classes=angry+sad", ["happy"])


def test_loaded_by_name_from_the_cache(data_config, few_synthetic_samples):
    everything, part = load("synthetic", data_config), load(NAME, data_config)
    assert part.name == NAME and part.classes == ("angry", "happy", "sad")
    assert part.fingerprint and part.fingerprint != everything.fingerprint
    assert len(part) == sum(everything.classes[label] in part.classes for label in everything.labels)
    again = load("synthetic~classes=sad+Anger+happy", replace(data_config, refresh=False))
    assert again.fingerprint == part.fingerprint and again.name == NAME
    assert load("synthetic~classes=" + "+".join(everything.classes), data_config).name == "synthetic"
