"""Reads the weights that Keras 1 and 2 stored and puts them into the parts of a rebuilt model.

Names decide where they are complete; otherwise the order does, and the kinds of weights and their shapes must agree.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import keras
import numpy as np

from fer_bench.inference.formats.keras_graph import Part
from fer_bench.inference.formats.keras_kernels import convert
from fer_bench.inference.formats.unsupported import Unsupported

STATES = ("StateVar", "state_var", "seed_generator_state")  # stored beside weights, not used to predict
KINDS = {
    "W": "kernel",
    "U": "recurrent_kernel",
    "b": "bias",
    "alphas": "alpha",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}
KERAS_1_NAME = re.compile(r".*_(W|U|b|running_mean|running_std|gamma|beta|alphas|depthwise_kernel|pointwise_kernel)")
TOP_LEVEL = "top_level_model_weights"
# Where Keras 2.12 to 2.15 stores the weights of a layer inside a layer, in the order of the layer's weights.
INNER = [
    "vars",
    "cell",
    "layer",
    "forward_layer",
    "backward_layer",
    "_query_dense",
    "_key_dense",
    "_value_dense",
    "_output_dense",
]
CONTAINERS = ("layers", "_layer_checkpoint_dependencies")


class _Misfit(Unsupported):
    """Weights that are missing, damaged or of another architecture."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "Use an architecture and weights that belong together, or download the file again")


@dataclass(frozen=True)
class Saved:
    """One stored array with its name, such as conv2d_1/kernel:0; "" if the format has no names."""

    name: str
    values: np.ndarray

    @property
    def kind(self) -> str:
        """What it is in its layer: kernel, bias, gamma, …"""
        last = re.sub(r":\d+$", "", self.name).split("/")[-1]
        if match := re.fullmatch(
            r".*_(W|U|b|running_mean|running_std|gamma|beta|alphas|depthwise_kernel|pointwise_kernel)", last
        ):  # Keras 1
            last = match[1]
        return KINDS.get(last, last)


@dataclass(frozen=True)
class Origin:
    """Which Keras stored the weights: kernels depend on it."""

    version: str
    backend: str | None


def load_groups(group: h5py.Group, root: Part, origin: Origin) -> None:
    """Load weights in the format of Keras 1 and 2: one group per layer, with the names of its weights in order.

    Args:
        group: The group that has the attribute layer_names.
        root: The model.
        origin: Which Keras stored them.

    Raises:
        Unsupported: They do not fit the model.
    """
    names = _attribute(group, "layer_names")
    saved = {name: _read_layer(_child(group, name)) for name in names}
    saved = {name: arrays for name, arrays in saved.items() if arrays}
    if TOP_LEVEL in group and _read_layer(_child(group, TOP_LEVEL)):
        raise Unsupported("it has weights outside of its layers, which only its author's code uses")
    parts = [part for part in root.parts if _variables(part)]
    by_name = {part.name: part for part in parts}
    if by_name.keys() == saved.keys():
        pairs = [(by_name[name], arrays) for name, arrays in saved.items()]
    elif len(parts) == len(saved):
        pairs = list(zip(parts, saved.values(), strict=True))
    else:
        raise _Misfit(f"it has weights for {len(saved)} layers, but its architecture has {len(parts)} with weights")
    for part, arrays in pairs:
        assign(part, arrays, origin)


def load_paths(file: h5py.Group, root: Part, origin: Origin) -> None:
    """Load weights in the format of Keras 2.12 and later: paths made of the classes of layers. Unsupported as above."""
    arrays = {}
    file.visititems(
        lambda path, item: arrays.update({path.replace("\\", "/"): item}) if isinstance(item, h5py.Dataset) else None
    )
    _load_container(arrays, "", root, origin)


