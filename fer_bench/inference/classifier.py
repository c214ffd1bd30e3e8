"""A classifier in a file, whatever wrote it, and the probabilities that it gives images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.inference.preprocessing import Preprocessing

LARGEST_BATCH = 256  # images
BATCH_BYTES = 2**24  # of prepared pixels: what a network makes of them takes many times as much


@dataclass(frozen=True)
class Classifier:
    """A model from a file: one input, one output (images, classes).

    input_shape: (images, …), outputs: how many, both None where the file leaves it open; layout: that of its library,
    None where either is usual; predict: float32 in the model's layout, of its own batch size where that is fixed.
    """

    file: Path
    input_shape: tuple[int | None, ...]
    outputs: int | None
    layout: str | None
    predict: Callable[[np.ndarray], np.ndarray]
    backend: str
    versions: dict[str, str]
    parameters: int | None = None


def outputs(
    model: Classifier,
    preprocessing: Preprocessing,
    images: np.ndarray,
    chosen: np.ndarray,
    progress: Callable[[str, int, int], None] | None = None,
) -> np.ndarray:
    """What a model says of some images: (len(chosen), labels) float64, in the order of `chosen`.

    images: (samples, height, width) uint8, of which a batch at a time is read. UserError where the model's input or
    output is not what the preprocessing says, where it fails, or where an output is not finite.
    """
    first = _is_channels_first(model, preprocessing)
    size = model.input_shape[0] or _batch_size(preprocessing)
    made = np.empty((len(chosen), len(preprocessing.labels)))
    if model.outputs is not None:
        _check_outputs(model, model.outputs, preprocessing)
    for start in range(0, len(chosen), size):
        part = chosen[start : start + size]
        batch = preprocessing(
            np.resize(images[part], (size, *images.shape[1:]))
        )  # of one size: nothing is traced twice
        said = _predicted(model, batch.transpose(0, 3, 1, 2) if first else batch)
        if said.ndim != 2 or len(said) != size:
            raise UserError(f"{model.file} gives an output of shape {said.shape} for {size} images: no classifier's.")
        _check_outputs(model, said.shape[1], preprocessing)
        made[start : start + size] = said[: len(part)]
        if progress:
            progress(f"predicting with {model.file.name}", start + len(part), len(chosen))
    if not np.isfinite(made).all():
        bad = int((~np.isfinite(made).all(axis=1)).sum())
        raise UserError(f"{model.file} gives no finite numbers for {bad} of {len(made)} images: is its scaling right?")
    return made


def probabilities(said: np.ndarray, stated: str | None, kept: list[int], where: str) -> np.ndarray:
    """Probabilities (samples, len(kept)) float32 of the kept ones of a model's outputs (samples, outputs).

    Outputs none of which is negative and whose rows sum to 1 are probabilities, others logits, unless it is stated
    which. UserError where what is stated cannot be, and where neither is likely.
    """
    positive = bool((said >= 0).all())
    distributions = positive and bool(np.allclose(said.sum(axis=1), 1, atol=5e-3))
    if stated == "probabilities" and not positive:
        raise UserError(f"{where}: outputs cannot be probabilities, since some are negative.")
    if stated == "logits" and distributions:
        raise UserError(f"{where}: outputs cannot be logits, since each row of them sums to 1.")
    if stated is None and not distributions and positive and said.max() <= 1:
        raise UserError(f"{where}: its outputs may be either: state outputs: logits or outputs: probabilities.")
    if stated == "probabilities" or distributions:
        weights = said[:, kept]
    else:
        logits = said[:, kept]
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    sums = weights.sum(axis=1, keepdims=True)
    # All that was kept may have been given nothing.
    return np.divide(weights, sums, out=np.full_like(weights, 1 / len(kept)), where=sums > 0).astype(np.float32)


def _is_channels_first(model: Classifier, preprocessing: Preprocessing) -> bool:
    """Whether the channel stands before height and width. UserError where the input does not fit, or either does."""
    (height, width), channels = preprocessing.input_size, preprocessing.channels
    shapes = {"nhwc": (height, width, channels), "nchw": (channels, height, width)}
    asked = [preprocessing.layout] if preprocessing.layout else list(shapes)
    fitting = [layout for layout in asked if _fits(model.input_shape[1:], shapes[layout])]
    if len(fitting) == 1:
        return fitting[0] == "nchw"
    if fitting and model.layout in fitting:
        return model.layout == "nchw"
    if fitting:
        raise UserError(f"{model.file} does not say how its input is laid out: state layout: nchw or layout: nhwc.")
    given = "×".join("any" if side is None else str(side) for side in model.input_shape[1:])
    told = " or ".join("×".join(map(str, shapes[layout])) for layout in asked)
    raise UserError(
        f"{model.file} takes images of {given or 'no'} numbers, and the preprocessing makes {told}: "
        "mend input_size, channels or layout."
    )


def _fits(taken: tuple[int | None, ...], made: tuple[int, ...]) -> bool:
    return len(taken) == len(made) and all(t in (None, m) for t, m in zip(taken, made, strict=True))


def _batch_size(preprocessing: Preprocessing) -> int:
    height, width = preprocessing.input_size
    return max(1, min(LARGEST_BATCH, BATCH_BYTES // (4 * height * width * preprocessing.channels)))


def _predicted(model: Classifier, batch: np.ndarray) -> np.ndarray:
    try:
        return np.asarray(model.predict(np.ascontiguousarray(batch)))
    except UserError:
        raise
    except Exception as error:
        said = " ".join(str(error).split())[:300] or type(error).__name__
        raise UserError(f"{model.file} cannot predict these images: {said}") from None


def _check_outputs(model: Classifier, found: int, preprocessing: Preprocessing) -> None:
    if found != len(preprocessing.labels):
        raise UserError(f"{model.file} has {found} outputs, and labels name {len(preprocessing.labels)}.")
