"""A model file is recognized by its contents; anything else is named as what it is."""

from __future__ import annotations

import io
import pickle
import shutil
import zipfile

import h5py
import pytest
from made_up_models import thirds, write_onnx

from fer_bench.core.errors import UserError
from fer_bench.inference.formats.model_file import check_model_file, load
from fer_bench.inference.formats.model_kind import ModelKind, detect


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder, model = tmp_path_factory.mktemp("models"), thirds()
    for suffix in (".keras", ".h5"):
        model.save(folder / f"net{suffix}")
    return folder


@pytest.mark.parametrize(("stored", "named"), [(".h5", ".keras"), (".keras", ".h5"), (".h5", ".model"), (".keras", "")])
def test_keras_model_under_another_name_is_loaded(models, tmp_path, stored, named):
    path = shutil.copy(models / f"net{stored}", tmp_path / f"renamed{named}")
    assert load(path).num_outputs == 3


def test_onnx_under_another_name_is_recognized(tmp_path):
    pytest.importorskip("onnx")
    path = write_onnx(tmp_path / "net.onnx").rename(tmp_path / "net.h5")
    assert detect(path) is ModelKind.ONNX


def zipped(*names):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("net.h5", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS pointer"),
        ("net.h5", b"", "empty file"),
        ("net.keras", b"<!DOCTYPE html><html>", "HTML page"),
        ("net.onnx", b"404: Not Found\n", "text file"),
        ("net.pt", pickle.dumps({"weight": 1}), "pickle"),
        ("net.h5", zipped("archive/data.pkl", "archive/version"), "PyTorch"),
        ("net.keras", zipped("fer/model.h5"), "Unpack it"),
        ("net.json", b'{"0": "angry"}', "without an architecture"),
        ("net.pb", b"\x0a\x10\x0a\x05input\x00", "TensorFlow graph"),
        ("net.h5", bytes(range(256)), "not a model"),
        ("net.keras", b"PK\x03\x04" + bytes(50), "damaged zip"),
        ("net.h5", b"\x89HDF\r\n\x1a\n" + bytes(50), "damaged HDF5"),
    ],
)
def test_other_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        check_model_file(tmp_path / name)
    assert "\n" not in str(raised.value) and str(raised.value).isprintable()


def test_folders_are_named(tmp_path):
    with pytest.raises(UserError, match="folder without a model"):
        check_model_file(tmp_path)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "cp.ckpt"')
    with pytest.raises(UserError, match="checkpoints"):
        check_model_file(tmp_path)


def test_hdf5_file_of_something_else_is_named(tmp_path):
    with h5py.File(tmp_path / "images.h5", "w") as file:
        file["images"] = [1, 2, 3]
    with pytest.raises(UserError, match="HDF5 file without a model"):
        check_model_file(tmp_path / "images.h5")


def test_pickle_is_never_loaded(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "written"), "w"))

    (tmp_path / "net.h5").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(UserError, match="pickle"):
        load(tmp_path / "net.h5")
    assert not (tmp_path / "written").exists()
