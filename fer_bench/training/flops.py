"""FLOPs of a model for one image, counted from the shapes of its layers and operations."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import layers

Shape = tuple[int, ...]


class UnsupportedOperation(Exception):
    """The FLOPs of a layer or operation are unknown. The message names it."""


@dataclass(frozen=True)
class Call:
    """One call of a layer or of an operation of keras.ops. Shapes include the batch."""

    operation: Any
    inputs: dict[str | int, Any]  # by position or name
    output: Any

    def argument(self, position: int, name: str) -> Any:
        """Return an input, passed by position or by name."""
        return self.inputs[name] if name in self.inputs else self.inputs[position]

    def shape(self, position: int, name: str) -> Shape:
        return _shape(self.argument(position, name))


@dataclass
class FlopCounter:
    """The operations counted so far.

    Attributes:
        multiply_adds: Number of multiply-add operations.
        counted_weights: Ids of the weights whose operations are counted, or free.
        in_opaque_layer: Whether a layer is being called whose formula includes everything that it calls.
    """

    multiply_adds: int = 0
    counted_weights: set[int] = field(default_factory=set)
    in_opaque_layer: bool = False


def count_flops(model: keras.Model) -> int:
    """Return the FLOPs of one image or sequence, on any backend, without computing the model.

    FLOPS_METHOD describes what counts. Each weight of a kernel multiplies once per position of the output, also over
    padding, which is the convention of published figures. Products without weights are counted in Keras' attention
    and in operations of the model's graph, not in the code of custom layers.

    Raises:
        UnsupportedOperation: A weight of several dimensions or a product has no formula.
    """
    return 2 * _multiply_adds(model, (1, *model.input_shape[1:]))


class _ModelLayer(layers.Layer):
    """A model as a layer of unknown output shape, so that Keras calls all its layers symbolically to find the shape."""

    def __init__(self, model: layers.Layer) -> None:
        super().__init__()
        self.model = model

    def call(self, inputs: Any) -> Any:
        return self.model(inputs)


def _multiply_adds(layer: layers.Layer, shape: Shape) -> int:
    counter = FlopCounter()
    with _count_calls(counter):
        _ModelLayer(layer).compute_output_spec(keras.KerasTensor(shape, dtype="float32"))
    uncounted = [weight for weight in layer.weights if id(weight) not in counter.counted_weights]
    if unknown := [weight.path for weight in uncounted if sum(size > 1 for size in weight.shape) > 1]:
        raise UnsupportedOperation(f"there is no formula for the weights {', '.join(unknown)}")
    return counter.multiply_adds


@contextmanager
def _count_calls(counter: FlopCounter) -> Iterator[None]:
    """Add every layer and operation that is called within the block to the counter, including nested ones."""
    original = keras.Operation.__call__

    def counting_call(operation: Any, *args: Any, **kwargs: Any) -> Any:
        formula = None if counter.in_opaque_layer else _formula(operation)
        if formula is None:
            return original(operation, *args, **kwargs)
        counter.in_opaque_layer = formula in OPAQUE_LAYERS
        try:
            output = original(operation, *args, **kwargs)
            counter.multiply_adds += formula(Call(operation, dict(enumerate(args)) | kwargs, output))
        finally:
            counter.in_opaque_layer = False
        counter.counted_weights |= {id(weight) for weight in getattr(operation, "weights", ())}
        return output

    keras.Operation.__call__ = counting_call
    try:
        yield
    finally:
        keras.Operation.__call__ = original


def _convolution(call: Call) -> int:
    return _positions(call.operation, call.output) * _size(call.operation.kernel)


def _separable(call: Call) -> int:
    kernels = _size(call.operation.depthwise_kernel) + _size(call.operation.pointwise_kernel)
    return _positions(call.operation, call.output) * kernels


def _transposed(call: Call) -> int:
    return _positions(call.operation, call.argument(0, "inputs")) * _size(call.operation.kernel)


def _dense(call: Call) -> int:
    return math.prod(_shape(call.output)[:-1]) * _size(call.operation.kernel)


def _einsum_dense(call: Call) -> int:
    kernel, input_shape = call.operation.kernel, call.shape(0, "inputs")
    input_labels, _, kernel_labels = call.operation.equation.partition("->")[0].partition(",")
    shared = [size for label, size in zip(kernel_labels, kernel.shape, strict=True) if label in input_labels]
    return math.prod(input_shape) // math.prod(shared) * _size(kernel)


def _recurrent(call: Call) -> int:
    batch, steps, *_ = call.shape(0, "sequences")
    return batch * steps * _cell(call.operation.cell)


def _cell(cell: Any) -> int:
    if isinstance(cell, layers.StackedRNNCells):
        return sum(map(_cell, cell.cells))
    if isinstance(cell, (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell)):
        return _size(cell.kernel) + _size(cell.recurrent_kernel)
    raise UnsupportedOperation(f"there is no formula for the cell {type(cell).__name__}")


def _distributed(call: Call) -> int:
    batch, steps, *rest = call.shape(0, "inputs")
    return steps * _multiply_adds(call.operation.layer, (batch, *rest))


def _attention(call: Call) -> int:
    """Count scores and weighted means; the projections are separate layers."""
    sizes = call.operation.get_config()
    batch, *queries, _ = call.shape(0, "query")
    values = call.shape(1, "value")[1:-1]
    width = sizes["num_heads"] * (sizes["key_dim"] + (sizes["value_dim"] or sizes["key_dim"]))
    return batch * math.prod(queries) * math.prod(values) * width


def _matmul(call: Call) -> int:
    return math.prod(_shape(call.output)) * call.shape(0, "x1")[-1]


def _einsum(call: Call) -> int:
    operands = call.operation.subscripts.partition("->")[0].split(",")
    if "." in call.operation.subscripts or len(operands) != 2:
        raise UnsupportedOperation(f"there is no formula for the einsum {call.operation.subscripts}")
    sizes: dict[str, int] = {}
    for position, labels in enumerate(operands):
        sizes |= dict(zip(labels.strip(), _shape(call.inputs[position]), strict=True))
    return math.prod(sizes.values())


def _free(call: Call) -> int:
    return 0


def _unknown(call: Call) -> int:
    raise UnsupportedOperation(f"there is no formula for {type(call.operation).__name__}")


# The first match applies. Layers without a match are free, except for the layers and operations that they call.
LAYER_FORMULAS: tuple[tuple[tuple[type, ...], Callable[[Call], int]], ...] = (
    ((layers.SeparableConv1D, layers.SeparableConv2D), _separable),
    ((layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose), _transposed),
    ((layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv1D, layers.DepthwiseConv2D), _convolution),
    ((layers.Dense,), _dense),
    ((layers.EinsumDense,), _einsum_dense),
    ((layers.RNN,), _recurrent),
    ((layers.TimeDistributed,), _distributed),
    ((layers.MultiHeadAttention,), _attention),
    ((layers.PReLU, layers.Embedding, layers.LayerNormalization, layers.BatchNormalization), _free),
    ((layers.Attention, layers.GroupQueryAttention, layers.Dot), _unknown),
)
# By name, because the operations of keras.ops in a model's graph have no public classes.
UNSUPPORTED_OPERATIONS = ("Dot", "Tensordot", "Inner", "Outer", "Vdot", "DotProductAttention", "Conv", "DepthwiseConv")
OPERATION_FORMULAS = {"Matmul": _matmul, "Einsum": _einsum, **dict.fromkeys(UNSUPPORTED_OPERATIONS, _unknown)}
OPAQUE_LAYERS = (_recurrent, _distributed)


def _formula(operation: Any) -> Callable[[Call], int] | None:
    if isinstance(operation, layers.Layer):
        return next((formula for kinds, formula in LAYER_FORMULAS if isinstance(operation, kinds)), None)
    return OPERATION_FORMULAS.get(type(operation).__name__)


def _positions(layer: Any, tensor: Any) -> int:
    """Return the number of positions of a kernel in a feature map, over the whole batch."""
    shape = _shape(tensor)
    return math.prod(shape) // shape[-1 if layer.data_format == "channels_last" else 1]


def _shape(tensor: Any) -> Shape:
    shape = tuple(tensor.shape)
    if None in shape:
        raise UnsupportedOperation(f"the shape {shape} is not fully known")
    return shape


def _size(weight: Any) -> int:
    return math.prod(weight.shape)
