"""How a model is trained, as data: every field has a default, an architecture may depart from it, a user from both."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from fer_bench.core.errors import UserError

Blocks = Literal["all"] | Annotated[int, Field(ge=0)]
Start = Annotated[float, Field(ge=0)]  # an epoch from 1 on, or below 1 a part of the run


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Backbone(_Section):
    """Which blocks of a pretrained backbone are trained, and how fast; what stands behind it always is.

    `trainable_blocks` counts from the last block: 0 is a frozen backbone, "all" full fine-tuning, and
    [[0, 0], [0.3, 2], [0.6, all]] gradual unfreezing (Howard & Ruder, ACL 2018): pairs of when and how many.
    A frozen block's batch normalisation stays in inference mode.
    """

    trainable_blocks: Blocks | tuple[tuple[Start, Blocks], ...] = "all"
    learning_rate_factor: float = Field(1.0, gt=0, le=10)  # the backbone's learning rate over the head's
    # Of how many augmented views of each training image a wholly frozen backbone computes the features once, for all
    # epochs; None: what `specification.cached_augmentations` says, 0: anew in every step.
    cached_augmentations: int | None = Field(None, ge=0)

    @field_validator("trainable_blocks", mode="before")
    @classmethod
    def _check_type(cls, value: Any) -> Any:
        if value == "all" or isinstance(value, int | list | tuple):
            return value
        raise ValueError("trainable_blocks must be 'all', a number, or pairs such as [[0, 0], [0.3, 2], [0.6, all]]")

    @model_validator(mode="after")
    def _check_stages(self) -> Backbone:
        if isinstance(self.trainable_blocks, tuple):
            if not self.trainable_blocks or self.trainable_blocks[0][0] not in (0, 1):
                raise ValueError("trainable_blocks must say what is trained at the start: its first pair is at 0")
            if any(_num_blocks(a[1]) >= _num_blocks(b[1]) for a, b in itertools.pairwise(self.trainable_blocks)):
                raise ValueError("trainable_blocks must grow from pair to pair")
        return self

    @property
    def freezes(self) -> bool:
        """Whether any block is frozen at any time."""
        return self.trainable_blocks != "all"

    def stages(self, epochs: int) -> dict[int, Blocks]:
        """First epoch of each stage → trained blocks, over a run of that many epochs."""
        if not isinstance(self.trainable_blocks, tuple):
            return {1: self.trainable_blocks}
        return {_start_epoch(when, epochs): blocks for when, blocks in self.trainable_blocks}


class Optimizer(_Section):
    """AdamW, Adam or SGD; weight decay spares biases and normalisation."""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)  # SGD alone
    nesterov: bool = True  # SGD alone
    clip_norm: float | None = Field(None, gt=0)  # of the whole gradient
    clip_value: float | None = Field(None, gt=0)  # of each of its elements
    ema: float | None = Field(None, gt=0, lt=1)  # validate and predict with this moving average of the weights

    @model_validator(mode="after")
    def _check_clipping(self) -> Optimizer:
        if self.clip_norm and self.clip_value:
            raise ValueError("clip_norm and clip_value exclude each other")
        return self


class Schedule(_Section):
    """Learning rate over the steps: linear warm-up (a tenth of the run at most), then one of four.

    cosine ends at `final` × the peak. step multiplies by `factor` `every` so many epochs, after epoch `start`.
    plateau multiplies by `factor` after `patience` epochs without a better validation accuracy, down to `final` × the
    peak. constant stays.
    """

    name: Literal["cosine", "step", "plateau", "constant"] = "cosine"
    warmup_epochs: float = Field(1.0, ge=0)
    final_lr_ratio: float = Field(0.01, ge=0, le=1)
    factor: float = Field(0.1, gt=0, lt=1)
    start: int = Field(0, ge=0)
    every: int = Field(10, ge=1)
    patience: int = Field(5, ge=1)


class Augmentation(_Section):
    """What is done to the training images, anew in every epoch. All zero: nothing.

    One affine map an image with repeated edges, then light, erasing, mixing. A policy's name stands for all fields.
    """

    flip: float = Field(0.5, ge=0, le=1)  # probability of a left-right flip
    rotation: float = Field(10.0, ge=0, le=180)  # degrees, uniform in ±
    shift: float = Field(0.08, ge=0, le=0.5)  # of the side, uniform in ±, each axis
    zoom: float = Field(0.1, ge=0, lt=1)  # uniform in 1 ±
    resized_crop: float = Field(0.0, ge=0, lt=1)  # a random part of the image, of its area at least 1 - this, enlarged
    brightness: float = Field(0.0, ge=0, le=1)  # added, of the range of 255, uniform in ±
    contrast: float = Field(0.0, ge=0, lt=1)  # factor about the image's mean, uniform in 1 ±
    random_erasing: float = Field(0.0, ge=0, le=1)  # probability of a rectangle of noise, 2 to 20 % of the image
    mixup: float = Field(0.0, ge=0)  # α of Zhang et al., ICLR 2018; 0: none
    cutmix: float = Field(0.0, ge=0)  # α of Yun et al., ICCV 2019; with mixup, each batch takes one of the two
    imgaug: str = ""  # a policy of the imgaug library, in place of all above but mixup and cutmix

    @model_validator(mode="before")
    @classmethod
    def _expand_policy(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"policy": value}
        if isinstance(value, Mapping) and "policy" in value:
            value = {**_policy_fields(str(value["policy"])), **{k: v for k, v in value.items() if k != "policy"}}
        return value


NO_AUGMENTATION: dict[str, Any] = {"flip": 0, "rotation": 0, "shift": 0, "zoom": 0}
POLICIES: dict[str, dict[str, Any]] = {
    "none": NO_AUGMENTATION,
    "light": {"rotation": 0, "shift": 0.05, "zoom": 0},
    "standard": {},
    "strong": {  # with shift 0.1 and resized_crop 0.35, a quarter of tightly cut faces lose a part of the mouth
        "rotation": 15,
        "shift": 0.05,
        "resized_crop": 0.25,
        "brightness": 0.15,
        "contrast": 0.3,
        "random_erasing": 0.3,
    },
}
IMGAUG_POLICIES = ("light", "standard", "strong", "randaugment")


def _tta_as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) else value


class Recipe(_Section):
    """How a model is trained."""

    initial_weights: Literal["auto", "imagenet", "random"] = "auto"
    backbone: Backbone = Backbone()
    crop: int | None = Field(None, ge=8)  # pixels a side, cut at random in training, from the middle in prediction
    input_size: int = Field(48, ge=8, le=512)  # pixels a side inside the model; images are resized to it there
    dropout: float = Field(0.3, ge=0, lt=1)  # before the classifier
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    l1: float = Field(0.0, ge=0)  # penalties on all kernels, in the loss
    l2: float = Field(0.0, ge=0)
    augmentation: Augmentation = Augmentation()
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    focal_gamma: float = Field(2.0, ge=0)  # of Lin et al., ICCV 2017
    label_smoothing: float = Field(0.0, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] = "none"  # balanced: images / (classes × images of the class)
    sampling: Literal["shuffled", "balanced"] = "shuffled"  # balanced: every class equally often in an epoch
    soft_labels: bool = False  # train on the dataset's label distributions
    epochs: int = Field(30, ge=1)
    patience: int | None = Field(10, ge=1)  # epochs without a better validation accuracy; None: never stop early
    batch_size: int = Field(64, ge=1)
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    # halve: a trial that ran out of memory is tried once more with half a batch at a time, their gradients as one step.
    out_of_memory: Literal["fail", "halve"] = "fail"
    tta: Annotated[Literal["1", "flip", "ten-crop"], BeforeValidator(_tta_as_text)] = "1"

    @model_validator(mode="after")
    def _check_combination(self) -> Recipe:
        if self.tta == "ten-crop" and self.crop is None:
            raise ValueError("tta 'ten-crop' needs a crop, such as 44")
        if self.backbone.freezes and self.initial_weights == "random":
            raise ValueError("backbone.trainable_blocks freezes what initial_weights leaves random")
        if self.class_weights == "balanced" and self.sampling == "balanced":
            raise ValueError("class_weights and sampling would both correct the imbalance of the classes: choose one")
        stages = self.backbone.stages(self.epochs)
        pairs = self.backbone.trainable_blocks
        if max(stages) > self.epochs or (isinstance(pairs, tuple) and len(stages) < len(pairs)):
            raise ValueError(f"backbone.trainable_blocks has more stages than {self.epochs} epochs have room for")
        if list(stages) != sorted(stages):
            raise ValueError("backbone.trainable_blocks is not in the order of time")
        return self


class BuildRecipe(Recipe):
    """A recipe as an architecture's function sees it, with what the trainer knows."""

    classes: int
    weights_file: Path | None = None  # the backbone's initial weights; None: random ones


