"""How an external model expects its images, read from a small YAML file. Does not import Keras."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_serializer, model_validator

from fer_bench.config.validation import validate
from fer_bench.config.yaml_file import load_yaml_mapping
from fer_bench.core.errors import UserError
from fer_bench.core.text import did_you_mean
from fer_bench.datasets.face_crop.apply import equalize
from fer_bench.datasets.face_crop.spec import parse_spec
from fer_bench.inference.preprocessing.labels import HOW_TO, parse_labels
from fer_bench.inference.preprocessing.resizing import center_crop, resize
from fer_bench.inference.preprocessing.scaling import Scaling, num_channels, parse_scaling, scale

EXAMPLE = "input_size: 48"
HINTS = {"scaling": " Write none if pixels stay in 0 to 255.", "labels": f" {HOW_TO}"}
INTERPOLATION_SYNONYMS = {"linear": "bilinear", "cubic": "bicubic", "lanczos4": "lanczos"}

ImageSize = Annotated[int, Field(ge=1, le=4096)]
SizePair = tuple[ImageSize, ImageSize]
Interpolation = Literal["nearest", "bilinear", "bicubic", "area", "lanczos", "antialias"]

# Later than the other keys: a trial whose file does not use them keeps its key.
ADDED_KEYS = ("color_mode", "equalize", "interpolation", "resize_size", "face_crop")


class Preprocessing(BaseModel):
    """What happens to images before the model, in this order, and what its outputs mean.

    Attributes:
        color_mode: grayscale; rgb or bgr reads the color of image files, in this order.
        equalize: Flattens the histogram of the image as it is read: none, histogram or clahe.
        resize_size: Height and width to resize to, of which the middle `input_size` is cropped. Default: `input_size`.
        interpolation: How to resize; area reduces by area averages and enlarges linearly; antialias is bilinear as
            Pillow and torchvision reduce. Default: bilinear as OpenCV; area for image files larger than the model.
        input_size: Height and width of the model's input in pixels; one number for square images.
        channels: 1, or 3: equal channels unless color is read.
        scaling: none keeps 0 to 255; 0..1 is x/255; -1..1 is (x/255 − 0.5)·2; min_max maps each image to 0..1;
            per_image subtracts its mean and divides by its deviation. {mean, std} is (x/255 − mean)/std, each a number,
            one number per channel or per_image; with range: 255 it is (x − mean)/std. tf, torch and caffe are the modes
            of keras.applications.
        layout: Default: derived from the model's input.
        labels: One label per output, in the order of the outputs, in any of the usual words; null for an output to
            ignore. Or the name of an order, such as fer2013.
        outputs: sigmoid means one probability per class, independent of the others, which are divided by their sum.
            Default: derived from the outputs.
        face_crop: How faces are found and cropped in photographs, as in a dataset's name, such as haar+align+margin20;
            `predict` uses it. Default: haar.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_size: SizePair
    scaling: Scaling
    labels: list[str | None] = Field(min_length=2)
    channels: Literal[1, 3] = 1
    layout: Literal["nhwc", "nchw"] | None = None
    outputs: Literal["logits", "probabilities", "sigmoid"] | None = None
    resize_size: SizePair | None = None
    interpolation: Interpolation | None = None
    equalize: Literal["none", "histogram", "clahe"] = "none"
    color_mode: Literal["grayscale", "rgb", "bgr"] = "grayscale"
    face_crop: str | None = None

    @field_validator("input_size", "resize_size", mode="before")
    @classmethod
    def _expand_square(cls, value: Any) -> Any:
        if isinstance(value, str) and value.strip().isdecimal():
            value = int(value)
        if isinstance(value, str | bool) or (isinstance(value, Sequence) and len(value) != 2):
            raise ValueError(f"a size must be one number or [height, width], not {value!r}")
        return (value, value) if isinstance(value, int | float) else value

    @field_validator("scaling", mode="before")
    @classmethod
    def _parse_scaling(cls, value: Any) -> Any:
        return parse_scaling(value)

    @field_validator("interpolation", mode="before")
    @classmethod
    def _use_one_name(cls, value: Any) -> Any:
        return INTERPOLATION_SYNONYMS.get(value, value) if isinstance(value, str) else value

    @field_validator("labels", mode="before")
    @classmethod
    def _parse_labels(cls, value: Any) -> list[str | None]:
        return parse_labels(value)

    @field_validator("face_crop")
    @classmethod
    def _check_face_crop(cls, value: str | None) -> str | None:
        if value:
            try:
                parse_spec(value)
            except UserError as error:
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _check_combination(self) -> Preprocessing:
        if self.color_mode != "grayscale" and self.channels == 1:
            raise ValueError(f"color_mode: {self.color_mode} requires channels: 3")
        if self.color_mode != "grayscale" and self.equalize != "none":
            raise ValueError(f"equalize: {self.equalize} requires color_mode: grayscale")
        if self.scaling == "caffe" and self.color_mode == "rgb":
            raise ValueError("scaling: caffe is for color_mode: bgr, not rgb")
        if (given := num_channels(self.scaling)) and given[1] != self.channels:
            key = self.scaling if isinstance(self.scaling, str) else f"scaling.{given[0]}"
            raise ValueError(f"{key} has {given[1]} numbers, but channels is {self.channels}")
        if self.resize_size and any(a < b for a, b in zip(self.resize_size, self.input_size, strict=True)):
            raise ValueError("resize_size is smaller than input_size, which is cropped from it")
        return self

    @model_serializer(mode="wrap")
    def _omit_unused_keys(self, serialize: Any) -> dict[str, Any]:
        fields = type(self).model_fields
        dumped = serialize(self)
        return {k: v for k, v in dumped.items() if k not in ADDED_KEYS or getattr(self, k) != fields[k].default}

    @property
    def read_size(self) -> SizePair:
        """Height and width to which images are resized before the crop."""
        return self.resize_size or self.input_size

    def __call__(self, images: np.ndarray | Sequence[np.ndarray]) -> np.ndarray:
        """Return a batch (images, height, width, channels) float32.

        `images` are uint8, (images, height, width), or any sequence of images (height, width) or, if color is read,
        (height, width, 3) in the order of `color_mode`.
        """
        if isinstance(images, np.ndarray):
            ready = np.stack([self._fit(image) for image in images])
        else:  # each is read when it is accessed
            with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
                ready = np.stack([*threads.map(lambda index: self._fit(images[index]), range(len(images)))])
        pixels = ready if ready.ndim == 4 else np.repeat(ready[..., None], self.channels, axis=-1)
        return scale(pixels.astype(np.float32), self.scaling)

    def _fit(self, image: np.ndarray) -> np.ndarray:
        """Equalize, resize and crop one image."""
        equalized = equalize(np.ascontiguousarray(image), self.equalize)
        return center_crop(resize(equalized, *self.read_size, self.interpolation or "bilinear"), *self.input_size)


def read_preprocessing(path: Path) -> Preprocessing:
    """Read a YAML file. UserError with one sentence if it is missing or invalid."""
    if not path.is_file():
        raise UserError(f"The preprocessing file {path} {'is a folder' if path.is_dir() else 'does not exist'}.")
    content = load_yaml_mapping(path, EXAMPLE)
    fields = Preprocessing.model_fields
    for key in content:
        if key not in fields:  # checked first, since it may be a misspelled required key
            raise UserError(f"{path}: unknown key '{key}'. {did_you_mean(str(key), fields)}")
    for key, field in fields.items():
        if field.is_required() and content.get(key) is None:
            raise UserError(f"{path}: {key} is missing.{HINTS.get(key, '')}")
    return validate(Preprocessing, content, path)
