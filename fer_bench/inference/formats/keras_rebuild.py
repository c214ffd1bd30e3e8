"""Rebuilds a model from the configuration that Keras 1 or 2 wrote, out of built-in layers of Keras 3.

Nothing in a file is imported or run: a layer is looked up by its name among the layers of Keras.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from fer_bench.inference.formats import keras_options
from fer_bench.inference.formats.keras_graph import MODELS, Part, build_graph
from fer_bench.inference.formats.keras_operations import OPERATIONS, apply_operation
from fer_bench.inference.formats.unsupported import Unsupported

CHANNELS_FIRST = "channels_first"
CONVOLUTIONS = [
    "Conv1D",
    "Conv2D",
    "Conv3D",
    "DepthwiseConv2D",
    "SeparableConv1D",
    "SeparableConv2D",
    "Conv1DTranspose",
    "Conv2DTranspose",
    "Conv3DTranspose",
]
MERGES = {
    "sum": keras.layers.Add,
    "mul": keras.layers.Multiply,
    "ave": keras.layers.Average,
    "max": keras.layers.Maximum,
    "concat": keras.layers.Concatenate,
}
_KERAS_MODULES = ("keras", "tensorflow.keras", "tensorflow.python.keras", "tf_keras")


def rebuild(config: dict[str, Any]) -> tuple[keras.Model, Part]:
    """Return the model of a configuration with random weights, and its parts.

    Raises:
        Unsupported: A layer or an option is unknown, or the input is.
    """
    if config.get("class_name") not in MODELS:
        raise Unsupported(f"it is a model of the class '{config.get('class_name')}', which only its author's code has")
    part = build_part(config)
    return as_model(part), part


def as_model(part: Part) -> keras.Model:
    """Return a Keras model of a part with a known input shape."""
    if part.input_shape is None:
        raise Unsupported("it does not say the shape of its input")
    batch_size, *shape = part.input_shape
    inputs = keras.Input(tuple(shape), batch_size, dtype=part.input_dtype)
    return keras.Model(inputs, part.call(inputs))


def build_part(config: dict[str, Any]) -> Part:
    """Return a layer or a model from its configuration. Unsupported as `rebuild`."""
    class_name, options = _class_name(config), config["config"]
    name = options.get("name") if isinstance(options, dict) else None
    name = name or config.get("name") or class_name
    if class_name == "Sequential":
        return _sequential(name, options)
    if class_name in MODELS:
        return build_graph(name, options, build_part)
    trainable = options.get("trainable", True)
    if class_name in OPERATIONS:
        return Part(name, class_name, lambda *args, **kwargs: apply_operation(class_name, options, args, kwargs))
    if class_name in keras_options.IDENTITIES:
        return Part(name, class_name, lambda x: x)
    if class_name == "Merge":
        return Part(name, class_name, _merge(options))
    if class_name == "TimeDistributed":
        inner = build_part(options["layer"])
        layer = keras.layers.TimeDistributed(_as_layer(inner))
        return Part(name, class_name, layer, parts=[inner], trainable=trainable)
    if class_name == "Bidirectional":
        return _bidirectional(name, options)
    if class_name in ("RNN", "StackedRNNCells"):
        layer = _recurrent(class_name, options)
        return Part(name, class_name, layer, layer, trainable=trainable)
    return _layer(name, class_name, options, trainable)


def _class_name(config: dict[str, Any]) -> str:
    """Return the class in a configuration; Unsupported if it is none of Keras."""
    class_name = str(config["class_name"])
    module = str(config.get("module") or "keras")
    registered = str(config.get("registered_name") or class_name)
    if not module.startswith(_KERAS_MODULES) or registered.split(">")[-1] != class_name:
        raise Unsupported(f"it requires '{class_name}', which Keras does not have")
    return class_name


def _layer(name: str, class_name: str, options: dict[str, Any], trainable: bool) -> Part:
    arguments = keras_options.upgrade(class_name, options, lambda config: build_part(config).call)
    channels_first = arguments.get("data_format") == CHANNELS_FIRST
    new_name = keras_options.current_name(class_name)
    swap = channels_first and new_name in CONVOLUTIONS
    if swap:  # TensorFlow convolves images with channels first on GPUs only
        arguments["data_format"] = "channels_last"
    try:
        layer = keras_options.layer_class(class_name)(**arguments)
    except (TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Unsupported(f"its layer '{name}' ({class_name}) has options that Keras 3 refuses: {reason}") from None
    call = _with_channels_last(layer) if swap else layer
    return Part(name, class_name, call, layer, trainable=trainable, channels_first=channels_first)


def _with_channels_last(layer: keras.layers.Layer) -> Callable[[Any], Any]:
    def call(x: Any) -> Any:
        axes = range(1, len(x.shape))
        y = layer(keras.ops.transpose(x, (0, *axes[1:], 1)))
        return keras.ops.transpose(y, (0, axes[-1], *axes[:-1]))

    return call


def _sequential(name: str, options: dict[str, Any] | list[dict[str, Any]]) -> Part:
    configs = options if isinstance(options, list) else options["layers"]
    if not configs:
        raise Unsupported(f"its model '{name}' has no layers")
    shape, dtype = _input_of(configs[0]["config"])
    if shape is None and isinstance(options, dict):
        shape = options.get("build_input_shape")
    parts = [build_part(config) for config in configs if _class_name(config) != "InputLayer"]
    if shape is None and parts:
        shape, dtype = parts[0].input_shape, parts[0].input_dtype

    def call(x: Any) -> Any:
        for part in parts:
            x = part.call(x)
        return x

    shape = None if shape is None else tuple(shape)
    return Part(name, "Sequential", call, parts=parts, input_shape=shape, input_dtype=dtype)


def _input_of(options: Any) -> tuple[tuple[int | None, ...] | None, str | None]:
    """Return the shape and type of the input that the first layer states."""
    if not isinstance(options, dict):  # a Sequential in a Sequential
        return None, None
    for key in ("batch_input_shape", "batch_shape"):
        if options.get(key) is not None:
            dtype = options.get("input_dtype") or options.get("dtype")
            return tuple(keras_options.plain(options[key])), dtype if isinstance(dtype, str) else None
    if options.get("input_dim") is not None and ("units" in options or "init" in options):
        return (None, options["input_dim"]), None
    return None, None


def _merge(options: dict[str, Any]) -> Callable[[Any], Any]:
    """Return Keras 1's layer Merge."""
    mode = options.get("mode")
    if mode not in MERGES or options.get("layers"):
        raise Unsupported(f"its layer '{options.get('name')}' (Merge) has the mode {mode!r}, unknown to Keras 3")
    if mode == "concat":
        return keras.layers.Concatenate(axis=options.get("concat_axis", -1))
    return MERGES[mode]()


