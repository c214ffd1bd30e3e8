"""ONNX files, if onnxruntime is installed, and the error if it is not."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from made_up_models import LABELS, SIZE, write_onnx

from fer_bench.core.errors import UserError
from fer_bench.inference.formats.classifier import predict_outputs
from fer_bench.inference.formats.model_file import load
from fer_bench.inference.formats.onnx_file import external_files
from fer_bench.inference.preprocessing.preprocessing import Preprocessing

PREPROCESSING = {"input_size": SIZE, "scaling": "0..1", "labels": LABELS}


@pytest.fixture
def installed():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")


def predict(path, dataset, **changes) -> np.ndarray:
    preprocessing = Preprocessing.model_validate(PREPROCESSING | changes)
    return predict_outputs(load(path), preprocessing, dataset.images, np.arange(len(dataset))).argmax(axis=1)


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ({}, {}),
        ({"batch": 1}, {}),
        ({"batch": 7}, {}),
        ({"shape": (SIZE, SIZE, 1)}, {}),
        ({"shape": ("c", "h", "w")}, {"layout": "nchw"}),
        ({"dtype": "DOUBLE"}, {}),
        ({"dtype": "FLOAT16"}, {}),
        ({"dtype": "UINT8"}, {"scaling": "none"}),
    ],
    ids=str,
)
def test_usual_batch_sizes_layouts_and_types_are_supported(installed, tmp_path, dataset, file, changes):
    np.testing.assert_array_equal(
        predict(write_onnx(tmp_path / "net.onnx", **file), dataset, **changes), dataset.labels
    )


@pytest.mark.parametrize(
    ("file", "message"), [({"shape": ("c", "h", "w")}, "Set layout"), ({"dtype": "UINT8"}, "scaling: none")]
)
def test_ambiguous_layouts_and_scaled_integers_are_refused(installed, tmp_path, dataset, file, message):
    path = write_onnx(tmp_path / "net.onnx", **file)
    with pytest.raises(UserError, match=message):
        predict(path, dataset)


@pytest.fixture
def with_external_weights(installed, tmp_path):
    return write_onnx(tmp_path / "net.onnx", external_weights=True)


def test_weights_in_a_file_beside_are_used(with_external_weights, dataset):
    np.testing.assert_array_equal(predict(with_external_weights, dataset), dataset.labels)
    assert external_files(with_external_weights) == {"net.onnx.data": with_external_weights.parent / "net.onnx.data"}


@pytest.mark.parametrize(
    ("data", "message"), [(None, "'net.onnx.data', which is missing"), (b"abc", "do not belong together")]
)
def test_missing_and_other_weights_are_named(with_external_weights, data, message):
    file = with_external_weights.parent / "net.onnx.data"
    file.unlink()
    if data:
        file.write_bytes(data)
    with pytest.raises(UserError, match=message):
        load(with_external_weights)


@pytest.mark.parametrize("name", ["../net.onnx.data", "sub/net.onnx.data", "{folder}/net.onnx.data"])
def test_weights_in_other_folders_are_refused(with_external_weights, tmp_path, name):
    model = edit(with_external_weights, tmp_path / "other" / "net.onnx", location=name.format(folder=tmp_path))
    with pytest.raises(UserError, match="another folder"):
        load(model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"opset": 99}, "newer onnxruntime"),
        ({"ir_version": 99}, "newer onnxruntime"),
        ({"operation": "Magic"}, "requires the operation Magic"),
    ],
)
def test_newer_and_unknown_models_are_named(installed, tmp_path, changes, message):
    model = edit(write_onnx(tmp_path / "net.onnx"), tmp_path / "edited.onnx", **changes)
    with pytest.raises(UserError, match=message):
        load(model)


def edit(source, target, location=None, opset=None, ir_version=None, operation=None):
    """Write an ONNX file with something else in it."""
    import onnx

    model = onnx.load(source, load_external_data=False)
    for entry in model.graph.initializer[0].external_data:
        entry.value = location if entry.key == "location" else entry.value
    model.opset_import[0].version = opset or model.opset_import[0].version
    model.ir_version = ir_version or model.ir_version
    model.graph.node[1].op_type = operation or model.graph.node[1].op_type
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(model.SerializeToString())
    return target


def test_damaged_file_is_reported_in_one_line(installed, tmp_path):
    data = write_onnx(tmp_path / "net.onnx").read_bytes()
    (tmp_path / "net.onnx").write_bytes(data[: len(data) // 2])
    with pytest.raises(UserError, match="damaged") as raised:
        load(tmp_path / "net.onnx")
    assert str(raised.value).isprintable()


def test_missing_onnxruntime_is_reported(installed, tmp_path, monkeypatch):
    path = write_onnx(tmp_path / "net.onnx")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install"):
        load(path)
