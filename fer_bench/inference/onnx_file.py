"""Models in ONNX, run by onnxruntime on the processor: the same figures everywhere."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.inference.classifier import Classifier

TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
NOWHERE = "/nonexistent"  # where weights beside the file are looked for: the digest in a trial's key covers one file


def need_runtime() -> None:
    """UserError where onnxruntime is not installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        raise UserError("An ONNX model needs onnxruntime, which is not installed: pip install 'fer-bench[onnx]'.")


def load(file: Path) -> Classifier:
    """The model in an ONNX file. UserError for what is none, or whose weights lie in another file."""
    need_runtime()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    try:
        session = onnxruntime.InferenceSession(file.read_bytes(), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        said = " ".join(str(error).split())
        if "external" in said.lower() or NOWHERE in said:
            raise UserError(f"{file} keeps its weights in another file: save it as one.") from None
        raise UserError(f"{file} cannot be read as an ONNX model: {said[:300]}") from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(f"{file} has {len(inputs)} inputs and {len(outputs)} outputs: it must have one of each.")
    if inputs[0].type not in TYPES:
        raise UserError(f"{file} takes {inputs[0].type}, no images.")
    taken, name = TYPES[inputs[0].type], inputs[0].name
    shape, given = _sides(inputs[0].shape), _sides(outputs[0].shape)
    return Classifier(
        file=file,
        input_shape=shape,
        outputs=given[1] if len(given) == 2 else None,
        layout=None,
        predict=lambda batch: session.run(None, {name: _typed(batch, taken, file)})[0],
        backend="onnxruntime",
        versions={"onnxruntime": onnxruntime.__version__},
    )


def _sides(shape: list) -> tuple[int | None, ...]:
    return tuple(side if isinstance(side, int) and side > 0 else None for side in shape)


def _typed(batch: np.ndarray, wanted: type, file: Path) -> np.ndarray:
    if wanted is np.uint8 and (batch != np.rint(batch)).any():
        raise UserError(f"{file} takes whole pixels of 0 to 255: its scaling must be none.")
    return batch.astype(wanted)
