"""Operations of TensorFlow between the layers of a Keras 2 model, such as x / 255, as operations of Keras 3."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import ops

from fer_bench.inference.formats.unsupported import Unsupported

FUNCTION, SLICING, GRAPH_OPERATION = "TFOpLambda", "SlicingOpLambda", "TensorFlowOpLayer"
OPERATIONS = (FUNCTION, SLICING, GRAPH_OPERATION)


def _floating(x: Any) -> Any:
    return ops.cast(x, keras.config.floatx())


def _transpose(a: Any, perm: Any = None) -> Any:
    return ops.transpose(a, None if perm is None else tuple(perm))


def _mean(input_tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return ops.mean(input_tensor, axis=_axes(axis), keepdims=keepdims)


def _sum(input_tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return ops.sum(input_tensor, axis=_axes(axis), keepdims=keepdims)


def _max(input_tensor: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return ops.max(input_tensor, axis=_axes(axis), keepdims=keepdims)


def _axes(axis: Any) -> Any:
    return tuple(axis) if isinstance(axis, list) else axis


def _cast(x: Any, dtype: Any) -> Any:
    name = dtype.get("config", dtype) if isinstance(dtype, dict) else dtype
    return ops.cast(x, name if isinstance(name, str) else keras.config.floatx())


def _getitem(tensor: Any, slice_spec: Any) -> Any:
    return tensor[tuple(_slice(item) for item in (slice_spec if isinstance(slice_spec, list) else [slice_spec]))]


def _slice(item: Any) -> Any:
    if isinstance(item, dict) and {"start", "stop", "step"} <= item.keys():
        return slice(item["start"], item["stop"], item["step"])
    if isinstance(item, dict):
        return Ellipsis
    return item


def _bias_add(value: Any, bias: Any, data_format: str | None = None) -> Any:
    if data_format not in (None, "NHWC", "channels_last"):
        raise ValueError
    return ops.add(value, ops.convert_to_tensor(bias, value.dtype))


def _standardize(image: Any) -> Any:
    x, axes = _floating(image), (-3, -2, -1)
    num_pixels = x.shape[-1] * x.shape[-2] * x.shape[-3]
    deviation = ops.maximum(ops.std(x, axis=axes, keepdims=True), num_pixels**-0.5)
    return (x - ops.mean(x, axis=axes, keepdims=True)) / deviation


def _normalize(x: Any, axis: Any = None, epsilon: float = 1e-12) -> Any:
    return x / ops.sqrt(ops.maximum(ops.sum(ops.square(x), axis=_axes(axis), keepdims=True), epsilon))


def _resize(images: Any, size: Any, method: str = "bilinear", antialias: bool = False) -> Any:
    return ops.image.resize(images, tuple(size), interpolation=method, antialias=antialias)


# The names of arguments are those of TensorFlow, as a file states them.
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: ops.add(x, y),
    "subtract": lambda x, y: ops.subtract(x, y),
    "multiply": lambda x, y: ops.multiply(x, y),
    "truediv": lambda x, y: ops.divide(_floating(x), y),
    "divide": lambda x, y: ops.divide(_floating(x), y),
    "div": lambda x, y: ops.divide(_floating(x), y),
    "maximum": lambda x, y: ops.maximum(x, y),
    "minimum": lambda x, y: ops.minimum(x, y),
    "pow": lambda x, y: ops.power(x, y),
    "matmul": lambda a, b: ops.matmul(a, b),
    "negative": lambda x: ops.negative(x),
    "square": lambda x: ops.square(x),
    "sqrt": lambda x: ops.sqrt(x),
    "abs": lambda x: ops.abs(x),
    "exp": lambda x: ops.exp(x),
    "sigmoid": lambda x: ops.sigmoid(x),
    "tanh": lambda x: ops.tanh(x),
    "relu": lambda features: ops.relu(features),
    "relu6": lambda features: ops.relu6(features),
    "silu": lambda features: ops.silu(features),
    "swish": lambda features: ops.silu(features),
    "softplus": lambda features: ops.softplus(features),
    "leaky_relu": lambda features, alpha=0.2: ops.leaky_relu(features, alpha),
    "softmax": lambda logits, axis=-1: ops.softmax(logits, axis),
    "bias_add": _bias_add,
    "clip_by_value": lambda t, clip_value_min, clip_value_max: ops.clip(t, clip_value_min, clip_value_max),
    "reduce_mean": _mean,
    "reduce_sum": _sum,
    "reduce_max": _max,
    "cast": _cast,
    "convert_to_tensor": lambda value: value,
    "identity": lambda input: input,
    "stop_gradient": lambda input: input,
    "expand_dims": lambda input, axis: ops.expand_dims(input, axis),
    "squeeze": lambda input, axis=None: ops.squeeze(input, _axes(axis)),
    "reshape": lambda tensor, shape: ops.reshape(tensor, tuple(shape)),
    "transpose": _transpose,
    "concat": lambda values, axis: ops.concatenate(values, axis),
    "stack": lambda values, axis=0: ops.stack(values, axis),
    "getitem": _getitem,
    "log": lambda x: ops.log(x),
    "elu": lambda features: ops.elu(features),
    "selu": lambda features: ops.selu(features),
    "tile": lambda input, multiples: ops.tile(input, tuple(multiples)),
    "grayscale_to_rgb": lambda images: ops.repeat(images, 3, axis=-1),
    "per_image_standardization": _standardize,
    "l2_normalize": _normalize,
    "resize": _resize,
}
GRAPH_NAMES = {
    "AddV2": "add",
    "Add": "add",
    "BiasAdd": "bias_add",
    "Sub": "subtract",
    "Mul": "multiply",
    "RealDiv": "truediv",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Neg": "negative",
    "Square": "square",
    "Sqrt": "sqrt",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "Relu": "relu",
    "Relu6": "relu6",
    "Softmax": "softmax",
    "Identity": "identity",
}


def apply_operation(class_name: str, options: dict[str, Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return the result of an operation of TensorFlow.

    Args:
        class_name: One of OPERATIONS.
        options: The configuration of the layer that Keras 2 made of the operation.
        args: Tensors and constants by position.
        kwargs: Tensors and constants by TensorFlow's name.

    Raises:
        Unsupported: The operation, or this use of it, is not supported.

    """
    if class_name == GRAPH_OPERATION:
        shown, args = _graph_operation(options, args)
        name = GRAPH_NAMES.get(shown)
    else:
        shown = str(options.get("function"))
        name = shown.split(".")[-1]
    kwargs = {key: value for key, value in kwargs.items() if key != "name"}
    if name not in FUNCTIONS:
        raise Unsupported(f"it uses TensorFlow's operation '{shown}' outside of a layer, which is not supported")
    try:
        return FUNCTIONS[name](*args, **kwargs)
    except (TypeError, ValueError, AttributeError, IndexError, KeyError):
        raise Unsupported(f"it uses TensorFlow's operation '{shown}' in a way that is not supported") from None


def _graph_operation(options: dict[str, Any], args: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """Return the name and the inputs of an operation that is stored as a node of a graph, with its constants."""
    node = options.get("node_def")
    try:
        operation = json.loads(node)["op"] if isinstance(node, str) else dict(node or {})["op"]
    except (ValueError, KeyError, TypeError):
        raise Unsupported(f"its layer '{options.get('name')}' is an operation without a name") from None
    tensors = list(args[0]) if args and isinstance(args[0], list) else list(args)
    for position, value in sorted((int(key), value) for key, value in (options.get("constants") or {}).items()):
        tensors.insert(position, value)
    return str(operation), tensors
