"""The registry of architectures, and what an entry says of itself.

An architecture is one function in one file::

    @register_architecture("vgg19", family="vgg", weights="imagenet", ...)
    def vgg19(inputs, recipe):
        \"\"\"One line. The paper. What is ours in it.\"\"\"
        ...
        return logits

`inputs` is a Keras tensor of raw pixels in [0, 255], (batch, height, width, 1), or (batch, time, height, width, 1)
where the architecture takes sequences; `recipe` is a `BuildRecipe`; the function returns float32 logits
(batch, recipe.classes). This file imports no Keras.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fer_bench.core.errors import UserError
from fer_bench.registry.entry_points import scan_entry_points
from fer_bench.registry.registry import Entry, Registry
from fer_bench.registry.source_digest import digest

ENTRY_POINTS = "fer_bench.architectures"  # the group by which an installed package names its files
ARCHITECTURES_DIR = Path(__file__).resolve().parents[2] / "architectures"


@dataclass(frozen=True)
class Architecture:
    """What a registry entry says of itself; the keywords of `register_architecture`."""

    name: str
    summary: str
    family: str  # of the same building blocks: "vgg", "resnet", "cnn-lstm", …
    paper: str = ""  # author, title, venue, year
    weights: str | None = None  # "imagenet" where initial weights are to be had
    backbone: str | None = None  # whose weights file it reads: <backbone>_notop.weights.h5; default: its own name
    input_kind: Literal["images", "sequences"] = "images"  # (height, width, 1) or (time, height, width, 1)
    input_sizes: tuple[int, ...] = (48,)  # pixels a side that it is checked at; the first is the smallest it works at
    num_parameters: int | None = None  # for 7 classes at its default recipe's input size
    recipe: dict[str, Any] = field(default_factory=dict)  # its default recipe, where it departs from the base one
    reference_images_per_second: float | None = None  # training images/s at 48×48 on the machine of sweep/estimate.py

    @property
    def weights_name(self) -> str:
        return self.backbone or self.name


ARCHITECTURES = Registry("architecture")
register_architecture = ARCHITECTURES.register
ARCHITECTURES.scan(ARCHITECTURES_DIR, package="architectures")
ARCHITECTURES.add_lazy_loader(partial(scan_entry_points, ARCHITECTURES, ENTRY_POINTS))


def describe(name: str) -> Architecture:
    """The description of a registered architecture; UserError for an unknown name or a keyword that none has."""
    return _from_entry(ARCHITECTURES.get(name))


def _from_entry(entry: Entry) -> Architecture:
    try:
        return Architecture(name=entry.name, summary=entry.summary, **entry.options)
    except TypeError as error:
        reason = str(error).split("__init__() ")[-1]
        raise UserError(f"{entry.file}, line {entry.line}: @register_architecture {reason}.") from None


def source_digest(name: str) -> str:
    """Digest of the source that builds an architecture, part of every key."""
    entry = ARCHITECTURES.get(name)
    return digest(entry.file, entry.function)
