"""Selects the library that opens a model file, by its suffix."""

from __future__ import annotations

from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.inference import onnx_file
from fer_bench.inference.classifier import Classifier

KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
ONNX_SUFFIXES = (".onnx",)


def needs_keras(file: Path) -> bool:
    return file.suffix.lower() in KERAS_SUFFIXES


def check_model_file(file: Path) -> None:
    """Raise UserError if a file is missing, of an unknown format, or needs a library that is not installed."""
    if file.suffix.lower() not in KERAS_SUFFIXES + ONNX_SUFFIXES:
        supported = ", ".join(KERAS_SUFFIXES + ONNX_SUFFIXES)
        raise UserError(f"{file} is not a model file. Supported formats: {supported}.")
    if not file.is_file():
        raise UserError(f"The model file {file} does not exist.")
    if not needs_keras(file):
        onnx_file.require_onnxruntime()


def load(file: Path) -> Classifier:
    """Load a Keras or ONNX model. UserError if it cannot be opened safely."""
    if needs_keras(file):
        from fer_bench.inference import keras_file  # imports Keras

        return keras_file.load(file)
    return onnx_file.load(file)
