"""A classifier loaded from a file of any format, and the class probabilities that it predicts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import one_line
from fer_bench.inference.preprocessing import Preprocessing

MAX_BATCH_SIZE = 256
MAX_BATCH_BYTES = 2**24  # of preprocessed pixels; the activations of a network need many times as much


@dataclass(frozen=True)
class Classifier:
    """A model with one input (images) and one output (scores of shape (images, classes)).

    Attributes:
        file: The file that holds the model.
        input_shape: (images, …); None for each size that the file leaves open.
        num_outputs: The number of classes; None if the file leaves it open.
        layout: "nhwc" or "nchw" if the library has a fixed layout, otherwise None.
        predict: Maps a float32 batch in the model's layout to scores. The batch size is the model's if it is fixed.
        backend: The library that runs the model.
        versions: Library names and versions.
        num_parameters: None if unknown.
        notes: What the loader changed, as short notes; shown as badges.
    """

    file: Path
    input_shape: tuple[int | None, ...]
    num_outputs: int | None
    layout: str | None
    predict: Callable[[np.ndarray], np.ndarray]
    backend: str
    versions: dict[str, str]
    num_parameters: int | None = None
    notes: tuple[str, ...] = ()


def predict_outputs(
    model: Classifier,
    preprocessing: Preprocessing,
    images: np.ndarray,
    indices: np.ndarray,
    progress: Callable[[str, int, int], None] | None = None,
) -> np.ndarray:
    """Return the raw outputs of a model for some images.

    Args:
        model: The classifier.
        preprocessing: How it expects its images.
        images: (samples, height, width) uint8; read batch by batch.
        indices: Which images to predict.
        progress: Called with a text, the number of images done and their total after each batch.

    Returns:
        Outputs of shape (len(indices), labels), float64.

    Raises:
        UserError: The model's input or output does not match the preprocessing, the model fails, or an output is not
            finite.
    """
    channels_first = _is_channels_first(model, preprocessing)
    size = model.input_shape[0] or _batch_size(preprocessing)
    result = np.empty((len(indices), len(preprocessing.labels)))
    if model.num_outputs is not None:
        _check_num_outputs(model, model.num_outputs, preprocessing)
    for start in range(0, len(indices), size):
        batch_indices = indices[start : start + size]
        # The last batch is padded: a model compiles once per batch size.
        batch = preprocessing(np.resize(images[batch_indices], (size, *images.shape[1:])))
        outputs = _predict_batch(model, batch.transpose(0, 3, 1, 2) if channels_first else batch)
        if outputs.ndim != 2 or len(outputs) != size:
            raise UserError(
                f"{model.file} returns an output of shape {outputs.shape} for {size} images. Use a classifier, whose "
                "output has the shape (images, classes)."
            )
        _check_num_outputs(model, outputs.shape[1], preprocessing)
        result[start : start + size] = outputs[: len(batch_indices)]
        if progress:
            progress(f"predicting with {model.file.name}", start + len(batch_indices), len(indices))
    if num_bad := int((~np.isfinite(result).all(axis=1)).sum()):
        raise UserError(
            f"{model.file} returns outputs that are not finite for {num_bad} of {len(result)} images. Check scaling."
        )
    return result


def to_probabilities(
    outputs: np.ndarray, output_kind: str | None, output_indices: list[int], source: str
) -> np.ndarray:
    """Return class probabilities from a model's outputs.

    Without a stated kind, outputs are probabilities if none is negative and each row sums to 1, otherwise logits.

    Args:
        outputs: (samples, outputs).
        output_kind: "logits", "probabilities" or None.
        output_indices: Which output belongs to each class. Other outputs are ignored.
        source: Name of the model in error messages.

    Returns:
        Probabilities of shape (samples, len(output_indices)), float32; each row sums to 1.

    Raises:
        UserError: The stated kind contradicts the outputs, or the kind is ambiguous.
    """
    non_negative = bool((outputs >= 0).all())
    sum_to_one = non_negative and bool(np.allclose(outputs.sum(axis=1), 1, atol=5e-3))
    if output_kind == "probabilities" and not non_negative:
        raise UserError(f"{source}: outputs cannot be probabilities because some are negative. Set outputs: logits.")
    if output_kind == "logits" and sum_to_one:
        raise UserError(f"{source}: outputs cannot be logits because each row sums to 1. Set outputs: probabilities.")
    if output_kind is None and not sum_to_one and non_negative and outputs.max() <= 1:
        raise UserError(f"{source}: the outputs are ambiguous. Set outputs: logits or outputs: probabilities.")
    selected = outputs[:, output_indices]
    if output_kind != "probabilities" and not sum_to_one:
        selected = np.exp(selected - selected.max(axis=1, keepdims=True))
    sums = selected.sum(axis=1, keepdims=True)
    uniform = np.full_like(selected, 1 / len(output_indices))  # if all the selected outputs are 0
    return np.divide(selected, sums, out=uniform, where=sums > 0).astype(np.float32)


def _is_channels_first(model: Classifier, preprocessing: Preprocessing) -> bool:
    """Return whether the input is (channels, height, width). UserError if no layout matches, or both do."""
    (height, width), channels = preprocessing.input_size, preprocessing.channels
    shapes = {"nhwc": (height, width, channels), "nchw": (channels, height, width)}
    candidates = [preprocessing.layout] if preprocessing.layout else list(shapes)
    matching = [layout for layout in candidates if _shapes_match(model.input_shape[1:], shapes[layout])]
    if len(matching) == 1:
        return matching[0] == "nchw"
    if matching and model.layout in matching:
        return model.layout == "nchw"
    if matching:
        raise UserError(f"{model.file}: the layout of the input is ambiguous. Set layout: nchw or layout: nhwc.")
    expected = "×".join("any" if size is None else str(size) for size in model.input_shape[1:])
    produced = " or ".join("×".join(map(str, shapes[layout])) for layout in candidates)
    raise UserError(
        f"{model.file} expects images of shape {expected or '()'}, but the preprocessing produces {produced}. "
        "Change input_size, channels or layout."
    )


def _shapes_match(input_shape: tuple[int | None, ...], image_shape: tuple[int, ...]) -> bool:
    return len(input_shape) == len(image_shape) and all(
        expected in (None, size) for expected, size in zip(input_shape, image_shape, strict=True)
    )


def _batch_size(preprocessing: Preprocessing) -> int:
    height, width = preprocessing.input_size
    return max(1, min(MAX_BATCH_SIZE, MAX_BATCH_BYTES // (4 * height * width * preprocessing.channels)))


def _predict_batch(model: Classifier, batch: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(model.predict(np.ascontiguousarray(batch)))
    except UserError:
        raise
    except Exception as error:
        reason = one_line(str(error))[:300] or type(error).__name__
        raise UserError(f"{model.file} fails to predict: {reason}") from None


def _check_num_outputs(model: Classifier, num_outputs: int, preprocessing: Preprocessing) -> None:
    if num_outputs != len(preprocessing.labels):
        raise UserError(
            f"{model.file} has {num_outputs} outputs, but labels has {len(preprocessing.labels)} entries. "
            "List one label per output, null for an output to ignore."
        )
