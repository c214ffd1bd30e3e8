"""How a model is trained, as data: every field has a default, an architecture may depart from it, a user from both."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fer_bench.errors import UserError


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Optimizer(_Part):
    """AdamW, Adam or SGD with Nesterov momentum; weight decay spares biases and normalisation."""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)  # SGD alone
    clip_norm: float | None = Field(None, gt=0)  # of the whole gradient


class Schedule(_Part):
    """Learning rate over the steps: linear warm-up (a tenth of the run at most), then constant or cosine.

    The cosine ends at `final` × the peak.
    """

    name: Literal["cosine", "constant"] = "cosine"
    warmup_epochs: float = Field(1.0, ge=0)
    final: float = Field(0.01, ge=0, le=1)


class Augmentation(_Part):
    """One random affine map an image, edges repeated. All zero: none."""

    flip: float = Field(0.5, ge=0, le=1)  # probability of a left-right flip
    rotation: float = Field(10.0, ge=0, le=180)  # degrees, uniform in ±
    shift: float = Field(0.08, ge=0, le=0.5)  # of the side, uniform in ±, each axis
    zoom: float = Field(0.1, ge=0, lt=1)  # uniform in 1 ±


class Recipe(_Part):
    """How a model is trained."""

    initial_weights: Literal["auto", "imagenet", "random"] = "auto"
    input_size: int = Field(48, ge=32, le=512)  # pixels a side inside the model; images are resized to it there
    dropout: float = Field(0.3, ge=0, lt=1)  # before the classifier
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    augmentation: Augmentation = Augmentation()
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    epochs: int = Field(30, ge=1)
    patience: int | None = Field(10, ge=1)  # epochs without a better validation accuracy; None: never stop early
    batch_size: int = Field(64, ge=1)
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    test_views: Literal[1] = 1


class BuildRecipe(Recipe):
    """A recipe as an architecture's function sees it, with what the trainer knows."""

    classes: int
    weights_file: Path | None = None  # the backbone's initial weights; None: random ones


def resolve(*layers: Mapping[str, Any], where: str = "the recipe") -> Recipe:
    """The base recipe with each layer of overrides laid over the one before.

    Keys may be nested or dotted ("optimizer.learning_rate"). UserError names an unknown key or a bad value.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        _lay(merged, layer)
    try:
        return Recipe.model_validate(merged)
    except ValidationError as error:
        raise UserError(f"{where}: {explain(error)}") from None


def changes(recipe: Recipe, default: Recipe) -> dict[str, Any]:
    """What a recipe says differently from a default, with dotted keys."""
    ours, theirs = _flat(recipe.model_dump()), _flat(default.model_dump())
    return {key: value for key, value in ours.items() if value != theirs[key]}


def explain(error: ValidationError) -> str:
    """A validation error's first complaint as one sentence."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key '{key}'."
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    return f"{key} {message} (given: {first['input']!r})."


def _lay(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        head, _, rest = str(key).partition(".")
        if rest:
            value = {rest: value}
        if isinstance(value, Mapping):
            inner = under.setdefault(head, {})
            if isinstance(inner, dict):
                _lay(inner, value)
                continue
        under[head] = value


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value})
    return flat
