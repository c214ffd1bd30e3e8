"""The recipe: how a model is trained, as data. Architectures, named recipes and users override its defaults."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from fer_bench.config.stages import Start, check_stages, first_epochs, is_list_of_pairs, last_value, value_at
from fer_bench.config.validation import validate
from fer_bench.core.text import did_you_mean, flatten

Blocks = Literal["all"] | Annotated[int, Field(ge=0)]
InputSize = Annotated[int, Field(ge=8, le=512)]


class Stage(NamedTuple):
    """What changes from one stage of training to the next; see `Backbone` and `Recipe.input_size`."""

    trainable_blocks: Blocks
    input_size: int


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Backbone(_Section):
    """Which blocks of a pretrained backbone are trained, and how fast. The layers behind it are always trained.

    `trainable_blocks` counts from the last block: 0 freezes the backbone, "all" fine-tunes it, and pairs of start and
    number, such as [[0, 0], [0.3, 2], [0.6, all]], unfreeze it gradually (Howard & Ruder, ACL 2018). The batch
    normalization of a frozen block stays in inference mode.
    """

    trainable_blocks: Blocks | tuple[tuple[Start, Blocks], ...] = "all"
    learning_rate_factor: float = Field(1.0, gt=0, le=10)  # the backbone's learning rate divided by the head's
    # For how many augmentations of each training image the features of a fully frozen backbone are computed once and
    # reused in all epochs. null: see `canonical.num_cached_augmentations`. 0: computed in every step.
    cached_augmentations: int | None = Field(None, ge=0)

    @field_validator("trainable_blocks", mode="before")
    @classmethod
    def _check_type(cls, value: Any) -> Any:
        if value == "all" or isinstance(value, int) or is_list_of_pairs(value):
            return value
        raise ValueError("trainable_blocks must be 'all', a number, or pairs such as [[0, 0], [0.3, 2], [0.6, all]]")

    @model_validator(mode="after")
    def _check_stages(self) -> Backbone:
        pairs = self.trainable_blocks if isinstance(self.trainable_blocks, tuple) else ()
        if any(_num_blocks(a[1]) >= _num_blocks(b[1]) for a, b in itertools.pairwise(pairs)):
            raise ValueError("trainable_blocks must grow from pair to pair")
        return self

    @property
    def freezes(self) -> bool:
        """Whether any block is frozen in any epoch."""
        return self.trainable_blocks != "all"

    def stages(self, epochs: int) -> dict[int, Blocks]:
        """Return the first epoch of each stage and its trainable blocks, for a run of `epochs` epochs."""
        return first_epochs(self.trainable_blocks, epochs)


class Pretraining(_Section):
    """What a model starts from: its training on another dataset, or a .keras file of the same architecture.

    All weights are taken over except those of the classifier, which is new. With a dataset, a sweep first trains each
    architecture once per seed, with `recipe` and the target recipe's `initial_weights` and `precision`.
    """

    dataset: str | None = None  # trained first
    protocol: str = "official"  # with one fold
    recipe: str = "default"  # a named recipe or a YAML file
    model_file: str | None = None  # instead of a dataset

    @model_validator(mode="after")
    def _check_source(self) -> Pretraining:
        if (self.dataset is None) == (self.model_file is None):
            raise ValueError("pretraining needs a dataset, such as {dataset: fer2013}, or a model_file, and not both")
        if self.model_file and (self.protocol, self.recipe) != ("official", "default"):
            raise ValueError("pretraining with a model_file takes neither protocol nor recipe: it is trained already")
        return self


class Optimizer(_Section):
    """AdamW, Adam, SGD, schedule-free AdamW or Muon. Biases and normalization layers have no weight decay.

    schedule_free_adamw averages the weights instead of lowering the learning rate, so that the constant schedule fits.
    muon makes orthogonal steps for the kernels of convolutions and dense layers, and those of AdamW for other weights.
    """

    name: Literal["adamw", "adam", "sgd", "schedule_free_adamw", "muon"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)  # the peak of the schedule
    weight_decay: float = Field(1e-4, ge=0)  # decoupled from the gradient
    momentum: float = Field(0.9, ge=0, lt=1)  # SGD and Muon only
    nesterov: bool = True  # SGD and Muon only
    clip_norm: float | None = Field(None, gt=0)  # of the whole gradient
    clip_value: float | None = Field(None, gt=0)  # of each element of the gradient
    # The learning rate of the biases of normalization layers (beta), divided by that of the other weights.
    norm_bias_lr_factor: float = Field(1.0, gt=0, le=100)
    ema: float | None = Field(None, gt=0, lt=1)  # validate and predict with this moving average of the weights

    @model_validator(mode="after")
    def _check_combination(self) -> Optimizer:
        if self.clip_norm and self.clip_value:
            raise ValueError("clip_norm and clip_value exclude each other")
        if self.ema and self.name == "schedule_free_adamw":
            raise ValueError("schedule_free_adamw averages the weights itself: remove ema")
        return self


class Schedule(_Section):
    """Learning rate over the steps: linear warm-up, over at most a tenth of the run, then one of the schedules.

    - cosine: decays to `final_lr_ratio` × the peak.
    - linear: decays linearly to `final_lr_ratio` × the peak.
    - one_cycle: as linear, with a warm-up over `warmup_fraction` of the run (Smith & Topin, arXiv 2017).
    - step: is multiplied by `factor` every `every` epochs after epoch `start`.
    - plateau: is multiplied by `factor` after `patience` epochs without a better validation accuracy, and is never
      less than `final_lr_ratio` × the peak.
    - constant: stays at the peak.
    """

    name: Literal["cosine", "linear", "one_cycle", "step", "plateau", "constant"] = "cosine"
    warmup_epochs: float = Field(1.0, ge=0)
    warmup_fraction: float = Field(0.2, ge=0, lt=1)  # of all steps; one_cycle only, instead of warmup_epochs
    final_lr_ratio: float = Field(0.01, ge=0, le=1)
    factor: float = Field(0.1, gt=0, lt=1)
    start: int = Field(0, ge=0)
    every: int = Field(10, ge=1)
    patience: int = Field(5, ge=1)


class Augmentation(_Section):
    """Random changes of the training images, drawn again in every epoch. If all fields are zero, nothing changes.

    Each image undergoes one affine map with repeated edges, then brightness and contrast, random erasing and mixing.
    The name of a policy sets all fields.
    """

    # Probability of a left-right flip. "alternating": each image is flipped in every second epoch, half of the images
    # in the odd ones (Jordan, arXiv 2024).
    flip: float | Literal["alternating"] = 0.5
    rotation: float = Field(10.0, ge=0, le=180)  # degrees, uniform in ±
    shift: float = Field(0.08, ge=0, le=0.5)  # fraction of the side, uniform in ±, per axis
    zoom: float = Field(0.1, ge=0, lt=1)  # uniform in 1 ±
    resized_crop: float = Field(0.0, ge=0, lt=1)  # a random crop of at least 1 - this of the area, enlarged
    brightness: float = Field(0.0, ge=0, le=1)  # added fraction of 255, uniform in ±
    contrast: float = Field(0.0, ge=0, lt=1)  # factor around the image's mean, uniform in 1 ±
    random_erasing: float = Field(0.0, ge=0, le=1)  # probability of a rectangle of noise, 2 to 20 % of the image
    mixup: float = Field(0.0, ge=0)  # alpha of Zhang et al., ICLR 2018; 0 disables it
    cutmix: float = Field(0.0, ge=0)  # alpha of Yun et al., ICCV 2019; with mixup, each batch uses one of the two
    imgaug: str = ""  # a policy of the imgaug library, which replaces all fields above except mixup and cutmix

    @model_validator(mode="before")
    @classmethod
    def _expand_policy(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"policy": value}
        if isinstance(value, Mapping) and "policy" in value:
            name = str(value["policy"])
            if name not in POLICIES:
                raise ValueError(f"unknown policy '{name}'. {did_you_mean(name, POLICIES)}")
            value = POLICIES[name] | {key: field for key, field in value.items() if key != "policy"}
        return value

    @field_validator("flip", mode="before")
    @classmethod
    def _check_flip(cls, value: Any) -> Any:
        if value == "alternating" or (isinstance(value, int | float) and 0 <= value <= 1):
            return value
        raise ValueError(f"flip must be a probability from 0 to 1, or 'alternating' (given: {value!r})")

    @model_validator(mode="after")
    def _check_imgaug(self) -> Augmentation:
        if self.imgaug and self.flip == "alternating":
            raise ValueError(f"imgaug:{self.imgaug} flips images itself: remove flip 'alternating'")
        return self

    @property
    def flip_probability(self) -> float:
        """The probability of a flip that does not depend on the epoch."""
        return 0.0 if self.flip == "alternating" else self.flip


NO_AUGMENTATION: dict[str, Any] = {"flip": 0, "rotation": 0, "shift": 0, "zoom": 0}
IMGAUG_POLICIES = ("light", "standard", "strong", "randaugment")
POLICIES: dict[str, dict[str, Any]] = {
    "none": NO_AUGMENTATION,
    "light": {"rotation": 0, "shift": 0.05, "zoom": 0},
    "standard": {},
    "strong": {  # with shift 0.1 and resized_crop 0.35, a quarter of tightly cropped faces lose a part of the mouth
        "rotation": 15,
        "shift": 0.05,
        "resized_crop": 0.25,
        "brightness": 0.15,
        "contrast": 0.3,
        "random_erasing": 0.3,
    },
    **{f"imgaug:{policy}": {**NO_AUGMENTATION, "imgaug": policy} for policy in IMGAUG_POLICIES},
}


class Recipe(_Section):
    """How a model is trained."""

    initial_weights: Literal["auto", "imagenet", "random"] = "auto"  # auto: imagenet if they can be found, else random
    pretraining: Pretraining | None = None
    backbone: Backbone = Backbone()
    crop: int | None = Field(None, ge=8)  # pixels per side; at random in training, at the center in prediction
    # Pixels per side inside the model, which resizes images to it. Pairs of start and size, such as
    # [[0, 24], [0.4, 32], [0.8, 48]], train at several sizes, of which the last one is that of the trained model.
    input_size: InputSize | tuple[tuple[Start, InputSize], ...] = 48
    dropout: float = Field(0.3, ge=0, lt=1)  # before the classifier
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    l1: float = Field(0.0, ge=0)  # penalties of all kernels, added to the loss
    l2: float = Field(0.0, ge=0)  # as l1
    augmentation: Augmentation = Augmentation()
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"  # categorical
    focal_gamma: float = Field(2.0, ge=0)  # of Lin et al., ICCV 2017
    label_smoothing: float = Field(0.0, ge=0, lt=1)  # share of the label that is spread over all classes
    class_weights: Literal["none", "balanced"] = "none"  # balanced: images / (classes × images of the class)
    sampling: Literal["shuffled", "balanced"] = "shuffled"  # balanced: every class equally often per epoch
    soft_labels: bool = False  # train on the dataset's label distributions
    epochs: int = Field(30, ge=1)  # at most
    patience: int | None = Field(10, ge=1)  # epochs without a better validation accuracy; null: no early stopping
    batch_size: int = Field(64, ge=1)  # images per step
    # auto: mixed_bfloat16 if a few steps on this machine are at least 1.1 times as fast with it, else float32.
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16", "auto"] = "float32"
    # On TensorFlow: single operations for what Keras computes with many; equal to rounding. False: those of Keras.
    fast_operations: bool = True
    # halve: after running out of memory, retry once with two half batches per step, whose gradients are summed.
    out_of_memory: Literal["fail", "halve"] = "fail"
    tta: Literal["1", "flip", "ten-crop"] = "1"  # views per test image

    @field_validator("tta", mode="before")
    @classmethod
    def _convert_number(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) else value

    @field_validator("input_size", mode="before")
    @classmethod
    def _check_input_size(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and not is_list_of_pairs(value):
            raise ValueError("input_size must be a number, or pairs such as [[0, 24], [0.4, 32], [0.8, 48]]")
        return value

    @model_validator(mode="after")
    def _check_combination(self) -> Recipe:
        if self.tta == "ten-crop" and self.crop is None:
            raise ValueError("tta 'ten-crop' needs a crop, such as 44")
        if self.backbone.freezes and self.initial_weights == "random" and self.pretraining is None:
            raise ValueError("backbone.trainable_blocks would freeze random weights: change initial_weights")
        if self.class_weights == "balanced" and self.sampling == "balanced":
            raise ValueError("class_weights and sampling both correct the class imbalance: choose one")
        check_stages("backbone.trainable_blocks", self.backbone.trainable_blocks, self.epochs)
        check_stages("input_size", self.input_size, self.epochs)
        return self

    @property
    def input_sizes(self) -> list[int]:
        """The input sizes, without repetition, in the order of their stages."""
        return list(dict.fromkeys(first_epochs(self.input_size, self.epochs).values()))

    @property
    def final_input_size(self) -> int:
        """The input size of the last stage, which is that of the trained model."""
        size: int = last_value(self.input_size)
        return size

    @property
    def final_size_epoch(self) -> int:
        """The first epoch at the final input size. Only from this epoch on an epoch can be the best."""
        return max(first_epochs(self.input_size, self.epochs))

    @property
    def stages(self) -> dict[int, Stage]:
        """The first epoch of each stage. A stage begins when the trainable blocks or the input size change."""
        blocks, sizes = self.backbone.stages(self.epochs), first_epochs(self.input_size, self.epochs)
        return {epoch: Stage(value_at(blocks, epoch), value_at(sizes, epoch)) for epoch in sorted({*blocks, *sizes})}


class BuildRecipe(Recipe):
    """The recipe that an architecture's function receives, with what only the trainer knows."""

    input_size: int
    classes: int
    weights_file: Path | None = None  # initial weights of the backbone; None: random


