"""The synthetic faces: reproducible, balanced, learnable, not trivial."""

import builtins
import sys
from dataclasses import replace

import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, available, find, load
from fer_bench.datasets.dataset import FER2013_CLASSES
from fer_bench.datasets.faces import draw_face
from fer_bench.datasets.images import import_opencv
from fer_bench.datasets.synthetic import EXPRESSIONS, draw_dataset, random_appearance


@pytest.fixture(scope="module")
def data():
    return load("synthetic", DataConfig())


def test_counts_types_and_split(data):
    assert data.images.shape == (2800, 48, 48) and data.images.dtype == np.uint8
    assert data.classes == FER2013_CLASSES == tuple(EXPRESSIONS)
    assert len(set(data.ids)) == 2800 and data.ids[0] == "synthetic-00000"
    for number, count in enumerate((280, 60, 60)):
        assert np.bincount(data.labels[data.split == number]).tolist() == [count] * 7


def test_images_are_unique_and_not_blank(data):
    assert len({image.tobytes() for image in data.images}) == 2800
    assert data.images.reshape(2800, -1).std(axis=1).min() > 5


def test_the_same_seed_draws_the_same_faces():
    one, two, other = draw_dataset(4, seed=1), draw_dataset(4, seed=1), draw_dataset(4, seed=2)
    assert np.array_equal(one.images, two.images) and np.array_equal(one.split, two.split)
    assert not np.array_equal(one.images, other.images)


def test_always_available_without_files(tmp_path):
    data_config = DataConfig(data_dir=tmp_path, cache_dir=tmp_path / "cache")
    assert find("synthetic", data_config) is None and available("synthetic", data_config)


def test_difficulty_for_a_simple_classifier(data):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    hog = import_opencv().HOGDescriptor((48, 48), (16, 16), (8, 8), (8, 8), 9)
    features = np.array([hog.compute(image).ravel() for image in data.images])
    model = make_pipeline(StandardScaler(), SVC(C=5)).fit(features[data.split == 0], data.labels[data.split == 0])
    assert 0.6 < model.score(features[data.split == 2], data.labels[data.split == 2]) < 0.97


def test_each_expression_changes_the_face():
    appearance = replace(random_appearance(np.random.default_rng(0)), noise=0.0)
    faces = {
        name: draw_face(full, appearance, np.random.default_rng(0)).astype(int) for name, full in EXPRESSIONS.items()
    }
    names = list(faces)
    for index, one in enumerate(names):
        for other in names[:index]:
            assert np.abs(faces[one] - faces[other]).mean() > 2, (one, other)


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        ("libGL.so.1: cannot open shared object file", "apt-get install libgl1"),
        ("No module named 'cv2'", "OpenCV cannot be imported"),
    ],
)
def test_missing_opencv(monkeypatch, cause, words):
    original = builtins.__import__

    def without(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError(cause)
        return original(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "cv2", raising=False)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UserError, match=words):
        import_opencv()
