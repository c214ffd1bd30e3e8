"""How an external model expects its images, read from a small YAML file. Does not import Keras."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fer_bench.config.named_recipes import load_yaml_mapping
from fer_bench.config.recipe import validate
from fer_bench.core.errors import UserError
from fer_bench.core.text import did_you_mean
from fer_bench.datasets.emotions import canonical_label
from fer_bench.datasets.images import import_opencv

EXAMPLE = "input_size: 48"
# Means and standard deviations of x/255.
SCALINGS: dict[str, dict[str, list[float]] | None] = {
    "none": None,
    "0..1": {"mean": [0.0], "std": [1.0]},
    "-1..1": {"mean": [0.5], "std": [0.5]},
}
HINTS = {"scaling": " Write none if pixels stay in 0 to 255."}

ImageSize = Annotated[int, Field(ge=1, le=4096)]


class Preprocessing(BaseModel):
    """What happens to gray images before the model, and what its outputs mean.

    Attributes:
        input_size: Height and width in pixels; one number for square images.
        scaling: none keeps 0 to 255; 0..1 is x/255; -1..1 is (x/255 − 0.5)·2; {mean, std} is (x/255 − mean)/std, each
            a number or one number per channel.
        labels: One label per output, in the order of the outputs, in any of the usual words; null for an output to
            ignore.
        channels: 1, or 3 equal channels.
        layout: Default: derived from the model's input.
        outputs: Default: derived from the outputs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_size: tuple[ImageSize, ImageSize]
    scaling: str | dict[str, list[float]]
    labels: list[str | None] = Field(min_length=2)
    channels: Literal[1, 3] = 1
    layout: Literal["nhwc", "nchw"] | None = None
    outputs: Literal["logits", "probabilities"] | None = None

    @field_validator("input_size", mode="before")
    @classmethod
    def _expand_square(cls, value: Any) -> Any:
        return (value, value) if isinstance(value, int) else value

    @field_validator("scaling", mode="before")
    @classmethod
    def _parse_scaling(cls, value: Any) -> Any:
        if isinstance(value, str) and value in SCALINGS:
            return value
        if isinstance(value, dict) and set(value) == {"mean", "std"}:
            return {key: _parse_numbers(key, numbers) for key, numbers in value.items()}
        raise ValueError(f"scaling must be {', '.join(SCALINGS)} or {{mean: …, std: …}}, not {value!r}")

    @field_validator("labels")
    @classmethod
    def _canonical_labels(cls, value: list[str | None]) -> list[str | None]:
        labels = [None if name is None else canonical_label(name) for name in value]
        if repeated := [name for name in labels if name is not None and labels.count(name) > 1]:
            raise ValueError(f"labels contains '{repeated[0]}' twice")
        return labels

    @model_validator(mode="after")
    def _check_channels(self) -> Preprocessing:
        for key, numbers in self.scaling.items() if isinstance(self.scaling, dict) else ():
            if len(numbers) not in (1, self.channels):
                raise ValueError(f"scaling.{key} has {len(numbers)} numbers, but channels is {self.channels}")
        return self

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Return a batch of (images, height, width) uint8 as (images, height, width, channels) float32."""
        height, width = self.input_size
        if images.shape[1:] != (height, width):
            cv2 = import_opencv()
            images = np.stack([cv2.resize(np.ascontiguousarray(image), (width, height)) for image in images])
        pixels = np.repeat(images[..., None].astype(np.float32), self.channels, axis=-1)
        scaling = SCALINGS[self.scaling] if isinstance(self.scaling, str) else self.scaling
        if scaling is None:
            return pixels
        mean, std = (np.array(scaling[key], np.float32) for key in ("mean", "std"))
        return (pixels / 255 - mean) / std


def read_preprocessing(path: Path) -> Preprocessing:
    """Read a YAML file. UserError with one sentence if it is missing or invalid."""
    if not path.is_file():
        raise UserError(f"The preprocessing file {path} does not exist.")
    content = load_yaml_mapping(path, EXAMPLE)
    fields = Preprocessing.model_fields
    for key in content:
        if key not in fields:  # checked first, since it may be a misspelled required key
            raise UserError(f"{path}: unknown key '{key}'. {did_you_mean(str(key), fields)}")
    for key, field in fields.items():
        if field.is_required() and content.get(key) is None:
            raise UserError(f"{path}: {key} is missing.{HINTS.get(key, '')}")
    return validate(Preprocessing, content, path)


def _parse_numbers(key: str, value: Any) -> list[float]:
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not numbers or not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
        raise ValueError(f"scaling.{key} must be a number or one number per channel, not {value!r}")
    if not all((0 <= n <= 1) if key == "mean" else (0 < n <= 1) for n in numbers):
        raise ValueError(f"scaling.{key} is for pixels in 0 to 1, as in (x/255 - mean)/std, and cannot be {value!r}")
    return [float(n) for n in numbers]