def _as_layer(part: Part) -> keras.layers.Layer:
    """Return a part as one layer, for a wrapper."""
    if part.layer is not None and part.call is part.layer:
        return part.layer
    if isinstance(part.call, keras.layers.Layer):
        return part.call
    if part.input_shape is not None:
        return as_model(part)
    return _CallLayer(part)


class _CallLayer(keras.layers.Layer):
    """A part of unknown input shape, as a layer."""

    def __init__(self, part: Part) -> None:
        super().__init__()
        self.part = part
        self.inner = [leaf.layer for leaf in part.leaves() if leaf.layer is not None]

    def build(self, input_shape: Any) -> None:
        self.compute_output_shape(input_shape)
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> Any:
        return self.part.call(keras.KerasTensor(input_shape, self.compute_dtype)).shape

    def call(self, x: Any) -> Any:
        return self.part.call(x)


def _bidirectional(name: str, options: dict[str, Any]) -> Part:
    forward = build_part(options["layer"])
    backward = build_part(options["backward_layer"]) if options.get("backward_layer") else None
    layer = keras.layers.Bidirectional(
        forward.call,
        merge_mode=options.get("merge_mode", "concat"),
        backward_layer=backward.call if backward else None,
    )
    parts = [
        Part(f"{side}_{forward.name}", forward.class_name, half, half, trainable=options.get("trainable", True))
        for side, half in (("forward", layer.forward_layer), ("backward", layer.backward_layer))
    ]
    return Part(name, "Bidirectional", layer, parts=parts)


def _recurrent(class_name: str, options: dict[str, Any]) -> keras.layers.Layer:
    """Return an RNN of cells, or a stack of cells."""
    if class_name == "StackedRNNCells":
        return keras.layers.StackedRNNCells([build_part(cell).call for cell in options["cells"]])
    kept = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask")
    if options.get("time_major") or options.get("stateful"):
        raise Unsupported(f"its layer '{options.get('name')}' (RNN) is time-major or stateful, which is not supported")
    cell = build_part(options["cell"]).call
    return keras.layers.RNN(cell, **{key: options[key] for key in kept if key in options})
