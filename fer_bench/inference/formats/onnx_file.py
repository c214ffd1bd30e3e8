"""ONNX models, run by onnxruntime on the CPU so that predictions are the same on every machine."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import one_line
from fer_bench.inference.formats.classifier import Classifier, cast_pixels

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
# Weights in other files are looked up here, so never found: those that may be used are passed in memory.
NO_FOLDER = "/nonexistent"
# In the protobuf: key (field 1) of 8 bytes, then the start of its value (field 2).
LOCATION_KEY = b"\x0a\x08location\x12"


def require_onnxruntime() -> None:
    """Raise UserError if onnxruntime is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise UserError("ONNX models require onnxruntime, which is not installed. Run: pip install 'fer-bench[onnx]'.")


def external_files(file: Path) -> dict[str, Path]:
    """Return the files beside an ONNX file that hold its weights, by their name in it, as PyTorch writes large models.

    Raises:
        UserError: The model or such a file is missing, or the model names a file of another folder.
    """
    try:
        names = _external_names(file.read_bytes())
    except OSError as error:
        raise UserError(f"Cannot read {file}: {error.strerror or error}.") from None
    files = {name: file.parent / name for name in names}
    for name, path in files.items():
        if path.parent != file.parent or "\\" in name:
            raise UserError(f"{file} keeps its weights in another folder, {name!r}. Export it with all files in one.")
        if not path.is_file():
            raise UserError(f"{file} keeps its weights beside it in {name!r}, which is missing. Put it there.")
    return files


def load(file: Path) -> Classifier:
    """Load an ONNX model. UserError if the file or one with its weights cannot be read, or is no classifier."""
    require_onnxruntime()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NO_FOLDER)
    weights = {name: path.read_bytes() for name, path in external_files(file).items()}
    if weights and not hasattr(options, "add_external_initializers_from_files_in_memory"):
        raise UserError(
            f"{file} keeps its weights in other files, which onnxruntime {onnxruntime.__version__} cannot take. "
            "Run: pip install -U onnxruntime."
        )
    if weights:
        sizes = [len(data) for data in weights.values()]
        options.add_external_initializers_from_files_in_memory([*weights], [*weights.values()], sizes)
    try:
        session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise UserError(f"{file} {_explain(one_line(str(error)), [*weights])}") from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(f"{file} has {len(inputs)} inputs and {len(outputs)} outputs. It must have one of each.")
    if inputs[0].type not in DTYPES:
        raise UserError(f"{file} has an input of type {inputs[0].type}. Supported types: {', '.join(DTYPES)}.")
    dtype, name = DTYPES[inputs[0].type], inputs[0].name
    output_shape = _known_shape(outputs[0].shape)
    return Classifier(
        file=file,
        input_shape=_known_shape(inputs[0].shape),
        num_outputs=output_shape[1] if len(output_shape) == 2 else None,
        layout=None,
        predict=lambda batch: np.asarray(session.run(None, {name: cast_pixels(batch, dtype, file)})[0]),
        backend="onnxruntime",
        versions={"onnxruntime": onnxruntime.__version__},
    )


def _external_names(model: bytes) -> list[str]:
    """Return the names of files with weights in an ONNX model, without the onnx package."""
    names = []
    for part in model.split(LOCATION_KEY)[1:]:
        if not part:
            continue  # a truncated file
        length, start = part[0], 1
        if length & 0x80 and len(part) > 1:  # a number of two bytes, seven bits each
            length, start = (length & 0x7F) + (part[1] << 7), 2
        names.append(part[start : start + length].decode(errors="replace"))
    return list(dict.fromkeys(names))


def _explain(message: str, weights: list[str]) -> str:
    """Return an error of onnxruntime in plain words, with what to do."""
    if newer := re.search(r"IR version: (\d+)|[Oo]pset (\d+) is under development", message):
        what = f"format {newer[1]}" if newer[1] else f"opset {newer[2]}"
        return f"is made for a newer onnxruntime (its {what}). Upgrade onnxruntime, or export with opset_version=17."
    if operation := re.search(r"No Op registered for (\w+)|error: (\S+?)\(-?\d+\) is not a registered", message):
        return f"requires the operation {operation[1] or operation[2]}, which onnxruntime does not have."
    if weights and "xternal" in message:
        return f"cannot be read with its weights in {', '.join(weights)}: the files do not belong together."
    if "External" in message:
        return "keeps its weights in another file in a way that is not supported. Save it as a single file."
    if "protobuf" in message.lower():
        return "cannot be read as an ONNX model: it is damaged or of another format."
    return f"cannot be read as an ONNX model: {message[:300]}"


def _known_shape(shape: list[int | str | None]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) and size > 0 else None for size in shape)
