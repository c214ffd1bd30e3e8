"""Models saved by Keras: .keras, .h5 and the legacy .hdf5. The only module in this package that imports Keras."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeGuard

import keras

from fer_bench.core.errors import UserError
from fer_bench.core.text import one_line
from fer_bench.inference.classifier import Classifier


def load_model(file: Path) -> keras.Model:
    """Load a Keras model without its optimizer and without running code from the file.

    Raises:
        UserError: The file is not a Keras model, contains code, or needs code that it does not contain.
    """
    try:
        return keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:
        raise UserError(_explain(file, str(error))) from None


def load(file: Path) -> Classifier:
    """Load a Keras classifier. UserError as `load_model`, and if the model is not a classifier."""
    model = load_model(file)
    input_shape, output_shape = (getattr(model, name, None) for name in ("input_shape", "output_shape"))
    if not (_is_single_shape(input_shape) and _is_single_shape(output_shape)):
        raise UserError(f"{file} must have one input and one output of known shapes.")
    if len(output_shape) != 2:
        raise UserError(f"{file} returns an output of shape {output_shape}. Use a classifier: (images, classes).")
    return Classifier(
        file=file,
        input_shape=input_shape,
        num_outputs=output_shape[1],
        layout={"channels_last": "nhwc", "channels_first": "nchw"}[keras.config.image_data_format()],
        predict=model.predict_on_batch,
        backend=keras.backend.backend(),
        versions={"keras": keras.__version__},
        num_parameters=model.count_params(),
    )


def _is_single_shape(shape: object) -> TypeGuard[tuple[int | None, ...]]:
    """Return whether this is one shape, and not a list, tuple or dictionary of shapes."""
    return isinstance(shape, tuple) and all(size is None or isinstance(size, int) for size in shape)


def _explain(file: Path, message: str) -> str:
    """Return an error of Keras in plain words, with what to do."""
    save_again = "Save the model with built-in Keras layers only, or as ONNX."
    if "code execution" in message or "for security" in message:
        return f"{file} is not opened because it contains code, such as a Lambda layer. {save_again}"
    if missing := re.search(r"(?:Unknown layer: |Could not locate \w+ )'([^']+)'", message):
        return f"{file} is not opened because it requires '{missing[1]}', which Keras does not have. {save_again}"
    if "No model config found" in message:
        return f"{file} contains only weights. Save the whole model with model.save."
    if message.startswith("File not found"):  # Keras says so of any file that is not a zip archive
        return f"{file} is damaged or is not a .keras file."
    return f"{file} cannot be read as a Keras model: {one_line(message)[:300]}"