def assign_groups(root: Part, groups: Sequence[Sequence[Saved]], origin: Origin) -> None:
    """Put the arrays of TensorFlow.js into a model by their names, or one group per layer. Unsupported as above."""
    leaves = [leaf for leaf in root.leaves() if _variables(leaf)]
    parts = [part for part in root.parts if _variables(part)]
    saved = [item for group in groups for item in group if item.kind not in STATES]
    found = _by_name(parts, saved) or _by_name(leaves, saved)
    if not found and len(parts) == len(groups):
        found = [(part, list(group)) for part, group in zip(parts, groups, strict=True)]
    if not found:
        raise _Misfit("the names of its weights do not say to which layers they belong")
    for part, arrays in found:
        assign(part, arrays, origin)


def check_loaded(model: keras.Model, root: Part) -> None:
    """Raise Unsupported if a weight of the model still has its random initial value."""
    loaded = {id(variable) for leaf in root.leaves() if leaf.loaded for variable in _variables(leaf)}
    if missing := [variable.path for variable in model.weights if id(variable) not in loaded]:
        raise _Misfit(f"it contains no weights for '{missing[0]}'")


def assign(part: Part, saved: Sequence[Saved], origin: Origin) -> None:
    """Put stored arrays into a layer or a nested model. Unsupported if they do not fit."""
    saved = [item for item in saved if item.kind not in STATES]
    leaves = [leaf for leaf in part.leaves() if _variables(leaf)]
    for leaf, arrays in _by_name(leaves, saved) or _by_order(part, leaves, saved):
        _set(leaf, arrays, origin)


def _by_name(parts: Sequence[Part], saved: Sequence[Saved]) -> list[tuple[Part, list[Saved]]] | None:
    """Return the arrays of each part by the names of parts in theirs; None if those are incomplete or ambiguous."""
    names = Counter(part.name for part in parts)
    found: dict[str, list[Saved]] = {name: [] for name in names}
    for item in saved:
        inside = [name for name in names if f"/{name}/" in f"/{item.name}"]
        if not inside:
            return None
        found[max(inside, key=len)].append(item)
    if max(names.values(), default=0) > 1 or not all(found.values()):
        return None
    return [(part, found[part.name]) for part in parts]


def _by_order(part: Part, leaves: Sequence[Part], saved: Sequence[Saved]) -> list[tuple[Part, list[Saved]]]:
    """Return the arrays of each layer by Keras 2's order: first all that are trained, then the others."""
    if len(leaves) == 1:
        return [(leaves[0], list(saved))]
    slots = [(leaf, variable) for leaf in leaves for variable in _variables(leaf)]
    trained = [slot for slot in slots if slot[0].trainable and slot[1].trainable]
    ordered = trained + [slot for slot in slots if not (slot[0].trainable and slot[1].trainable)]
    if len(ordered) != len(saved):
        raise _Misfit(f"its model '{part.name}' has {len(ordered)} weights, but {len(saved)} are stored")
    found: dict[int, list[tuple[int, Saved]]] = {}
    for (leaf, variable), item in zip(ordered, saved, strict=True):
        position = next(i for i, own in enumerate(_variables(leaf)) if own is variable)
        found.setdefault(id(leaf), []).append((position, item))
    return [(leaf, [item for _, item in sorted(found[id(leaf)], key=lambda pair: pair[0])]) for leaf in leaves]


def _set(leaf: Part, saved: Sequence[Saved], origin: Origin) -> None:
    """Assign the arrays of one layer by their kinds or in order, after checking kinds and shapes."""
    variables, layer = _variables(leaf), leaf.layer
    saved = [item for item in saved if item.kind not in STATES]
    kinds = [variable.name for variable in variables]
    if sorted(kinds) == sorted({item.kind for item in saved}) and len(saved) == len(kinds):
        saved = sorted(saved, key=lambda item: kinds.index(item.kind))
    arrays = convert(leaf, [item.values for item in saved], origin.version, origin.backend)
    if isinstance(layer, keras.layers.Normalization):
        variables = variables[: len(arrays)]  # the count of samples is not used, and newer files lack it
    if len(arrays) != len(variables):
        raise _Misfit(f"its layer '{leaf.name}' has {len(variables)} weights, but {len(arrays)} are stored")
    if len(arrays) == len(saved):  # several arrays of Keras 1's recurrent layers became one
        for item, variable in zip(saved, variables, strict=True):
            if item.name and not _same_kind(item.kind, variable.name):
                raise _Misfit(f"its layer '{leaf.name}' has a {item.kind} stored in place of its {variable.name}")
    for values, variable in zip(arrays, variables, strict=True):
        if values.shape != tuple(variable.shape):
            raise _Misfit(
                f"the {variable.name} of its layer '{leaf.name}' has the shape {values.shape}, but its architecture "
                f"says {tuple(variable.shape)}"
            )
        variable.assign(values)
    if isinstance(layer, keras.layers.Normalization):
        layer.finalize_state()
    leaf.loaded = True