def resolve(*layers: Mapping[str, Any], source: str = "the recipe") -> Recipe:
    """The base recipe with each layer of overrides laid over the one before.

    Keys may be nested or dotted ("optimizer.learning_rate"); an augmentation may be a policy's name. UserError names
    an unknown key with its nearest, a bad value, or a combination that is impossible.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merge_into(merged, layer)
    try:
        return Recipe.model_validate(merged)
    except ValidationError as error:
        raise UserError(f"{source}: {format_validation_error(error, Recipe)}") from None


def diff(recipe: Recipe, default: Recipe) -> dict[str, Any]:
    """What a recipe says differently from a default, with dotted keys."""
    ours, theirs = _flat(recipe.model_dump()), _flat(default.model_dump())
    return {key: value for key, value in ours.items() if value != theirs[key]}


def format_validation_error(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """A validation error's first complaint as one sentence; with `model`, the nearest key for an unknown one."""
    first = error.errors()[0]
    place = [part for part in first["loc"] if isinstance(part, str)]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(key, _key_names(model), n=1) if model else []
        return f"unknown key '{key}'." + (f" Did you mean '{near[0]}'?" if near else "")
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if first["type"] == "value_error":
        said = message if not place or place[-1] in message else f"{key}: {message}"
        return said if said.endswith("?") else f"{said}."
    return f"{key} {message} (given: {first['input']!r})."


