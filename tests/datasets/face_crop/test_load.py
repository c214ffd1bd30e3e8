"""Cropped datasets by name: from the cache, from the originals, and again when the source has changed."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from portraits import portrait, write_jaffe

from fer_bench import datasets
from fer_bench.config.combinations import resolve_combinations
from fer_bench.config.experiment import Experiment
from fer_bench.config.validation import validate
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, default_cache_dir
from fer_bench.datasets.face_crop import detect
from fer_bench.datasets.face_crop import load as loading
from fer_bench.datasets.face_crop.geometry import Face
from fer_bench.datasets.face_crop.load import ImageFiles, load, load_cropped, load_originals
from fer_bench.datasets.face_crop.spec import make_spec
from fer_bench.protocols import cross_dataset

NAME = "jaffe~haar+align+margin10"


@pytest.fixture
def data_config(tmp_path):
    return DataConfig(write_jaffe(tmp_path / "data" / "jaffe"), tmp_path / "cache")


@pytest.fixture
def calls(monkeypatch):
    """Return a list to which each call of `apply` is appended."""
    calls, original = [], loading.apply
    monkeypatch.setattr(loading, "apply", lambda *args: (calls.append(args), original(*args))[1])
    return calls


def test_cropped_dataset_is_made_once(data_config, calls):
    first, second = load(NAME, data_config), load(NAME, data_config)
    assert len(calls) == 1
    assert first.name == second.name == NAME and first.fingerprint == second.fingerprint
    assert np.array_equal(first.images, second.images) and not second.images.flags.writeable
    assert "haar found a face in 6 of 6 images." in second.notes
    assert second.subjects.tolist() == datasets.load("jaffe", data_config).subjects.tolist()


def test_dataset_without_crop_is_unchanged(data_config):
    before = datasets.load("jaffe", data_config).fingerprint
    assert load(NAME, data_config).fingerprint != before == load("jaffe", data_config).fingerprint


def test_originals_are_cropped_instead_of_small_images(data_config):
    source = datasets.load("jaffe", data_config)
    originals = load_originals(source, data_config)
    assert source.images.shape[1:] == (48, 48)
    assert len(originals) == len(source) and originals[0].shape == (256, 256)
    large = load("jaffe~haar+side128", data_config).images[0]
    assert cv2.Laplacian(large, cv2.CV_64F).std() > 5  # sharper than enlarged 48×48 pixels


def test_originals_keep_the_order_of_the_samples(data_config):
    source = datasets.load("jaffe", data_config)
    for image, original in zip(source.images, load_originals(source, data_config), strict=True):
        assert np.abs(cv2.resize(original, (48, 48), interpolation=cv2.INTER_AREA).astype(int) - image).max() <= 1


def test_folder_of_color_images_is_cropped_from_its_files(tmp_path):
    for index, size in enumerate([(256, 256), (300, 256), (256, 330), (512, 512)]):
        file = tmp_path / "data" / "folder" / ("happy", "sad")[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        gray = cv2.resize(portrait(index)[0], size) if index == 3 else np.full(size, 120, np.uint8)
        gray[:256, :256] = gray[:256, :256] if index == 3 else portrait(index)[0]
        cv2.imwrite(str(file), cv2.cvtColor(gray, cv2.COLOR_GRAY2BGR))
    cropped = load("folder~haar+align+fail+side64", DataConfig(tmp_path / "data", tmp_path / "cache"))
    assert cropped.images.shape == (4, 64, 64)
    assert cropped.ids.tolist() == ["happy/0.png", "happy/2.png", "sad/1.png", "sad/3.png"]


def test_missing_original(data_config):
    source = datasets.load("jaffe", data_config)
    (data_config.data_dir / "jaffe" / "KL.HA1.158.tiff").unlink()
    with pytest.raises(UserError, match=r"KL\.HA1\.158"):
        load_originals(source, data_config)


def test_dataset_without_files_is_its_own_original(data_config):
    data_config = replace(data_config, cache_dir=default_cache_dir())  # where all tests share the synthetic dataset
    source = datasets.load("synthetic", data_config)
    assert load_originals(source, data_config) is source.images
    assert load("synthetic~clahe", data_config).images.shape == source.images.shape


def test_changed_source_and_other_spec_are_cropped_again(data_config, calls):
    first = load(NAME, data_config).fingerprint
    other = load("jaffe~haar+align+margin20", data_config).fingerprint
    file = data_config.data_dir / "jaffe" / "KA.AN1.39.tiff"
    file.unlink()
    cv2.imwrite(str(file), portrait(9)[0])
    changed = load(NAME, data_config).fingerprint
    assert len(calls) == 3 and len({first, other, changed}) == 3
    load(NAME, replace(data_config, refresh=True))
    assert len(calls) == 4


def test_failed_crop_leaves_nothing(data_config):
    write_jaffe(data_config.data_dir / "jaffe", without_face=("KL.HA1.158",))
    with pytest.raises(UserError, match=r"KL\.HA1\.158"):
        load("jaffe~haar+fail", data_config)
    assert not list(data_config.cache_dir.glob("*~*"))
    assert len(load("jaffe~haar+drop", data_config)) == 5


def test_cached_yunet_crop_needs_no_model_file(data_config, monkeypatch, tmp_path):
    """The model file is needed to crop faces, not to load the cached dataset."""
    model = tmp_path / "model.onnx"
    model.write_bytes(b"a")
    with pytest.raises(UserError, match="--detector yunet --yunet-model FILE"):
        load("jaffe~yunet@ca978112", data_config)
    monkeypatch.setattr(detect, "YuNetDetector", lambda file: lambda image, eyes: Face((50.0, 50.0, 150.0, 150.0)))
    cropped = load_cropped("jaffe", make_spec(detector="yunet", yunet_model=model), data_config)
    monkeypatch.undo()
    again = load("jaffe~yunet@ca978112", data_config)
    assert again.fingerprint == cropped.fingerprint
    assert "yunet found a face in 6 of 6 images." in again.notes


def test_unreadable_image(tmp_path):
    with pytest.raises(UserError, match="gone"):
        ImageFiles([tmp_path / "gone.png"])[0]


def test_unknown_parts_and_datasets(data_config):
    with pytest.raises(UserError, match="hoar"):
        load("jaffe~hoar", data_config)
    with pytest.raises(UserError, match="jaffe"):
        load("jafe~haar", data_config)


# ---- in an experiment


def experiment(**fields):
    return validate(Experiment, {"name": "trial", "models": ["cnn"], **fields}, "a test")


def test_experiment_names_a_cropped_dataset():
    (pair,) = resolve_combinations(experiment(datasets=[NAME])).pairs
    assert pair.datasets == (NAME,)
    with pytest.raises(UserError, match="hoar"):
        resolve_combinations(experiment(datasets=["jaffe~hoar"]))


def test_cropped_dataset_in_cross_dataset(data_config):
    data_config = replace(data_config, cache_dir=default_cache_dir())
    data = cross_dataset.load(f"{NAME}->synthetic", data_config)
    assert data.name == f"{NAME}->synthetic" and len(data) > 6
