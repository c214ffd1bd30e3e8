"""The registry of architectures and their descriptions.

An architecture is one function in one file::

    @register_architecture("vgg19", family="vgg", weights="imagenet", ...)
    def vgg19(inputs, recipe):
        \"\"\"One line. The paper. What is ours in it.\"\"\"
        ...
        return logits

`inputs` is a Keras tensor of raw pixels in [0, 255] with shape (batch, height, width, 1), or
(batch, time, height, width, 1) for architectures of sequences. `recipe` is a `BuildRecipe`. The function returns
float32 logits with shape (batch, recipe.classes). This module imports no Keras.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from fer_bench.core.errors import UserError
from fer_bench.registry.entry_points import scan_entry_points
from fer_bench.registry.registry import Registry
from fer_bench.registry.source_digest import ARCHITECTURES_DIR, digest

ENTRY_POINT_GROUP = "fer_bench.architectures"  # installed packages name their files in this group


@dataclass(frozen=True)
class Architecture:
    """The description of a registered architecture.

    Attributes:
        name: Name on the command line and on the leaderboard.
        summary: First line of the function's docstring.
        family: Group of architectures with the same building blocks: "vgg", "resnet", "cnn-lstm", …
        paper: Author, title, venue, year.
        weights: "imagenet" if pretrained initial weights exist, else None.
        backbone: Name of the weights file, <backbone>_notop.weights.h5. Default: the architecture's name.
        input_kind: "images" with shape (height, width, 1) or "sequences" with shape (time, height, width, 1).
        input_sizes: Pixels per side that `check` builds the model at, smallest possible first.
        weights_depend_on_size: Whether the shape of a weight depends on the input size, as behind a flattened feature
            map. A recipe then cannot change the input size during training.
        num_parameters: For 7 classes at the input size of its default recipe.
        recipe: Overrides of the base recipe.
        reference_images_per_second: Training speed on the reference machine of sweep/estimate.py, by input size.
    """

    name: str
    summary: str
    family: str
    paper: str = ""
    weights: str | None = None
    backbone: str | None = None
    input_kind: Literal["images", "sequences"] = "images"
    input_sizes: tuple[int, ...] = (48,)
    weights_depend_on_size: bool = False
    num_parameters: int | None = None
    recipe: dict[str, Any] = field(default_factory=dict)
    reference_images_per_second: dict[int, float] = field(default_factory=dict)

    @property
    def weights_name(self) -> str:
        return self.backbone or self.name


ARCHITECTURES = Registry("architecture")
register_architecture = ARCHITECTURES.register
ARCHITECTURES.add_lazy_loader(partial(ARCHITECTURES.scan, ARCHITECTURES_DIR))
ARCHITECTURES.add_lazy_loader(partial(scan_entry_points, ARCHITECTURES, ENTRY_POINT_GROUP))


def describe(name: str) -> Architecture:
    """Return the description of an architecture. Raise UserError for an unknown name or decorator keyword."""
    entry = ARCHITECTURES.get(name)
    try:
        return Architecture(name=entry.name, summary=entry.summary, **entry.options)
    except TypeError as error:
        reason = str(error).split("__init__() ")[-1]
        raise UserError(f"{entry.file}, line {entry.line}: @register_architecture {reason}.") from None


def source_digest(name: str) -> str:
    """Return the digest of the source that builds an architecture. It is part of every trial's key."""
    entry = ARCHITECTURES.get(name)
    return digest(entry.file, entry.function)
