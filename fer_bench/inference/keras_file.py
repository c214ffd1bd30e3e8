"""Models that Keras saved: .keras, .h5 and the legacy .hdf5. The one file of this room that imports Keras."""

from __future__ import annotations

import re
from pathlib import Path

import keras

from fer_bench.core.errors import UserError
from fer_bench.inference.classifier import Classifier


def load(file: Path) -> Classifier:
    """The model in a Keras file, without its optimizer and without running any code that it may bring.

    UserError for a file that brings code, that needs code which it does not hold, or that is no classifier.
    """
    try:
        model = keras.saving.load_model(file, compile=False, safe_mode=True)
    except Exception as error:
        raise UserError(_reason(file, str(error))) from None
    shapes = [getattr(model, name, None) for name in ("input_shape", "output_shape")]
    if not all(isinstance(shape, tuple) and _is_plain(shape) for shape in shapes):
        raise UserError(f"{file} must have one input and one output, of known shapes, to be scored.")
    taken, given = shapes
    if len(given) != 2:
        raise UserError(f"{file} gives an output of shape {given}: no classifier's.")
    return Classifier(
        file=file,
        input_shape=taken,
        outputs=given[1],
        layout={"channels_last": "nhwc", "channels_first": "nchw"}[keras.config.image_data_format()],
        predict=model.predict_on_batch,
        backend=keras.backend.backend(),
        versions={"keras": keras.__version__},
        num_parameters=model.count_params(),
    )


def _is_plain(shape: tuple) -> bool:
    return all(side is None or isinstance(side, int) for side in shape)


def _reason(file: Path, said: str) -> str:
    """Keras' error in one sentence of ours."""
    if "code execution" in said or "for security" in said:
        return (
            f"{file} is not opened: it wants to run code of its own, as a Lambda layer does, which could do anything "
            "on this machine; have it saved with Keras' own layers instead, or as ONNX."
        )
    if missing := re.search(r"(?:Unknown layer: |Could not locate \w+ )'([^']+)'", said):
        return (
            f"{file} is not opened: it needs '{missing[1]}', which is neither Keras' own nor in the file; have it "
            "saved with Keras' own layers instead, or as ONNX."
        )
    if "No model config found" in said:
        return f"{file} holds weights alone: save the whole model, with model.save."
    if said.startswith("File not found"):  # of one that is there: Keras asks whether it is a zip
        return f"{file} is damaged, or no .keras file."
    return f"{file} cannot be read as a Keras model: {' '.join(said.split())[:300]}"
