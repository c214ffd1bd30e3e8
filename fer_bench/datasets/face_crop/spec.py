"""The options of a face crop, and how they are written into the name of a dataset."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fer_bench.core.errors import UserError
from fer_bench.datasets.class_selection import split_classes
from fer_bench.datasets.registry import DATASETS

SEPARATOR = "~"  # between a dataset's name and its face crop
DEFAULT_IMAGE_SIZE = 48

NAME_PARTS: dict[str, dict[str, Any]] = {
    "haar": {"detector": "haar"},
    "align": {"align": True},
    "histogram": {"equalize": "histogram"},
    "clahe": {"equalize": "clahe"},
    "drop": {"on_missing_face": "drop"},
    "fail": {"on_missing_face": "fail"},
    "cropped": {"allow_cropped": True},
}
NAME_PATTERNS = {
    r"yunet@([0-9a-f]{8})": lambda digest: {"detector": "yunet", "yunet_digest": digest},
    r"margin(\d+(?:\.\d+)?)": lambda percent: {"margin": float(percent) / 100},
    r"side(\d+)": lambda size: {"image_size": int(size)},
}


class FaceCropSpec(BaseModel):
    """The options of a face crop, in the order in which they are applied.

    Attributes:
        detector: Finds the face.
        align: Whether the face is rotated and scaled so that the eyes have fixed positions.
        margin: Added on each side of the face, as a fraction of its width.
        equalize: How the histogram is flattened.
        image_size: Height and width of the result in pixels.
        on_missing_face: What happens to an image without a face: its middle square is kept, it is dropped, or the
            crop fails.
        allow_cropped: Whether faces are also searched in images that are cropped to the face already.
        yunet_model: YuNet's model file.
        yunet_digest: Represents the model file in the name.

    Raises:
        ValueError: The options contradict each other.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: Literal["none", "haar", "yunet"] = "none"
    align: bool = False
    margin: float = Field(default=0.0, ge=0, le=1)
    equalize: Literal["none", "histogram", "clahe"] = "none"
    image_size: int = Field(default=DEFAULT_IMAGE_SIZE, ge=16, le=1024)
    on_missing_face: Literal["keep", "drop", "fail"] = "keep"
    allow_cropped: bool = False
    yunet_model: Path | None = Field(default=None, exclude=True)
    yunet_digest: str = Field(default="", pattern=r"^([0-9a-f]{8})?$")

    @field_validator("margin")
    @classmethod
    def _round_margin(cls, value: float) -> float:
        """Round to the digits in the name, so that the name gives the same pixels."""
        return round(value, 4)

    @model_validator(mode="before")
    @classmethod
    def _add_digest(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("yunet_model"):
            return values | {"yunet_digest": file_digest(Path(values["yunet_model"]))}
        return values

    @model_validator(mode="after")
    def _check_combination(self) -> FaceCropSpec:
        needs_detector = {
            "aligning": self.align,
            "a margin": self.margin,
            f"'{self.on_missing_face}' for missing faces": self.on_missing_face != "keep",
        }
        requested = [option for option, is_set in needs_detector.items() if is_set]
        if requested and self.detector == "none":
            raise ValueError(f"{requested[0]} needs a face detector: haar or yunet")
        if self.detector == "yunet" and not self.yunet_digest:
            raise ValueError("yunet needs its model file: name it with --yunet-model")
        if self.yunet_digest and self.detector != "yunet":
            raise ValueError("a YuNet model is only used by the detector yunet")
        if not self.name_parts:
            raise ValueError("no option changes the images: choose a detector, an equalization or an image size")
        return self

    @property
    def name_parts(self) -> list[str]:
        """The options that differ from the defaults, in the order in which they are applied."""
        parts = {
            self.detector if self.detector == "haar" else f"yunet@{self.yunet_digest}": self.detector != "none",
            "cropped": self.allow_cropped,
            "align": self.align,
            f"margin{100 * self.margin:g}": self.margin,
            self.equalize: self.equalize != "none",
            f"side{self.image_size}": self.image_size != DEFAULT_IMAGE_SIZE,
            self.on_missing_face: self.on_missing_face != "keep",
        }
        return [part for part, is_set in parts.items() if is_set]

    def __str__(self) -> str:
        """Return the text after the separator in a dataset's name: haar+align+margin20+clahe."""
        return "+".join(self.name_parts)


def make_spec(**fields: Any) -> FaceCropSpec:
    """Return a specification from its fields. Raise UserError with the first problem."""
    try:
        return FaceCropSpec(**fields)
    except ValidationError as error:
        raise UserError(f"The face crop is not possible: {_first_problem(error)}.") from None


def parse_spec(text: str) -> FaceCropSpec:
    """Return the specification in a dataset's name, after the separator. Raise UserError for an unknown part."""
    fields: dict[str, Any] = {}
    for part in text.split("+"):
        parsed = _parse_part(part)
        if parsed is None:
            known = ", ".join([*NAME_PARTS, "yunet@DIGEST", "margin20", "side96"])
            raise UserError(f"'{part}' in the face crop '{text}' is unknown. Choose from: {known}.")
        if parsed.keys() & fields.keys():
            raise UserError(f"'{part}' in the face crop '{text}' contradicts an earlier part.")
        fields |= parsed
    return make_spec(**fields)


def split_name(name: str) -> tuple[str, FaceCropSpec | None]:
    """Return a dataset's name without the face crop and classes, and the face crop.

    Raise UserError for an unknown part.
    """
    base, separator, text = split_classes(name)[0].partition(SEPARATOR)
    return DATASETS.spelling(base), parse_spec(text) if separator else None


def spelling(name: str) -> str:
    """Return a dataset's name as it is registered, with the face crop if there is one; an unknown name unchanged."""
    base, separator, text = name.partition(SEPARATOR)
    return f"{DATASETS.spelling(base.strip())}{separator}{text}"


def file_digest(file: Path) -> str:
    """Return the first 8 hexadecimal digits of a file's SHA-256. Raise UserError if it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    except OSError as error:
        raise UserError(f"The YuNet model {file} cannot be read: {error.strerror or error}.") from None


def _parse_part(part: str) -> dict[str, Any] | None:
    if part in NAME_PARTS:
        return NAME_PARTS[part]
    for pattern, to_fields in NAME_PATTERNS.items():
        if match := re.fullmatch(pattern, part):
            return to_fields(match[1])
    return None


def _first_problem(error: ValidationError) -> str:
    """Return the first problem, without pydantic's prefix."""
    problem = error.errors()[0]
    message = problem["msg"].removeprefix("Value error, ")
    field = ".".join(str(key) for key in problem["loc"])
    return f"{field}: {message[0].lower()}{message[1:]}" if field else message