def _same_kind(stored: str, expected: str) -> bool:
    return stored.removeprefix("depthwise_") == expected.removeprefix("depthwise_")


def _variables(part: Part) -> list[Any]:
    if part.layer is not None:
        return list(part.layer.weights)
    return [variable for inner in part.parts for variable in _variables(inner)]


def _load_container(arrays: dict[str, h5py.Dataset], prefix: str, root: Part, origin: Origin) -> None:
    """Load the layers of a model: the path of each is its class and how many of that class came before."""
    container = next((f"{prefix}{name}/" for name in CONTAINERS if _any_below(arrays, f"{prefix}{name}/")), None)
    if container is None:
        if _variables(root):
            raise _Misfit(f"it has no weights for its model '{root.name}'")
        return
    seen: Counter[str] = Counter()
    for part in root.parts:
        snake = _snake_case(part.class_name)
        path = f"{container}{snake}_{seen[snake]}/" if seen[snake] else f"{container}{snake}/"
        seen[snake] += 1
        if part.class_name in ("Functional", "Sequential", "Model"):
            _load_container(arrays, path, part, origin)
        elif part.class_name == "TimeDistributed" and part.parts[0].parts:
            _load_container(arrays, f"{path}layer/", part.parts[0], origin)
        elif _variables(part):
            paths = _paths_below(arrays, path)
            if any("/cells/" in name for name in paths):
                raise _Misfit(f"the weights of the cells of its layer '{part.name}' are stored without an order")
            saved = [Saved("", _read(arrays[name])) for name in paths]
            assign(part, saved, origin)


def _any_below(arrays: Iterable[str], prefix: str) -> bool:
    return any(path.startswith(prefix) for path in arrays)


def _paths_below(arrays: Iterable[str], prefix: str) -> list[str]:
    """Return the paths of a layer's arrays in the order of its weights."""

    def position(path: str) -> list[tuple[int, int]]:
        steps = path.removeprefix(prefix).split("/")
        return [(INNER.index(step) if step in INNER else len(INNER), _number(step)) for step in steps]

    return sorted((path for path in arrays if path.startswith(prefix)), key=position)


def _number(step: str) -> int:
    digits = re.search(r"\d+$", step)
    return int(digits[0]) if digits else 0


def _snake_case(name: str) -> str:
    """Return the name of a class as Keras writes it into paths."""
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def _attribute(group: h5py.Group, name: str) -> list[str]:
    """Return a list of names, which is split among several attributes if it is long."""
    if name in group.attrs:
        parts = [group.attrs[name]]
    else:
        parts = []
        while f"{name}{len(parts)}" in group.attrs:
            parts.append(group.attrs[f"{name}{len(parts)}"])
    return [item.decode("utf8") if isinstance(item, bytes) else str(item) for part in parts for item in part]


def _read_layer(group: h5py.Group) -> list[Saved]:
    return [Saved(name, _read(_child(group, name))) for name in _attribute(group, "weight_names")]


def _child(group: h5py.Group, name: str) -> Any:
    """Return a group or array of this file; Unsupported if it is missing or in another file."""
    try:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise KeyError(name)
        return group[name]
    except (KeyError, RuntimeError, ValueError):
        raise _Misfit(f"its weights '{name}' are missing") from None


def _read(item: Any) -> np.ndarray:
    if not isinstance(item, h5py.Dataset) or item.external or item.is_virtual:
        raise _Misfit("a part of its weights is in another file")
    try:
        return np.asarray(item)
    except (OSError, RuntimeError, ValueError):
        raise _Misfit("its weights are damaged: download it again") from None
