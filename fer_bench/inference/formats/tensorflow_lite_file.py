"""LiteRT models (.tflite, formerly TensorFlow Lite), run by the interpreter that TensorFlow contains."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.stderr import suppress_stderr
from fer_bench.core.text import list_first, one_line
from fer_bench.inference.formats.classifier import Classifier

EDGE_TPU, SELECT_TF = "edgetpu-custom-op", "Flex"  # custom operations, and the prefix of TensorFlow's own
FLOATS = (np.float16, np.float32, np.float64)
DAMAGED = "is damaged or is not a LiteRT model."
MAX_CLIPPED = 0.1  # share of input values outside of the range of a quantized input


def load(file: Path) -> Classifier:
    """Load a LiteRT classifier.

    Raises:
        UserError: The file is damaged, is no classifier, or needs a special device or custom operations.
    """
    with suppress_stderr():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf
    data = file.read_bytes()
    _check_operations(file, data)
    interpreter = _make_interpreter(file, data)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(f"{file} has {len(inputs)} inputs and {len(outputs)} outputs. It must have one of each.")
    quantize, dequantize = _quantizer(file, inputs[0]), _dequantizer(file, outputs[0])
    input_shape, output_shape = _known_shape(inputs[0]), _known_shape(outputs[0])
    if input_shape and input_shape[0] is None and not _accepts_batches(interpreter, inputs[0], outputs[0]):
        input_shape = (1, *input_shape[1:])

    def predict(batch: np.ndarray) -> np.ndarray:
        if tuple(interpreter.get_input_details()[0]["shape"]) != batch.shape:
            _resize(interpreter, inputs[0], batch.shape)
        interpreter.set_tensor(inputs[0]["index"], quantize(batch))
        interpreter.invoke()
        return dequantize(interpreter.get_tensor(outputs[0]["index"]))

    return Classifier(
        file=file,
        input_shape=input_shape,
        num_outputs=output_shape[1] if len(output_shape) == 2 else None,
        layout="nhwc",
        predict=predict,
        backend="litert",
        versions={"tensorflow": tf.__version__},
    )


def _check_operations(file: Path, data: bytes) -> None:
    """Raise UserError for a damaged file and for operations that the interpreter does not have."""
    from tensorflow.lite.python import schema_py_generated as schema

    try:
        model = schema.Model.GetRootAs(data, 0)
        codes = [model.OperatorCodes(index).CustomCode() for index in range(model.OperatorCodesLength())]
    except Exception:  # of struct and NumPy, for offsets beyond the end of the file
        raise UserError(f"{file} {DAMAGED}") from None
    custom = sorted({code.decode(errors="replace") for code in codes if code is not None})
    if EDGE_TPU in custom:
        raise UserError(f"{file} is compiled for the Edge TPU and runs only there. Use the file it was compiled from.")
    if selected := [name for name in custom if name.startswith(SELECT_TF)]:
        raise UserError(
            f"{file} requires operations of TensorFlow ({list_first(selected, 3)}), which LiteRT does not have. "
            "Convert the model without SELECT_TF_OPS, or export it as ONNX."
        )
    if custom:
        raise UserError(
            f"{file} requires custom operations ({list_first(custom, 3)}), which LiteRT does not have. "
            "Convert the model without them, or export it as ONNX."
        )


def _make_interpreter(file: Path, data: bytes) -> Any:
    import tensorflow as tf

    try:
        with suppress_stderr(show_on_error=False), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it is to move to a package of its own
            interpreter = tf.lite.Interpreter(model_content=data, num_threads=os.cpu_count())
            interpreter.allocate_tensors()
            return interpreter
    except Exception as error:
        reason = one_line(str(error))[:300].rstrip(".")
        if "schema version" in reason or "Flatbuffer" in reason:
            raise UserError(f"{file} {DAMAGED}") from None
        raise UserError(f"{file} cannot be read as a LiteRT model: {reason}.") from None


def _known_shape(details: dict[str, Any]) -> tuple[int | None, ...]:
    signature = details["shape_signature"] if len(details["shape_signature"]) else details["shape"]
    return tuple(int(size) if size > 0 else None for size in signature)


def _accepts_batches(interpreter: Any, inputs: dict[str, Any], outputs: dict[str, Any]) -> bool:
    """Return whether two images give two outputs: many files state an open batch size but work only with 1."""
    try:
        _resize(interpreter, inputs, (2, *inputs["shape"][1:]))
        interpreter.invoke()
        return len(interpreter.get_tensor(outputs["index"])) == 2
    except (RuntimeError, ValueError):
        return False
    finally:
        _resize(interpreter, inputs, tuple(inputs["shape"]))


def _resize(interpreter: Any, inputs: dict[str, Any], shape: tuple[int, ...]) -> None:
    with suppress_stderr(show_on_error=False):
        interpreter.resize_tensor_input(inputs["index"], shape)
        interpreter.allocate_tensors()


def _quantizer(file: Path, details: dict[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from preprocessed pixels to values of the input's type."""
    dtype, (step, zero) = details["dtype"], details["quantization"]
    if dtype in FLOATS:
        return lambda batch: batch.astype(dtype)
    if dtype not in (np.uint8, np.int8, np.int16):
        raise UserError(
            f"{file} has an input of type {np.dtype(dtype)}. It must be floats or 8-bit or 16-bit integers."
        )
    step = step or 1.0  # without a scale, the pixels themselves
    limits = np.iinfo(dtype)
    low, high = (limits.min - zero) * step, (limits.max - zero) * step

    def quantize(batch: np.ndarray) -> np.ndarray:
        outside = float(np.mean((batch < low - step) | (batch > high + step)))
        if outside > MAX_CLIPPED:
            raise UserError(
                f"{file} takes values from {low:.4g} to {high:.4g}, but {outside:.0%} of the preprocessed pixels are "
                "outside. Change scaling."
            )
        if not details["quantization"][0] and (batch != np.rint(batch)).any():
            raise UserError(f"{file} expects integer pixels. Set scaling: none.")
        return np.clip(np.rint(batch / step) + zero, limits.min, limits.max).astype(dtype)

    return quantize


def _dequantizer(file: Path, details: dict[str, Any]) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function from values of the output's type to scores."""
    dtype, (step, zero) = details["dtype"], details["quantization"]
    if dtype in FLOATS:
        return lambda outputs: outputs
    if not step:
        raise UserError(f"{file} returns {np.dtype(dtype)} numbers without a scale, not scores of classes.")
    return lambda outputs: (outputs.astype(np.float32) - zero) * step