def resolve(*layers: Mapping[str, Any], source: str = "the recipe") -> Recipe:
    """Return the base recipe with layers of overrides. Later layers override earlier ones.

    Keys may be nested or dotted ("optimizer.learning_rate"), and an augmentation may be the name of a policy. Raise
    UserError, which names the source of the overrides, for an unknown key, an invalid value or an impossible
    combination.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        merge_into(merged, layer)
    return validate(Recipe, merged, source)


def diff(recipe: Recipe, default: Recipe) -> dict[str, Any]:
    """Return the values that differ from a default, with dotted keys."""
    ours, theirs = flatten(recipe.model_dump()), flatten(default.model_dump())
    return {key: value for key, value in ours.items() if key not in theirs or value != theirs[key]}


def merge_into(base: dict[str, Any], overrides: Mapping[str, Any]) -> None:
    """Merge nested or dotted overrides into `base`, in place. A policy replaces the whole augmentation."""
    for key, value in overrides.items():
        head, _, rest = str(key).partition(".")
        if rest:
            value = {rest: value}
        if head == "augmentation" and isinstance(value, str):
            value = {"policy": value}
        if isinstance(value, Mapping):
            if "policy" in value:
                base.pop(head, None)
            inner = base.setdefault(head, {})
            if isinstance(inner, dict):
                merge_into(inner, value)
                continue
        base[head] = value


def _num_blocks(blocks: Blocks) -> float:
    return float("inf") if blocks == "all" else blocks
