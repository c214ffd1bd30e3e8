"""What a model file is, by its contents: names lie, and downloads go wrong. Imports no library that opens models."""

from __future__ import annotations

import json
import zipfile
from enum import Enum
from pathlib import Path
from typing import Any

from fer_bench.core import file_kind
from fer_bench.core.errors import UserError

MAX_JSON_BYTES = 16 * 2**20
HDF5, ZIP, LITERT, LITERT_START = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"TFL3", 4
CONVERT = "Export the model as ONNX"
SUPPORTED = "Supported: Keras (.keras, .h5, .hdf5, .json with .h5), TensorFlow.js, ONNX, LiteRT (.tflite), SavedModel"
_PROTOBUF_IR_VERSION, _MAX_IR_VERSION = 0x08, 32  # the first field of an ONNX file
_NEXT_ONNX_FIELDS = (0x12, 0x1A, 0x22, 0x28, 0x32, 0x3A, 0x42)
_PICKLE = "a pickle file, as PyTorch, scikit-learn and joblib write it; loading one can run any program"
_BY_SUFFIX = {
    ".pt": "a PyTorch file",
    ".pth": "a PyTorch file",
    ".pb": "a TensorFlow graph",
    ".ckpt": "a checkpoint",
    ".index": "a part of a TensorFlow checkpoint",
    ".meta": "a part of a TensorFlow checkpoint",
    ".caffemodel": "a Caffe model",
    ".t7": "a Torch 7 file",
    ".mlmodel": "a Core ML model",
    ".joblib": "a joblib file",
}


class ModelKind(Enum):
    """A format that can be loaded."""

    KERAS_ARCHIVE = "a .keras archive"
    KERAS_HDF5 = "an HDF5 file"
    KERAS_ARCHITECTURE = "an architecture of Keras"
    TENSORFLOW_JS = "a TensorFlow.js model"
    ONNX = "an ONNX model"
    LITERT = "a LiteRT model"
    SAVED_MODEL = "a SavedModel folder"


KERAS_KINDS = (
    ModelKind.KERAS_ARCHIVE,
    ModelKind.KERAS_HDF5,
    ModelKind.KERAS_ARCHITECTURE,
    ModelKind.TENSORFLOW_JS,
)


def detect(path: Path) -> ModelKind:
    """Return the format of a model file or folder by its contents. UserError names what else it is."""
    if not path.exists():
        raise UserError(f"The model file {path} does not exist.")
    return _detect_folder(path) if path.is_dir() else _detect_file(path)


def read_json(path: Path) -> Any:
    """Return the contents of a JSON file; None if it is not JSON, or too large for an architecture."""
    try:
        if path.stat().st_size > MAX_JSON_BYTES:
            return None
        content = json.loads(path.read_text("utf-8-sig"))
        return json.loads(content) if isinstance(content, str) else content  # json.dump(model.to_json(), file)
    except (OSError, ValueError, RecursionError):
        return None


def read_architecture(path: Path) -> dict[str, Any] | None:
    """Return the configuration in a .json or .yaml file that Keras wrote; None if there is none."""
    config = read_json(path)
    if config is None and path.suffix.lower() in (".yaml", ".yml"):
        import yaml

        try:
            config = yaml.safe_load(path.read_text("utf-8-sig")) if path.stat().st_size <= MAX_JSON_BYTES else None
        except (OSError, ValueError, yaml.YAMLError):
            return None
    return config if isinstance(config, dict) and {"class_name", "config"} <= config.keys() else None


def _detect_folder(path: Path) -> ModelKind:
    if (path / "saved_model.pb").is_file():
        return ModelKind.SAVED_MODEL
    if (path / "model.json").is_file():
        raise UserError(f"{path} is a folder. Name the file in it: {path / 'model.json'}.")
    if (path / "checkpoint").is_file() or any(path.glob("*.index")):
        raise UserError(
            f"{path} is a folder of TensorFlow checkpoints: weights without an architecture. "
            "Save the whole model with model.save, or export it as ONNX."
        )
    raise UserError(f"{path} is a folder without a model. {SUPPORTED}.")


def _detect_file(path: Path) -> ModelKind:
    try:
        with path.open("rb") as file:
            head = file.read(file_kind.HEAD_SIZE)
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.") from None
    if head.startswith(HDF5):
        return ModelKind.KERAS_HDF5
    if head.startswith(ZIP):
        return _detect_zip(path)
    if head[LITERT_START:].startswith(LITERT):
        return ModelKind.LITERT
    if head[:1] == b"\x80" and head[1:2] in b"\2\3\4\5" and head[1:2]:
        raise UserError(f"{path} is {_PICKLE}, so it is not opened. {CONVERT}.")
    kind = file_kind.identify(head)
    if kind is None or kind.name == "a JSON file":
        return _detect_text_or_onnx(path, head)
    raise UserError(f"{path} is {kind.name}, not a model. {file_kind.remedy(kind, path)}")


def _detect_zip(path: Path) -> ModelKind:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        raise UserError(f"{path} is a damaged zip archive. {file_kind.DOWNLOAD_AGAIN}.") from None
    if "config.json" in names:
        return ModelKind.KERAS_ARCHIVE
    if any(name.endswith("data.pkl") for name in names):
        raise UserError(f"{path} is a PyTorch file: a zip archive around {_PICKLE}, so it is not opened. {CONVERT}.")
    raise UserError(f"{path} is a zip archive without a Keras model. Unpack it and name the model file in it.")


def _detect_text_or_onnx(path: Path, head: bytes) -> ModelKind:
    suffix = path.suffix.lower()
    if path.name == "saved_model.pb":
        raise UserError(f"{path} is a part of a SavedModel. Name its folder: {path.parent}.")
    if head[0] == _PROTOBUF_IR_VERSION and head[1] <= _MAX_IR_VERSION and head[2] in _NEXT_ONNX_FIELDS:
        return ModelKind.ONNX
    if read_architecture(path):
        return ModelKind.KERAS_ARCHITECTURE
    content = read_json(path)
    if isinstance(content, dict) and "modelTopology" in content:
        return ModelKind.TENSORFLOW_JS
    if content is not None:
        raise UserError(f"{path} is a JSON file without an architecture of Keras or TensorFlow.js. {SUPPORTED}.")
    if suffix in _BY_SUFFIX:
        raise UserError(f"{path} is {_BY_SUFFIX[suffix]}, which cannot be scored. {CONVERT}.")
    if suffix == ".onnx" and b"\0" in head:
        return ModelKind.ONNX  # onnxruntime says what is wrong
    if _is_text(head):
        raise UserError(f"{path} is a text file, not a model. {file_kind.DOWNLOAD_AGAIN}, or name the model itself.")
    raise UserError(f"{path} is not a model, or is damaged. {SUPPORTED}.")


def _is_text(head: bytes) -> bool:
    return b"\0" not in head and sum(byte < 32 and byte not in b"\t\n\r\f" for byte in head) == 0
