"""A classifier loaded from a file of any format, and the class probabilities that it predicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from pathlib import Path
from typing import Protocol

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import one_line
from fer_bench.inference.preprocessing.preprocessing import Preprocessing

MAX_BATCH_SIZE = 256
MAX_BATCH_BYTES = 2**24  # of preprocessed pixels; the activations of a network need many times as much
SUM_TOLERANCE = 0.02  # of a sum of probabilities: ten outputs of an 8-bit model, each rounded to 1/256
ROUNDING = 1e-6
MAX_COMPLETING = 8  # unlabeled outputs that are tried as part of a softmax


class ImageSource(Protocol):
    """Images that are read when they are accessed: an array, a `Subset` or `FileImages`."""

    def __getitem__(self, indices: np.ndarray, /) -> np.ndarray | Sequence[np.ndarray]:
        """Return the images (height, width[, channels]) uint8 at some positions."""
        ...


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
    images: ImageSource,
    indices: np.ndarray,
    progress: Callable[[str, int, int], None] | None = None,
    batch_size: int | None = None,
) -> np.ndarray:
    """Return the raw outputs of a model for some images.

    Args:
        model: The classifier.
        preprocessing: How it expects its images.
        images: (samples, height, width) uint8, or `FileImages`; read batch by batch.
        indices: Which images to predict.
        progress: Called with a text, the number of images done and their total after each batch.
        batch_size: Images per batch unless the model has a fixed batch size. Default: as many as fit into memory.

    Returns:
        Outputs of shape (len(indices), labels), float64.

    Raises:
        UserError: The model's input or output does not match the preprocessing, the model fails, or an output is not
            finite.
    """
    channels_first = _is_channels_first(model, preprocessing)
    size = model.input_shape[0] or min(batch_size or MAX_BATCH_SIZE, _batch_size(preprocessing))
    result = np.empty((len(indices), len(preprocessing.labels)))
    if model.num_outputs is not None:
        _check_num_outputs(model, model.num_outputs, preprocessing)
    for start in range(0, len(indices), size):
        batch_indices = indices[start : start + size]
        # The last batch is padded: a model compiles once per batch size.
        batch = preprocessing(images[np.resize(batch_indices, size)])
        outputs = _predict_batch(model, batch.transpose(0, 3, 1, 2) if channels_first else batch)
        outputs = _flatten_maps(outputs)
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


def _flatten_maps(outputs: np.ndarray) -> np.ndarray:
    """Return scores (images, classes) from (images, 1, 1, classes), as networks without a last flattening return."""
    is_map = outputs.ndim > 2 and sum(size > 1 for size in outputs.shape[1:]) == 1
    return outputs.reshape(len(outputs), -1) if is_map else outputs


def cast_pixels(batch: np.ndarray, dtype: type, file: Path) -> np.ndarray:
    """Return preprocessed pixels as a model's type. UserError if it is uint8 but pixels are scaled."""
    if dtype is np.uint8 and ((batch != np.rint(batch)).any() or batch.min() < 0 or batch.max() > 255):
        raise UserError(f"{file} expects integer pixels from 0 to 255. Set scaling: none.")
    return batch.astype(dtype)


def to_probabilities(
    outputs: np.ndarray,
    output_kind: str | None,
    output_indices: Sequence[int],
    source: str,
    unlabeled: Sequence[int] = (),
) -> np.ndarray:
    """Return class probabilities from a model's outputs.

    Only labeled outputs decide on the kind if none is stated. They are probabilities if none is negative and they sum
    to 1 for every image, alone or with some of the other outputs, and logits if they leave the range of 0 to 1.

    Args:
        outputs: (samples, outputs).
        output_kind: "logits", "probabilities", "sigmoid" or None.
        output_indices: The output of each class.
        source: Name of the model in error messages.
        unlabeled: Outputs that are no classes of the model, such as valence and arousal.

    Returns:
        Probabilities of shape (samples, len(output_indices)), float32; each row sums to 1.

    Raises:
        UserError: The stated kind contradicts the outputs, or the kind is ambiguous.
    """
    kind = _output_kind(outputs, output_kind, sorted(unlabeled), source)
    selected = outputs[:, list(output_indices)]
    if kind == "logits":
        selected = np.exp(selected - selected.max(axis=1, keepdims=True))
    selected = np.maximum(selected, 0)
    sums = selected.sum(axis=1, keepdims=True)
    uniform = np.full_like(selected, 1 / selected.shape[1])  # if all the selected outputs are 0
    return np.divide(selected, sums, out=uniform, where=sums > 0).astype(np.float32)


def _output_kind(outputs: np.ndarray, stated: str | None, unlabeled: list[int], source: str) -> str:
    """Return the kind of the labeled outputs. UserError as `to_probabilities`."""
    labeled = np.delete(outputs, unlabeled, axis=1)
    low, high = labeled.min(), labeled.max()
    non_negative, within_one = low >= -ROUNDING, low >= -ROUNDING and high <= 1 + ROUNDING
    total = _common_sum(labeled, outputs[:, unlabeled]) if non_negative else None
    sum_to_one = total is not None and abs(total - 1) <= SUM_TOLERANCE
    if stated == "logits" and total is not None and (sum_to_one or np.ptp(labeled, axis=0).any()):
        raise UserError(
            f"{source}: outputs cannot be logits because each row sums to {total:.3g}. Set outputs: probabilities."
        )
    if stated == "probabilities" and not non_negative:
        raise UserError(f"{source}: outputs cannot be probabilities because some are negative. Set outputs: logits.")
    if stated == "probabilities" and total is None and labeled.sum(axis=1).max() > 1 + SUM_TOLERANCE:
        other = "sigmoid" if within_one else "logits"
        raise UserError(
            f"{source}: outputs cannot be probabilities because rows sum to more than 1. Set outputs: {other}."
        )
    if stated == "sigmoid" and not within_one:
        raise UserError(
            f"{source}: outputs cannot be from a sigmoid because some are not in 0 to 1. Set outputs: logits."
        )
    if stated is None and not sum_to_one and (within_one or total is not None):
        what = "are in 0 to 1 but do not sum to 1" if within_one else f"sum to {total:.3g} for every image"
        raise UserError(
            f"{source}: the outputs are ambiguous because they {what}. Set outputs: probabilities, outputs: sigmoid "
            "(one probability per class, independent of the others) or outputs: logits."
        )
    return stated or ("probabilities" if sum_to_one else "logits")


def _common_sum(labeled: np.ndarray, unlabeled: np.ndarray) -> float | None:
    """Return the sum of the labeled and some unlabeled outputs that all rows have in common: 1 if possible, or None.

    A softmax may cover classes that the user ignores, and other outputs may stand beside it.
    """
    columns = [column for column in unlabeled.T if column.min() >= -ROUNDING]
    some = [combinations(columns[:MAX_COMPLETING], number) for number in range(1, MAX_COMPLETING + 1)]
    common = []
    for chosen in chain([(), tuple(columns)], *some):
        sums = labeled.sum(axis=1) + sum(chosen)
        if np.abs(sums - sums.mean()).max() <= SUM_TOLERANCE * sums.mean():
            common.append(float(sums.mean()))
            if abs(common[-1] - 1) <= SUM_TOLERANCE:
                return common[-1]
    return common[0] if common else None


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
    if num_outputs == 1:
        raise UserError(f"{model.file} has a single output. Use a classifier with one output per class.")
    if num_outputs != len(preprocessing.labels):
        raise UserError(
            f"{model.file} has {num_outputs} outputs, but labels has {len(preprocessing.labels)} entries. "
            "List one label per output, null for an output to ignore."
        )
