"""What is to be done with the images of a dataset, and how it is written into the dataset's name."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fer_bench.core.errors import UserError

MARK = "~"  # between a dataset's name and its preparation
DEFAULT_SIDE = 48

WORDS: dict[str, dict[str, Any]] = {
    "haar": {"detector": "haar"},
    "align": {"align": True},
    "histogram": {"equalise": "histogram"},
    "clahe": {"equalise": "clahe"},
    "drop": {"without_face": "drop"},
    "fail": {"without_face": "fail"},
    "cropped": {"cropped_too": True},
}
PATTERNS = {
    r"yunet@([0-9a-f]{8})": lambda digest: {"detector": "yunet", "yunet_digest": digest},
    r"margin(\d+(?:\.\d+)?)": lambda percent: {"margin": float(percent) / 100},
    r"side(\d+)": lambda side: {"side": int(side)},
}


class Preparation(BaseModel):
    """Find the face, align by the eyes, crop with a margin, equalise, resize to `side` pixels a side.

    margin: added on each side of the face, as a share of its width; without_face: what is done with an image in which
    none is found; cropped_too: also where the images are cropped to the face already. YuNet's model is a file of the
    user's; its digest stands for it in the name. Raises ValueError for what does not go together.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    detector: Literal["none", "haar", "yunet"] = "none"
    align: bool = False
    margin: float = Field(default=0.0, ge=0, le=1)
    equalise: Literal["none", "histogram", "clahe"] = "none"
    side: int = Field(default=DEFAULT_SIDE, ge=16, le=1024)
    without_face: Literal["keep", "drop", "fail"] = "keep"
    cropped_too: bool = False
    yunet_model: Path | None = Field(default=None, exclude=True)
    yunet_digest: str = Field(default="", pattern=r"^([0-9a-f]{8})?$")

    @field_validator("margin")
    @classmethod
    def _as_written(cls, value: float) -> float:
        """No finer than the name says it, so that the name gives the same pixels."""
        return round(value, 4)

    @model_validator(mode="before")
    @classmethod
    def _with_digest(cls, values: Any) -> Any:
        """The digest of the model file, where that is named."""
        if isinstance(values, dict) and values.get("yunet_model"):
            return values | {"yunet_digest": digest(Path(values["yunet_model"]))}
        return values

    @model_validator(mode="after")
    def _together(self) -> Preparation:
        needs = {
            "aligning": self.align,
            "a margin": self.margin,
            f"'{self.without_face}' without a face": self.without_face != "keep",
        }
        wanted = [what for what, given in needs.items() if given]
        if wanted and self.detector == "none":
            raise ValueError(f"{wanted[0]} needs a face detector: haar or yunet")
        if self.detector == "yunet" and not self.yunet_digest:
            raise ValueError("yunet needs its model file: name it with --yunet-model")
        if self.yunet_digest and self.detector != "yunet":
            raise ValueError("a YuNet model is of use to the detector yunet alone")
        if not self.words:
            raise ValueError("nothing is to be done: choose a face detector, an equalisation or a side")
        return self

    @property
    def words(self) -> list[str]:
        """All that departs from the images as they are, in the order in which it is done."""
        said = {
            self.detector if self.detector == "haar" else f"yunet@{self.yunet_digest}": self.detector != "none",
            "cropped": self.cropped_too,
            "align": self.align,
            f"margin{100 * self.margin:g}": self.margin,
            self.equalise: self.equalise != "none",
            f"side{self.side}": self.side != DEFAULT_SIDE,
            self.without_face: self.without_face != "keep",
        }
        return [word for word, holds in said.items() if holds]

    def __str__(self) -> str:
        """As it stands in a dataset's name after the mark: haar+align+margin20+clahe."""
        return "+".join(self.words)


def make(**fields: Any) -> Preparation:
    """A preparation from its fields. UserError in one sentence for what is wrong with them."""
    try:
        return Preparation(**fields)
    except ValidationError as error:
        raise UserError(f"The preparation is not possible: {_first(error)}.") from None


def parse(text: str) -> Preparation:
    """A preparation from the part of a dataset's name after the mark. UserError for a word that is none."""
    fields: dict[str, Any] = {}
    for word in text.split("+"):
        found = _meaning(word)
        if found is None:
            known = ", ".join([*WORDS, "yunet@DIGEST", "margin20", "side96"])
            raise UserError(f"'{word}' in the preparation '{text}' is unknown: its words are {known}.")
        if found.keys() & fields.keys():
            raise UserError(f"'{word}' in the preparation '{text}' contradicts a word before it.")
        fields |= found
    return make(**fields)


def split_name(name: str) -> tuple[str, Preparation | None]:
    """A dataset's name without its preparation, and that, None where there is none. UserError for unknown words."""
    base, mark, words = name.partition(MARK)
    return base, parse(words) if mark else None


def digest(file: Path) -> str:
    """The first 8 hexadecimal digits of a file's SHA-256. UserError where it cannot be read."""
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()[:8]
    except OSError as error:
        raise UserError(f"The YuNet model {file} cannot be read: {error.strerror or error}.") from None


def _meaning(word: str) -> dict[str, Any] | None:
    if word in WORDS:
        return WORDS[word]
    for pattern, meaning in PATTERNS.items():
        if match := re.fullmatch(pattern, word):
            return meaning(match[1])
    return None


def _first(error: ValidationError) -> str:
    """What pydantic complains of first, without its own words before it."""
    problem = error.errors()[0]
    message = problem["msg"].removeprefix("Value error, ")
    where = ".".join(str(part) for part in problem["loc"])
    return f"{where}: {message[0].lower()}{message[1:]}" if where else message
