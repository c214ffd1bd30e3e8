"""Prepared datasets by name: from the cache, from the originals, and anew when the source has changed."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from portraits import portrait, write_jaffe

from fer_bench import datasets
from fer_bench.config.combinations import resolve_combinations
from fer_bench.config.experiment import validate
from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.datasets.face_crop import detect
from fer_bench.datasets.face_crop import load as loading
from fer_bench.datasets.face_crop.geometry import Face
from fer_bench.datasets.face_crop.load import ImageFiles, load, load_cropped, load_originals
from fer_bench.datasets.face_crop.spec import make_spec
from fer_bench.protocols import cross_dataset

NAME = "jaffe~haar+align+margin10"


@pytest.fixture
def places(tmp_path):
    return DataConfig(write_jaffe(tmp_path / "data" / "jaffe"), tmp_path / "cache")


@pytest.fixture
def times(monkeypatch):
    """How often a dataset was prepared, one entry each."""
    calls, real = [], loading.apply
    monkeypatch.setattr(loading, "prepared", lambda *given: (calls.append(given), real(*given))[1])
    return calls


def test_a_prepared_dataset_is_loaded_by_its_name_and_made_once(places, times):
    first, second = load(NAME, places), load(NAME, places)
    assert len(times) == 1
    assert first.name == second.name == NAME and first.fingerprint == second.fingerprint
    assert np.array_equal(first.images, second.images) and not second.images.flags.writeable
    assert "haar found a face in 6 of 6 images." in second.notes
    assert second.subjects.tolist() == datasets.load("jaffe", places).subjects.tolist()


def test_the_plain_dataset_stays_what_it_is(places):
    before = datasets.load("jaffe", places).fingerprint
    assert load(NAME, places).fingerprint != before == load("jaffe", places).fingerprint


def test_the_originals_are_prepared_and_not_the_small_images(places):
    source = datasets.load("jaffe", places)
    pictures = load_originals(source, places)
    assert source.images.shape[1:] == (48, 48)
    assert len(pictures) == len(source) and pictures[0].shape == (256, 256)
    assert cv2.Laplacian(load("jaffe~haar+side128", places).images[0], cv2.CV_64F).std() > 5  # sharper than 48 pixels


def test_originals_keep_the_order_of_the_samples(places):
    source = datasets.load("jaffe", places)
    for image, picture in zip(source.images, load_originals(source, places), strict=True):
        assert np.abs(cv2.resize(picture, (48, 48), interpolation=cv2.INTER_AREA).astype(int) - image).max() <= 1


def test_a_folder_of_pictures_of_any_size_and_colour_is_prepared_from_its_files(tmp_path):
    for index, size in enumerate([(256, 256), (300, 256), (256, 330), (512, 512)]):
        file = tmp_path / "data" / "folder" / ("happy", "sad")[index % 2] / f"{index}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        grey = cv2.resize(portrait(index)[0], size) if index == 3 else np.full(size, 120, np.uint8)
        grey[:256, :256] = grey[:256, :256] if index == 3 else portrait(index)[0]
        cv2.imwrite(str(file), cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    made = load("folder~haar+align+fail+side64", DataConfig(tmp_path / "data", tmp_path / "cache"))
    assert made.images.shape == (4, 64, 64) and made.ids.tolist() == [
        "happy/0.png",
        "happy/2.png",
        "sad/1.png",
        "sad/3.png",
    ]


def test_a_file_that_is_gone_since_is_named(places):
    source = datasets.load("jaffe", places)
    (places.data_dir / "jaffe" / "KL.HA1.158.tiff").unlink()
    with pytest.raises(UserError, match=r"jaffe has lost the file of KL\.HA1\.158"):
        load_originals(source, places)


def test_a_dataset_without_files_gives_its_own_images(places):
    source = datasets.load("synthetic", places)
    assert load_originals(source, places) is source.images
    assert load("synthetic~clahe", places).images.shape == source.images.shape


def test_a_changed_source_and_another_preparation_are_prepared_anew(places, times):
    first = load(NAME, places).fingerprint
    other = load("jaffe~haar+align+margin20", places).fingerprint
    picture = places.data_dir / "jaffe" / "KA.AN1.39.tiff"
    picture.unlink()
    cv2.imwrite(str(picture), portrait(9)[0])
    changed = load(NAME, places).fingerprint
    assert len(times) == 3 and len({first, other, changed}) == 3
    load(NAME, replace(places, refresh=True))
    assert len(times) == 4


def test_a_failed_preparation_leaves_nothing(places):
    write_jaffe(places.data_dir / "jaffe", without_face=("KL.HA1.158",))
    with pytest.raises(UserError, match=r"no face in 1 of 6 images: KL\.HA1\.158"):
        load("jaffe~haar+fail", places)
    assert not list(places.cache_dir.glob("*~*"))
    assert len(load("jaffe~haar+drop", places)) == 5


def test_yunet_is_found_again_by_name_once_it_is_prepared(places, monkeypatch, tmp_path):
    """Its model file is needed for making the dataset, not for using it."""
    model = tmp_path / "model.onnx"
    model.write_bytes(b"a")
    with pytest.raises(UserError, match="run prepare with --face yunet --yunet-model FILE once"):
        load("jaffe~yunet@ca978112", places)
    monkeypatch.setattr(detect, "YuNet", lambda file: lambda picture, eyes: Face((50.0, 50.0, 150.0, 150.0)))
    made = load_cropped("jaffe", make_spec(detector="yunet", yunet_model=model), places)
    monkeypatch.undo()
    again = load("jaffe~yunet@ca978112", places)
    assert again.fingerprint == made.fingerprint
    assert "yunet found a face in 6 of 6 images." in again.notes


def test_a_picture_that_is_gone_is_named(tmp_path):
    with pytest.raises(UserError, match=r"gone\.png cannot be read as an image"):
        ImageFiles([tmp_path / "gone.png"])[0]


def test_unknown_words_and_datasets_are_told_before_anything_is_read(places):
    with pytest.raises(UserError, match="'hoar' in the preparation"):
        load("jaffe~hoar", places)
    with pytest.raises(UserError, match="Did you mean 'jaffe"):
        load("jafe~haar", places)


# ---- in an experiment


def experiment(**fields):
    return validate({"name": "trial", "models": ["cnn"], **fields}, "a test")


def test_an_experiment_names_a_prepared_dataset():
    (pair,) = resolve_combinations(experiment(datasets=[NAME])).pairs
    assert pair.datasets == (NAME,)


def test_an_experiment_with_a_misspelt_preparation_is_answered_at_once():
    with pytest.raises(UserError, match="'hoar' in the preparation"):
        resolve_combinations(experiment(datasets=["jaffe~hoar"]))


def test_prepared_datasets_are_trained_on_and_tested_across(places):
    data = cross_dataset.load(f"{NAME}->synthetic", places)
    assert data.name == f"{NAME}->synthetic" and len(data) > 6
