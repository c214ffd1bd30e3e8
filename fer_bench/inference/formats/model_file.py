"""Selects the library that opens a model, by what the file contains."""

from __future__ import annotations

import hashlib
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.inference.formats import onnx_file
from fer_bench.inference.formats.classifier import Classifier
from fer_bench.inference.formats.model_kind import KERAS_KINDS, ModelKind, detect


def needs_keras(file: Path) -> bool:
    return detect(file) in KERAS_KINDS


def check_model_file(file: Path, trust: bool = False) -> None:
    """Check a model without opening it.

    Args:
        file: The model file, or the folder of a SavedModel.
        trust: Whether formats that can run any operation are allowed.

    Raises:
        UserError: A file is missing, is no model, lacks its other half, needs a library that is missing, or is of a
            format that requires trust.
    """
    files_of(file)
    if detect(file) is ModelKind.ONNX:
        onnx_file.require_onnxruntime()
    if detect(file) is ModelKind.SAVED_MODEL and not trust:
        raise UserError(
            f"{file} is a SavedModel, whose operations can also read, write and send files. Pass --trust-model if you "
            f"trust its authors, or convert it: python -m tf2onnx.convert --saved-model {file} --output model.onnx."
        )


def files_of(file: Path) -> list[Path]:
    """Return all files of a model, in a fixed order: architecture and weights, or what a list of weights names.

    Raises:
        UserError: The file is no model, or another file that it needs is missing or ambiguous.
    """
    match detect(file):
        case ModelKind.KERAS_HDF5 | ModelKind.KERAS_ARCHITECTURE:
            from fer_bench.inference.formats import keras_pair

            return keras_pair.find_files(file)
        case ModelKind.TENSORFLOW_JS:
            from fer_bench.inference.formats import tfjs_file

            return [file, *tfjs_file.shard_files(file)]
        case ModelKind.ONNX:
            return [file, *onnx_file.external_files(file).values()]
        case ModelKind.SAVED_MODEL:
            return sorted(path for path in file.rglob("*") if path.is_file())
        case _:
            return [file]


def digest(file: Path) -> str:
    """Return the SHA-256 of a model's file; of several files, that of their names and digests."""
    files = files_of(file)
    if len(files) == 1:
        return _sha256(files[0])
    lines = [f"{_sha256(path)} {path.relative_to(file) if file.is_dir() else path.name}\n" for path in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def load(file: Path) -> Classifier:
    """Load a model that was checked by `check_model_file`. UserError if it cannot be opened safely."""
    match detect(file):
        case ModelKind.ONNX:
            return onnx_file.load(file)
        case ModelKind.LITERT:
            from fer_bench.inference.formats import tensorflow_lite_file  # imports TensorFlow

            return tensorflow_lite_file.load(file)
        case ModelKind.SAVED_MODEL:
            from fer_bench.inference.formats import tensorflow_saved_model  # imports TensorFlow

            return tensorflow_saved_model.load(file)
        case _:
            from fer_bench.inference.formats import keras_file  # imports Keras

            return keras_file.load(file)


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
