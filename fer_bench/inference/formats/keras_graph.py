"""Rebuilds a functional model from the nodes that Keras 1 and 2 wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fer_bench.inference.formats import keras_options
from fer_bench.inference.formats.unsupported import Unsupported

MODELS = ("Sequential", "Model", "Functional", "Container", "Network")
if TYPE_CHECKING:
    import keras

CONSTANT = "_CONSTANT_VALUE"  # in place of a layer's name: a number, where a tensor could be
MAX_ROUNDS = 10_000
# Arguments of calls that have no influence on predictions.
WITHOUT_INFLUENCE = ("name", "training", "mask")
Key = tuple[str, int]


@dataclass
class Part:
    """A layer or a nested model of a rebuilt model.

    Attributes:
        name: As in the file.
        class_name: As in the file.
        call: Maps a tensor or a list of tensors to the output.
        layer: The layer that holds the weights; None for a nested model and for an operation.
        parts: What it consists of, in the order of the file.
        trainable: The order of stored weights depends on it.
        loaded: Whether its weights have been loaded.
        channels_first: The data format in the file, which old kernels depend on.
    """

    name: str
    class_name: str
    call: Callable[..., Any]
    layer: keras.layers.Layer | None = None
    parts: list[Part] = field(default_factory=list)
    trainable: bool = True
    channels_first: bool = False
    loaded: bool = False
    input_shape: tuple[int | None, ...] | None = None
    input_dtype: str | None = None

    def leaves(self) -> Iterator[Part]:
        """Return the parts that hold weights, in the order of the file."""
        if not self.parts:
            yield self
        for part in self.parts:
            yield from part.leaves()


class _NotReady(Exception):
    """A tensor that is needed has not been computed yet."""


def build_graph(name: str, options: dict[str, Any], build: Callable[[dict[str, Any]], Part]) -> Part:
    """Return a model with one input and one output as a part.

    Args:
        name: Of the model.
        options: The configuration of the model.
        build: Makes a part from the configuration of a layer.

    Raises:
        Unsupported: As `keras_rebuild.rebuild`.
    """
    configs = {config.get("name") or config["config"]["name"]: config for config in options["layers"]}
    inputs, outputs = _references(options["input_layers"]), _references(options["output_layers"])
    if len(inputs) != 1 or len(outputs) != 1:
        raise Unsupported(
            f"its model '{name}' has {len(inputs)} inputs and {len(outputs)} outputs ({_names(outputs)}). It must have "
            "one of each: make a model of one input and one output with keras.Model and save that"
        )
    parts = {key: build(config) for key, config in configs.items() if config["class_name"] != "InputLayer"}
    nodes = {key: _nodes(config) for key, config in configs.items() if key in parts}
    offsets = {key: _first_index(key, parts, nodes, outputs) for key in parts}
    input_options = configs[inputs[0][0]]["config"]
    shape = input_options.get("batch_input_shape", input_options.get("batch_shape"))
    dtype = input_options.get("dtype")

    def call(x: Any) -> Any:
        tensors: dict[Key, Any] = {(inputs[0][0], 0): x}
        pending = [(key, index) for key in parts for index in range(len(nodes[key]))]
        for _ in range(MAX_ROUNDS):
            waiting = [node for node in pending if not _run(node, parts, nodes, offsets, tensors)]
            if not waiting:
                break
            if len(waiting) == len(pending):
                raise Unsupported(f"the graph of its model '{name}' has loops or missing layers")
            pending = waiting
        return _tensor(outputs[0], offsets, tensors)

    return Part(
        name,
        "Functional",
        call,
        parts=list(parts.values()),
        input_shape=tuple(keras_options.plain(shape)) if shape else None,
        input_dtype=dtype if isinstance(dtype, str) else None,
    )


def _references(value: Any) -> list[list[Any]]:
    """Return references to tensors, [name, node, tensor], from a list, a dictionary or a single one."""
    if isinstance(value, dict):
        return [reference for item in value.values() for reference in _references(item)]
    return [value] if _is_reference(value) else [reference for item in value for reference in _references(item)]


def _names(references: list[list[Any]]) -> str:
    return ", ".join(str(reference[0]) for reference in references)


def _is_reference(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and isinstance(value[1], int)
        and (isinstance(value[2], int) or value[0] == CONSTANT)
    )


def _nodes(config: dict[str, Any]) -> list[tuple[list[Any], dict[str, Any]]]:
    """Return the calls of a layer: positional arguments (references, constants or lists of them) and keywords."""
    return [_node(node) for node in config.get("inbound_nodes") or []]


def _node(node: Any) -> tuple[list[Any], dict[str, Any]]:
    if isinstance(node, dict) and "args" in node:  # as Keras 3 writes it
        return [_modern(item) for item in node["args"]], {key: _modern(item) for key, item in node["kwargs"].items()}
    if isinstance(node, dict):  # a call with a dictionary of tensors
        node = list(node.values())
    references = [node] if _is_reference(node) else list(node)
    keywords: dict[str, Any] = next((item[3] for item in references if len(item) == 4), {})
    tensors = [item[:3] for item in references]
    return [tensors if len(tensors) > 1 else tensors[0]], dict(keywords)


def _modern(value: Any) -> Any:
    """Return a reference of Keras 3's form in the older one."""
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        return list(value["config"]["keras_history"])
    return [_modern(item) for item in value] if isinstance(value, list) else value


def _first_index(key: str, parts: dict[str, Part], nodes: dict[str, Any], outputs: list[list[Any]]) -> int:
    """Return the index of the first call in references: a nested model has counted its own graph as call 0."""
    if parts[key].class_name not in MODELS:
        return 0
    used = [reference for calls in nodes.values() for call in calls for reference in _flat(call)] + outputs
    return min((reference[1] for reference in used if reference[0] == key), default=0)


def _flat(value: Any) -> list[list[Any]]:
    if _is_reference(value):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
    return [reference for item in items for reference in _flat(item)]


def _run(
    node: Key,
    parts: dict[str, Part],
    nodes: dict[str, Any],
    offsets: dict[str, int],
    tensors: dict[Key, Any],
) -> bool:
    """Call a layer once; return whether its inputs were there."""
    key, index = node
    arguments, keywords = nodes[key][index]
    try:
        args = [_resolve(item, offsets, tensors) for item in arguments]
        kwargs = {name: _resolve(item, offsets, tensors) for name, item in keywords.items() if item is not None}
    except _NotReady:
        return False
    part = parts[key]
    if kwargs.get("training"):
        raise Unsupported(f"its layer '{part.name}' works in training mode when predicting, so predictions vary")
    if part.class_name not in ("TFOpLambda", "SlicingOpLambda"):
        kwargs = {name: value for name, value in kwargs.items() if name not in WITHOUT_INFLUENCE}
    tensors[node] = part.call(*args, **kwargs)
    return True


def _resolve(value: Any, offsets: dict[str, int], tensors: dict[Key, Any]) -> Any:
    if _is_reference(value) and (value[0] == CONSTANT or value[0] in offsets or (value[0], 0) in tensors):
        return value[2] if value[0] == CONSTANT else _tensor(value, offsets, tensors)
    if isinstance(value, list):
        return [_resolve(item, offsets, tensors) for item in value]
    return keras_options.plain(value)


def _tensor(reference: list[Any], offsets: dict[str, int], tensors: dict[Key, Any]) -> Any:
    key, index, position = reference[:3]
    found = (key, index - offsets.get(key, 0))
    if found not in tensors:
        raise _NotReady
    value = tensors[found]
    return value[position] if isinstance(value, list | tuple) else value
