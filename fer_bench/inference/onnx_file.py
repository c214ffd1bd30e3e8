"""ONNX models, run by onnxruntime on the CPU so that predictions are the same on every machine."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import one_line
from fer_bench.inference.classifier import Classifier

DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
# External weights are looked up here, so never found: the digest in a trial's key covers the model file only.
NO_FOLDER = "/nonexistent"


def require_onnxruntime() -> None:
    """Raise UserError if onnxruntime is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise UserError("ONNX models require onnxruntime, which is not installed. Run: pip install 'fer-bench[onnx]'.")


def load(file: Path) -> Classifier:
    """Load an ONNX model. UserError if the file is not an ONNX classifier, or keeps its weights in another file."""
    require_onnxruntime()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NO_FOLDER)
    try:
        session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        message = one_line(str(error))
        if "external" in message.lower() or NO_FOLDER in message:
            raise UserError(f"{file} keeps its weights in another file. Save the model as a single file.") from None
        raise UserError(f"{file} cannot be read as an ONNX model: {message[:300]}") from None
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
        predict=lambda batch: np.asarray(session.run(None, {name: _cast(batch, dtype, file)})[0]),
        backend="onnxruntime",
        versions={"onnxruntime": onnxruntime.__version__},
    )


def _known_shape(shape: list[int | str | None]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) and size > 0 else None for size in shape)


def _cast(batch: np.ndarray, dtype: type, file: Path) -> np.ndarray:
    if dtype is np.uint8 and (batch != np.rint(batch)).any():
        raise UserError(f"{file} expects integer pixels from 0 to 255. Set scaling: none.")
    return batch.astype(dtype)
