"""Which library opens a model file."""

from __future__ import annotations

from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.inference import onnx_file
from fer_bench.inference.classifier import Classifier

KERAS, ONNX = (".keras", ".h5", ".hdf5"), (".onnx",)


def needs_keras(file: Path) -> bool:
    return file.suffix.lower() in KERAS


def check(file: Path) -> None:
    """UserError where a file is missing, of a kind that is not read, or needs a library that is not installed."""
    if file.suffix.lower() not in (*KERAS, *ONNX):
        raise UserError(f"{file} is no model file: .keras, .h5, .hdf5 and .onnx are read.")
    if not file.is_file():
        raise UserError(f"There is no model file {file}.")
    if not needs_keras(file):
        onnx_file.need_runtime()


def load(file: Path) -> Classifier:
    """The model in a file, of Keras or ONNX by its suffix. UserError where it cannot be opened without harm."""
    if needs_keras(file):
        from fer_bench.inference import keras_file  # imports Keras

        return keras_file.load(file)
    return onnx_file.load(file)
