"""How pixels become the numbers that a model was trained on: named scalings, means and deviations, per image."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_bench.core.text import did_you_mean

Scaling = str | dict[str, Any]  # a name, or the keys mean, std and range

PER_IMAGE = "per_image"
MIN_MAX = "min_max"
# (x − mean)/std of pixels x in 0..range. `caffe`, `tf` and `torch` are the modes of keras.applications.
SCALINGS: dict[str, dict[str, Any]] = {
    "none": {"mean": [0.0], "std": [1.0], "range": 255},
    "0..1": {"mean": [0.0], "std": [1.0]},
    "-1..1": {"mean": [0.5], "std": [0.5]},
    PER_IMAGE: {"mean": PER_IMAGE, "std": PER_IMAGE, "range": 255},
    MIN_MAX: {},
    "tf": {"mean": [0.5], "std": [0.5]},
    "torch": {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
    "caffe": {"mean": [103.939, 116.779, 123.68], "std": [1.0], "range": 255},
}
# What people write instead of a name, compared without case and punctuation.
SYNONYMS = {
    **dict.fromkeys(("01", "1255", "255", "x255", "rescale", "normalize", "normalized", "unit"), "0..1"),
    **dict.fromkeys(("11", "1to1", "minus1to1", "x12751"), "-1..1"),
    **dict.fromkeys(("0255", "no", "false", "raw", "off", "identity"), "none"),
    **dict.fromkeys(("standardization", "standardize", "samplewise", "zscore", "perimagestandardization"), PER_IMAGE),
    **dict.fromkeys(("imagestandardization", "whitening", "prewhiten", "standard", "standardscaler"), PER_IMAGE),
    **dict.fromkeys(("minmaxscaler", "minmaxscaling"), MIN_MAX),
    **dict.fromkeys(("imagenet", "pytorch", "torchvision"), "torch"),
    "tensorflow": "tf",
}
OF_A_DATASET = ("featurewise", "dataset", "meanimage")  # statistics of a training set, which only its authors know


def parse_scaling(value: Any) -> Scaling:
    """Return a scaling from YAML. Raise ValueError that says what can be written."""
    if isinstance(value, str) and value.strip() in SCALINGS:
        return value.strip()
    if isinstance(value, dict) and {"mean", "std"} <= set(value) <= {"mean", "std", "range"}:
        return _parse_mean_and_std(value)
    shown = "no" if value is False else value
    written = re.sub(r"[\W_]", "", str(shown).lower())
    if written.startswith(OF_A_DATASET):
        raise ValueError(
            f"scaling cannot be {value!r}, because the mean of its training images is unknown here. Write their mean "
            "and deviation as {mean: …, std: …}, or make a mean image the first layer of the model."
        )
    names = f"scaling must be {', '.join(SCALINGS)} or {{mean: …, std: …}}, not {shown!r}."
    if isinstance(value, dict):
        raise ValueError(f"{names} A mapping needs mean and std, and may have range: 255 for pixels in 0 to 255.")
    hint = f"Did you mean '{SYNONYMS[written]}'?" if written in SYNONYMS else did_you_mean(str(shown), SCALINGS)
    raise ValueError(names if hint.startswith("Choose") else f"{names} {hint}")


def num_channels(scaling: Scaling) -> tuple[str, int] | None:
    """Return which of mean and std is given per channel, and for how many; None if neither is."""
    for key, numbers in as_mapping(scaling).items():
        if isinstance(numbers, list) and len(numbers) > 1:
            return key, len(numbers)
    return None


def as_mapping(scaling: Scaling) -> dict[str, Any]:
    """Return mean, std and range of a scaling; empty for min_max."""
    return SCALINGS[scaling] if isinstance(scaling, str) else scaling


def scale(pixels: np.ndarray, scaling: Scaling) -> np.ndarray:
    """Scale a batch (images, height, width, channels) of float32 pixels in 0 to 255."""
    if scaling == "none":
        return pixels
    if scaling == MIN_MAX:
        low, high = (_float32(of(pixels, axis=(1, 2, 3), keepdims=True)) for of in (np.min, np.max))
        return (pixels - low) / np.maximum(high - low, 1)  # an image of one gray becomes 0
    values = as_mapping(scaling)
    if values.get("range", 1) == 1:
        pixels = pixels / 255
    mean, std = values["mean"], values["std"]
    mean = pixels.mean(axis=(1, 2, 3), keepdims=True, dtype=np.float64) if mean == PER_IMAGE else mean
    std = _std_of_images(pixels) if std == PER_IMAGE else std
    return (pixels - _float32(mean)) / _float32(std)


def _std_of_images(pixels: np.ndarray) -> np.ndarray:
    """Return deviations of (images, 1, 1, 1), at least 1/√n for n numbers as tf.image.per_image_standardization."""
    return np.maximum(pixels.std(axis=(1, 2, 3), keepdims=True, dtype=np.float64), pixels[0].size ** -0.5)


def _float32(values: Any) -> np.ndarray:
    return np.asarray(values, np.float32)


def _parse_mean_and_std(value: dict[str, Any]) -> dict[str, Any]:
    if (limit := value.get("range", 1)) not in (1, 255) or isinstance(limit, bool):
        raise ValueError(f"scaling.range must be 1 (x/255, the default) or 255 (pixels in 0 to 255), not {limit!r}")
    mean, std = (_parse_numbers(key, value[key], limit) for key in ("mean", "std"))
    if limit == 255 and isinstance(mean, list) and isinstance(std, list) and 0 < max(mean) <= 1 and max(std) <= 1:
        raise ValueError(f"scaling.mean {value['mean']!r} is for pixels in 0 to 1. Leave out range: 255")
    return {"mean": mean, "std": std} | ({"range": 255} if limit == 255 else {})


def _parse_numbers(key: str, value: Any, limit: int) -> list[float] | str:
    if value == PER_IMAGE:
        return PER_IMAGE
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not numbers or not all(_is_number(n) for n in numbers):
        raise ValueError(f"scaling.{key} must be a number, one number per channel or {PER_IMAGE}, not {value!r}")
    if not all((0 <= n <= limit) if key == "mean" else (0 < n <= limit) for n in numbers):
        formula = "(x/255 - mean)/std" if limit == 1 else "(x - mean)/std"
        hint = ". Add range: 255 if it is for pixels in 0 to 255" if limit == 1 and min(numbers) >= 0 else ""
        raise ValueError(f"scaling.{key} is for pixels in 0 to {limit}, as in {formula}, and cannot be {value!r}{hint}")
    return [float(n) for n in numbers]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
