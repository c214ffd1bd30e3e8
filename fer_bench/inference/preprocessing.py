"""How a model that others trained wants its images, from a small YAML file. Imports no Keras."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fer_bench.config.named_recipes import keys_and_values
from fer_bench.config.recipe import explain
from fer_bench.core.errors import UserError
from fer_bench.datasets.emotions import canonical
from fer_bench.datasets.faces import opencv

EXAMPLE = "input_size: 48"
SCALINGS = ("none", "0..1", "-1..1")
EMPTY = {"scaling": ": write none where pixels stay in 0 to 255"}

Side = Annotated[int, Field(ge=1, le=4096)]


class Preprocessing(BaseModel):
    """What is done to grey images (height, width) uint8 before a model sees them, and what its outputs mean.

    scaling: none leaves 0 to 255; 0..1 is x/255; -1..1 is (x/255 − 0.5)·2; {mean, std} is (x/255 − mean)/std, each a
    number or one for each channel. labels: the model's outputs in its own order, in any of the usual words; null for an
    output that is left out. outputs: found from the figures where it is not stated.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_size: tuple[Side, Side]  # height, width; one number stands for both
    scaling: str | dict[str, list[float]]
    labels: list[str | None] = Field(min_length=2)
    channels: Literal[1, 3] = 1
    layout: Literal["nhwc", "nchw"] | None = None  # found from the model's input where it is not stated
    outputs: Literal["logits", "probabilities"] | None = None

    @field_validator("input_size", mode="before")
    @classmethod
    def _square(cls, value: Any) -> Any:
        return (value, value) if isinstance(value, int) else value

    @field_validator("scaling", mode="before")
    @classmethod
    def _known_scaling(cls, value: Any) -> Any:
        if isinstance(value, str) and value in SCALINGS:
            return value
        if isinstance(value, dict) and set(value) == {"mean", "std"}:
            return {key: _numbers(key, numbers) for key, numbers in value.items()}
        raise ValueError(f"scaling must be {', '.join(SCALINGS)} or {{mean: …, std: …}}, not {value!r}")

    @field_validator("labels")
    @classmethod
    def _meanings(cls, value: list[str | None]) -> list[str | None]:
        meanings = [None if name is None else meaning(name) for name in value]
        named = [name for name in meanings if name is not None]
        twice = next((name for name in named if named.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"labels name '{twice}' twice")
        return meanings

    @model_validator(mode="after")
    def _one_for_each_channel(self) -> Preprocessing:
        lists = self.scaling if isinstance(self.scaling, dict) else {}
        for key, numbers in lists.items():
            if len(numbers) not in (1, self.channels):
                raise ValueError(f"scaling.{key} holds {len(numbers)} numbers, and channels is {self.channels}")
        return self

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """A batch (images, height, width) uint8 as the model wants it: (images, height, width, channels) float32."""
        height, width = self.input_size
        if images.shape[1:] != (height, width):
            cv2 = opencv()
            images = np.stack([cv2.resize(np.ascontiguousarray(image), (width, height)) for image in images])
        pixels = np.repeat(images[..., None].astype(np.float32), self.channels, axis=-1)
        if self.scaling == "none":
            return pixels
        pixels /= 255
        if self.scaling == "0..1":
            return pixels
        if self.scaling == "-1..1":
            return (pixels - 0.5) * 2
        mean, std = (np.array(self.scaling[key], np.float32) for key in ("mean", "std"))
        return (pixels - mean) / std


def read(path: Path) -> Preprocessing:
    """The preprocessing that a YAML file describes. UserError in one sentence for anything that is wrong with it."""
    if not path.is_file():
        raise UserError(f"There is no preprocessing file {path}.")
    content = keys_and_values(path, EXAMPLE)
    fields = Preprocessing.model_fields
    for key in content:
        if key not in fields:  # told first: it may be one of the missing ones, misspelt
            near = difflib.get_close_matches(str(key), fields, n=1) or sorted(fields)
            raise UserError(f"{path}: unknown key '{key}'. Did you mean {', '.join(near)}?")
    for key, field in fields.items():
        if field.is_required() and content.get(key) is None:
            raise UserError(f"{path}: {key} is missing{EMPTY.get(key, '')}.")
    try:
        return Preprocessing.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path}: {explain(error, Preprocessing)}") from None


def meaning(name: str) -> str:
    """The one name for an expression that has several; of another class its own, in small letters."""
    return canonical(name) or name.strip().lower()


def _numbers(key: str, value: Any) -> list[float]:
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if not numbers or not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
        raise ValueError(f"scaling.{key} must be a number, or one for each channel, not {value!r}")
    if not all((0 <= n <= 1) if key == "mean" else (0 < n <= 1) for n in numbers):
        raise ValueError(f"scaling.{key} is of pixels in 0 to 1, as in (x/255 - mean)/std, and cannot be {value!r}")
    return [float(n) for n in numbers]
