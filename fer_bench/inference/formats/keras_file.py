"""Models saved by Keras: .keras, HDF5, architecture with weights, TensorFlow.js. The way in to what imports Keras."""

from __future__ import annotations

import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import one_line
from fer_bench.inference.formats import keras_legacy
from fer_bench.inference.formats.classifier import Classifier, cast_pixels
from fer_bench.inference.formats.keras_pair import find_files
from fer_bench.inference.formats.model_kind import ModelKind, detect
from fer_bench.inference.formats.unsupported import SAVE_AGAIN, Unsupported


def load_model(file: Path) -> keras.Model:
    """Load a Keras model without its optimizer and without running code from the file.

    Raises:
        UserError: The file is not a Keras model, contains code, or needs code that it does not contain.
    """
    return _open(file)[0]


def load(file: Path) -> Classifier:
    """Load a Keras classifier. UserError as `load_model`, and if the model is not a classifier."""
    model, notes = _open(file)
    model = _with_single_tensors(file, model)
    input_shape, output_shape = model.input_shape, model.output_shape
    if len(output_shape) != 2:
        raise UserError(f"{file} returns an output of shape {output_shape}. Use a classifier: (images, classes).")
    return Classifier(
        file=file,
        input_shape=input_shape,
        num_outputs=output_shape[1],
        layout={"channels_last": "nhwc", "channels_first": "nchw"}[keras.config.image_data_format()],
        predict=_predictor(file, model),
        backend=keras.backend.backend(),
        versions={"keras": keras.__version__},
        num_parameters=model.count_params(),
        notes=notes,
    )


def _open(file: Path) -> tuple[keras.Model, tuple[str, ...]]:
    """Return the model in a file, and what was changed to load it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _open_kind(file, detect(file))
    except Unsupported as error:
        raise UserError(f"{file} is not opened because {_printable(error.reason)}. {error.remedy}.") from None
    except UserError:
        raise
    except (AttributeError, KeyError, IndexError, RecursionError, zipfile.BadZipFile):
        raise UserError(f"{file} is damaged, or its configuration is not one of Keras. Download it again.") from None
    except Exception as error:
        raise UserError(_explain(file, _printable(_reason(str(error))))) from None


def _open_kind(file: Path, kind: ModelKind) -> tuple[keras.Model, tuple[str, ...]]:
    if kind is ModelKind.TENSORFLOW_JS:
        return keras_legacy.open_tensorflow_js(file)
    if kind is ModelKind.KERAS_ARCHIVE:
        version, suffix, upgrade = keras_legacy.archive_version(file), ".keras", keras_legacy.open_archive
    elif len(files := find_files(file)) == 2:
        return keras_legacy.open_pair(*files)
    else:
        version, suffix, upgrade = keras_legacy.hdf5_version(file), ".h5", keras_legacy.open_hdf5
    if keras_legacy.is_legacy(version):
        return upgrade(file)
    try:
        with keras_legacy.named(file, suffix) as path:
            return keras.saving.load_model(path, compile=False, safe_mode=True), ()
    except Exception as error:
        return _open_upgraded(file, upgrade, error)


def _open_upgraded(
    file: Path, upgrade: Callable[[Path], tuple[keras.Model, tuple[str, ...]]], error: Exception
) -> tuple[keras.Model, tuple[str, ...]]:
    """Open a file of an earlier Keras 3 that is refused because of an option; otherwise raise the first error."""
    if not isinstance(error, TypeError | ValueError) or _is_refusal(str(error)):
        raise error
    try:
        return upgrade(file)
    except Unsupported:
        raise
    except Exception:
        raise error from None


def _with_single_tensors(file: Path, model: keras.Model) -> keras.Model:
    """Return a model whose input and output are tensors, not lists or dictionaries of one. UserError for others."""
    try:
        inputs, outputs = model.inputs, model.outputs
    except (AttributeError, ValueError):
        inputs = outputs = None
    if not inputs or not outputs:
        raise UserError(f"{file} must have one input and one output of known shapes.")
    if len(inputs) != 1 or len(outputs) != 1:
        names = ", ".join(model.output_names)
        raise UserError(
            f"{file} has {len(inputs)} inputs and {len(outputs)} outputs ({names}), but must have one input and one "
            "output. Make a model of those with keras.Model and save it."
        )
    if isinstance(model, keras.Sequential) or all(
        isinstance(x, keras.KerasTensor) for x in (model.input, model.output)
    ):
        return model
    return keras.Model(inputs[0], outputs[0])


def _predictor(file: Path, model: keras.Model) -> Callable[[np.ndarray], np.ndarray]:
    if "int" not in model.inputs[0].dtype:
        return model.predict_on_batch
    return lambda batch: model.predict_on_batch(cast_pixels(batch, np.uint8, file))


def _reason(message: str) -> str:
    """Return an error of Keras without the color, the frame and the arguments that it puts around the reason."""
    message = re.sub(r"\x1b\[\d*m", "", message)
    return re.sub(r"^Exception encountered when calling \S+\s*", "", message).split("Arguments received")[0]


def _printable(text: str) -> str:
    """Return a text in one line, with a question mark for each character that is not printable."""
    return "".join(letter if letter.isprintable() else "?" for letter in one_line(text))


def _is_refusal(message: str) -> bool:
    """Return whether Keras refuses a file because it contains code."""
    return "code execution" in message or "for security" in message


def _explain(file: Path, message: str) -> str:
    """Return an error of Keras in plain words, with what to do."""
    if _is_refusal(message):
        return f"{file} is not opened because it contains code, such as a Lambda layer. {SAVE_AGAIN}."
    if missing := re.search(r"(?:Unknown layer: |Could not locate \w+ )'([^']+)'", message):
        return f"{file} is not opened because it requires '{missing[1]}', which Keras does not have. {SAVE_AGAIN}."
    if "' object " in message or "NoneType" in message:  # an error of Python inside of Keras or of the upgrade
        return f"{file} is damaged, or its configuration is not one of Keras. Download it again."
    if message.startswith("File not found"):  # Keras says so of any file that is not a zip archive
        return f"{file} is damaged or is not a .keras file. Download it again."
    reason = message.split("config=")[0][:200].rstrip(". ,:")
    return f"{file} cannot be read as a Keras model: {reason or 'it is damaged'}. {SAVE_AGAIN}."
