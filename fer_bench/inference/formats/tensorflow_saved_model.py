"""SavedModel folders of TensorFlow 1 and 2, such as Keras 2 wrote, for users who trust their authors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.stderr import suppress_stderr
from fer_bench.core.text import one_line
from fer_bench.inference.formats.classifier import Classifier, cast_pixels

SIGNATURE, TAG = "serving_default", "serve"


def load(folder: Path) -> Classifier:
    """Load the serving signature of a SavedModel that the user trusts.

    The loader of TensorFlow 1 also reads what TensorFlow 2 saved, and needs no classes of Keras.

    Raises:
        UserError: The folder is incomplete, or has no signature with one input of images and one output.
    """
    with suppress_stderr():
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf
    session = tf.compat.v1.Session(graph=tf.Graph())
    signature = _find_signature(folder, _load_graph(folder, session))
    image, scores = _only(folder, "input", signature.inputs), _only(folder, "output", signature.outputs)
    dtype = tf.as_dtype(image.dtype)
    if not (dtype.is_floating or dtype == tf.uint8):
        raise UserError(f"{folder} has an input of type {dtype.name}. It must be pixels: floats or uint8.")
    output_shape = _known_shape(scores)

    def predict(batch: np.ndarray) -> np.ndarray:
        return session.run(scores.name, {image.name: cast_pixels(batch, dtype.as_numpy_dtype, folder)})

    return Classifier(
        file=folder,
        input_shape=_known_shape(image) or (None,) * 4,
        num_outputs=output_shape[1] if len(output_shape) == 2 else None,
        layout="nhwc",
        predict=predict,
        backend="tensorflow",
        versions={"tensorflow": tf.__version__},
    )


def _load_graph(folder: Path, session: Any) -> Any:
    """Load graph and variables into a session and return the description of the graph."""
    import tensorflow as tf
    from tensorflow.python.tools import saved_model_utils

    try:
        with suppress_stderr(show_on_error=False), session.graph.as_default():
            tag_sets = saved_model_utils.get_saved_model_tag_sets(str(folder))
            tags = next((tags for tags in tag_sets if TAG in tags), tag_sets[0])
            return tf.compat.v1.saved_model.load(session, tags, str(folder))
    except Exception as error:
        raise UserError(f"{folder} {_explain(one_line(str(error)))}") from None


def _explain(message: str) -> str:
    """Return an error of TensorFlow in plain words."""
    if "not a valid checkpoint" in message or ("variables" in message and "No such file" in message):
        return "is incomplete: files of its folder variables/ are missing."
    if "parse" in message or "out of range" in message:  # the latter of a file without a graph
        return "cannot be read as a SavedModel: saved_model.pb is damaged."
    return f"cannot be read as a SavedModel: {message[:300].rstrip('.')}."


def _find_signature(folder: Path, graph: Any) -> Any:
    signatures = {name: s for name, s in graph.signature_def.items() if s.inputs and s.outputs}
    if SIGNATURE in signatures or len(signatures) == 1:
        return signatures.get(SIGNATURE) or next(iter(signatures.values()))
    raise UserError(
        f"{folder} has no signature {SIGNATURE}, only {', '.join(sorted(signatures)) or 'none'}. Save it with one."
    )


def _only(folder: Path, kind: str, tensors: Any) -> Any:
    if len(tensors) != 1:
        raise UserError(f"{folder} has {len(tensors)} {kind}s: {', '.join(sorted(tensors))}. It must have one.")
    return next(iter(tensors.values()))


def _known_shape(tensor: Any) -> tuple[int | None, ...]:
    return tuple(size.size if size.size > 0 else None for size in tensor.tensor_shape.dim)
