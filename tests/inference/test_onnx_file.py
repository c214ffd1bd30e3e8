"""Files in ONNX, where onnxruntime is installed; and the sentence where it is not."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from made_up_models import LABELS, SIDE, write_onnx

from fer_bench.core.errors import UserError
from fer_bench.inference.classifier import outputs
from fer_bench.inference.model_file import load
from fer_bench.inference.preprocessing import Preprocessing

WANTED = {"input_size": SIDE, "scaling": "0..1", "labels": LABELS}


@pytest.fixture
def installed():
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")


def predicted(path, dataset, **changes) -> np.ndarray:
    wanted = Preprocessing.model_validate(WANTED | changes)
    return outputs(load(path), wanted, dataset.images, np.arange(len(dataset))).argmax(axis=1)


@pytest.mark.parametrize(
    ("file", "changes"),
    [
        ({}, {}),
        ({"batch": 1}, {}),
        ({"batch": 7}, {}),
        ({"shape": (SIDE, SIDE, 1)}, {}),
        ({"shape": ("c", "h", "w")}, {"layout": "nchw"}),
        ({"kind": "DOUBLE"}, {}),
        ({"kind": "UINT8"}, {"scaling": "none"}),
    ],
    ids=str,
)
def test_onnx_of_every_usual_kind_is_scored(installed, tmp_path, dataset, file, changes):
    np.testing.assert_array_equal(
        predicted(write_onnx(tmp_path / "net.onnx", **file), dataset, **changes), dataset.labels
    )


def test_an_open_layout_must_be_stated(installed, tmp_path, dataset):
    path = write_onnx(tmp_path / "net.onnx", shape=("c", "h", "w"))
    with pytest.raises(UserError, match="state layout: nchw or layout: nhwc"):
        predicted(path, dataset)


def test_whole_pixels_cannot_be_scaled(installed, tmp_path, dataset):
    path = write_onnx(tmp_path / "net.onnx", kind="UINT8")
    with pytest.raises(UserError, match="its scaling must be none"):
        predicted(path, dataset)


def test_weights_in_another_file_are_refused(installed, tmp_path, monkeypatch):
    """The key of a trial holds the digest of one file, and nothing beside it may change the outcome."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="keeps its weights in another file: save it as one"):
        load(write_onnx(tmp_path / "net.onnx", beside=True))


def test_another_file_is_told_in_one_line(installed, tmp_path):
    (tmp_path / "net.onnx").write_text("no model")
    with pytest.raises(UserError, match=r"net\.onnx cannot be read as an ONNX model") as raised:
        load(tmp_path / "net.onnx")
    assert "\n" not in str(raised.value)


def test_a_missing_onnxruntime_is_told_with_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs onnxruntime, which is not installed: pip install 'fer-bench\[onnx\]'"):
        load(tmp_path / "net.onnx")
