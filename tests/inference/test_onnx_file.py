"""ONNX files, if onnxruntime is installed, and the error if it is not."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from made_up_models import LABELS, SIZE, write_onnx

from fer_bench.core.errors import UserError
from fer_bench.inference.classifier import predict_outputs
from fer_bench.inference.model_file import load
from fer_bench.inference.preprocessing import Preprocessing

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


def test_external_weights_are_refused(installed, tmp_path, monkeypatch):
    """The key of a trial covers one file, so no other file may change the outcome."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="weights in another file"):
        load(write_onnx(tmp_path / "net.onnx", external_weights=True))


def test_invalid_file_is_reported_in_one_line(installed, tmp_path):
    (tmp_path / "net.onnx").write_text("no model")
    with pytest.raises(UserError, match="cannot be read") as raised:
        load(tmp_path / "net.onnx")
    assert "\n" not in str(raised.value)


def test_missing_onnxruntime_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install"):
        load(tmp_path / "net.onnx")