def _key_names(model: type[BaseModel]) -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        keys.append(name)
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            keys.extend(f"{name}.{key}" for key in _key_names(inner))
    return keys


def _policy_fields(name: str) -> dict[str, Any]:
    library, _, policy = name.rpartition(":")
    if library == "imgaug" and policy in IMGAUG_POLICIES:
        return {**NO_AUGMENTATION, "imgaug": policy}
    if library or name not in POLICIES:
        known = [*POLICIES, *(f"imgaug:{policy}" for policy in IMGAUG_POLICIES)]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are {', '.join(known)}"
        raise ValueError(f"unknown policy '{name}': {hint}")
    return POLICIES[name]


def _start_epoch(when: float, epochs: int) -> int:
    return int(when) if when >= 1 else 1 + round(when * epochs)


def _num_blocks(blocks: Blocks) -> float:
    return float("inf") if blocks == "all" else blocks


def merge_into(under: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        head, _, rest = str(key).partition(".")
        if rest:
            value = {rest: value}
        if head == "augmentation" and isinstance(value, str):
            value = {"policy": value}
        if isinstance(value, Mapping):
            if "policy" in value:  # stands for all fields: nothing of the layers below is left
                under.pop(head, None)
            inner = under.setdefault(head, {})
            if isinstance(inner, dict):
                merge_into(inner, value)
                continue
        under[head] = value


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat.update(_flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value})
    return flat
