"""Models for larger or color images get the pixels of the image files, the others the cached images."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, load
from fer_bench.datasets.face_crop import load as face_crop
from fer_bench.inference.external.original_images import GRAY_NOTE, FileImages, select_images
from fer_bench.inference.preprocessing.preprocessing import Preprocessing
from fer_bench.protocols.class_subset import restrict
from fer_bench.protocols.cross_dataset import concatenate
from fer_bench.protocols.fold import Fold

FEW = np.array([0, 3])


@pytest.fixture
def write_folder(tmp_path, monkeypatch):
    """Write images of random pixels into class folders and return where they are."""

    def write(height: int = 96, width: int = 96, color: bool = False, classes=("happy", "sad")) -> DataConfig:
        rng = np.random.default_rng(0)
        for name in classes:
            folder = tmp_path / "data" / "folder" / name
            folder.mkdir(parents=True)
            for number in range(3):
                pixels = rng.integers(0, 256, (height, width, 3) if color else (height, width), np.uint8)
                (folder / f"{number}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
        return DataConfig(tmp_path / "data", tmp_path / "cache")

    return write


def select(data_config, size, name: str = "folder", data=None, **changes):
    preprocessing = {"input_size": size, "scaling": "none", "labels": ["happy", "sad"], **changes}
    data = face_crop.load(name, data_config) if data is None else data
    return select_images(data, Preprocessing.model_validate(preprocessing), FEW, data_config)


def pixels_of(selected, indices=FEW) -> np.ndarray:
    return selected.preprocessing(selected.images[indices])


def test_larger_models_get_the_pixels_of_the_files(write_folder):
    data_config = write_folder()
    selected = select(data_config, 64)
    assert selected.notes == ("read at 64 px",) and selected.digest
    expected = face_crop.load("folder~side64", data_config).images[FEW]
    np.testing.assert_array_equal(pixels_of(selected)[..., 0], expected)


def test_a_stated_interpolation_reduces_the_files(write_folder):
    data_config = write_folder()
    selected = select(data_config, [64, 80], interpolation="nearest")
    image = cv2.imread(str(data_config.data_dir / "folder" / "happy" / "0.png"), cv2.IMREAD_GRAYSCALE)
    expected = cv2.resize(image, (80, 64), interpolation=cv2.INTER_NEAREST_EXACT)
    np.testing.assert_array_equal(pixels_of(selected)[0, ..., 0], expected)
    assert selected.notes == ("read at 80×64 px",)


def test_other_models_get_the_cached_images_as_before(write_folder):
    data_config = write_folder()
    for size in (48, 40):
        selected = select(data_config, size)
        assert (selected.notes, selected.digest, selected.preprocessing.interpolation) == ((), "", None)
        assert isinstance(selected.images, np.ndarray)


def test_images_without_a_larger_version_are_enlarged_with_a_note(write_folder):
    selected = select(write_folder(48, 48), 96)
    assert selected.notes == ("enlarged from 48 px to 96 px",) and not selected.digest
    assert isinstance(selected.images, np.ndarray)


def test_files_that_are_smaller_than_the_model_are_noted(write_folder):
    selected = select(write_folder(60, 60), 96)
    assert selected.notes == ("read from files of 60 px, enlarged to 96 px",)


def test_the_size_before_the_crop_counts(write_folder):
    selected = select(write_folder(), 48, resize_size=64)
    assert selected.notes == ("read at 64 px",)
    assert pixels_of(selected).shape == (2, 48, 48, 1)


def test_the_digest_covers_the_predicted_files(write_folder):
    data_config = write_folder()
    files = sorted(data_config.data_dir.rglob("*.png"))
    before = select(data_config, 64).digest
    (data_config.data_dir / "folder" / "happy" / "1.png").write_bytes(files[0].read_bytes())  # not predicted
    assert select(data_config, 64).digest == before
    files[0].write_bytes(files[-1].read_bytes())
    assert select(data_config, 64).digest != before


@pytest.mark.parametrize("color_mode", ["rgb", "bgr"])
def test_color_is_read_if_the_model_takes_it(write_folder, color_mode):
    data_config = write_folder(48, 48, color=True)
    selected = select(data_config, 48, channels=3, color_mode=color_mode)
    image = cv2.imread(str(data_config.data_dir / "folder" / "happy" / "0.png"))
    expected = image if color_mode == "bgr" else image[..., ::-1]
    np.testing.assert_array_equal(pixels_of(selected)[0], expected)
    assert selected.notes == ("read at 48 px in color",)


def test_gray_images_in_three_channels_are_noted(write_folder):
    data_config = write_folder(color=True)
    assert select(data_config, 48, channels=3).notes == (GRAY_NOTE,)
    assert select(data_config, 64, channels=3).notes == ("read at 64 px", GRAY_NOTE)


def test_color_models_take_gray_images(write_folder):
    selected = select(write_folder(), 64, channels=3, color_mode="rgb")
    assert selected.notes == ("read at 64 px", GRAY_NOTE)
    assert pixels_of(selected).shape == (2, 64, 64, 3)


def test_middle_squares_stay_middle_squares(tmp_path):
    folder = tmp_path / "data" / "jaffe"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (96, 128), np.uint8)
    for name in ("KA.AN1.39", "KA.HA1.2", "KM.SU1.3", "KM.NE1.4"):
        (folder / f"{name}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
    selected = select(DataConfig(tmp_path / "data", tmp_path / "cache"), 96, name="jaffe")
    np.testing.assert_array_equal(pixels_of(selected)[0, ..., 0], pixels[:, 16:112])


def test_equalized_datasets_are_read_at_the_size_of_the_model(write_folder):
    data_config = write_folder()
    selected = select(data_config, 64, name="folder~histogram")
    expected = face_crop.load("folder~histogram+side64", data_config)
    np.testing.assert_array_equal(pixels_of(selected)[..., 0], expected.images[FEW])
    assert (selected.notes, selected.digest) == (("read at 64 px",), expected.fingerprint)
    assert select(data_config, 96, name="folder~side64").notes == ("enlarged from 64 px to 96 px",)


def test_both_datasets_of_a_pair_are_read(write_folder, dataset):
    data_config = write_folder()
    small = replace(
        dataset,
        name="synthetic",
        images=np.zeros((len(dataset), 48, 48), np.uint8),
        labels=dataset.labels % 2,
        classes=("happy", "sad"),
    )
    pair = concatenate(small, load("folder", data_config))
    preprocessing = Preprocessing(input_size=(64, 64), scaling="none", labels=["happy", "sad"])
    selected = select_images(pair, preprocessing, np.arange(len(pair)), data_config)
    assert selected.notes == ("read at 64 px", "some enlarged from 48 px to 64 px")
    assert select_images(pair, preprocessing, FEW, data_config).notes == ("enlarged from 48 px to 64 px",)
    pixels = pixels_of(selected, np.array([0, len(pair) - 6]))
    assert not pixels[0].any()
    expected = face_crop.load("folder~side64", data_config).images[0]
    np.testing.assert_array_equal(pixels[1, ..., 0], expected)


def test_some_of_the_classes_are_read(write_folder):
    data_config = write_folder(classes=("angry", "happy", "sad"))
    data = load("folder", data_config)
    few = np.arange(3)
    part, *_ = restrict(data, [Fold(few, few, np.arange(3, 9))], "official", [1, 2])
    expected = face_crop.load("folder~side64", data_config).images[FEW + 3]
    np.testing.assert_array_equal(pixels_of(select(data_config, 64, data=part))[..., 0], expected)


def test_a_file_that_is_gone_is_named(write_folder):
    data_config = write_folder()
    selected = select(data_config, 64)
    assert isinstance(selected.images, FileImages)
    (data_config.data_dir / "folder" / "sad" / "0.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"sad.0\.png cannot be read"):
        pixels_of(selected)
