"""How many operations a model needs for one image, counted from the shapes that flow through it."""

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
    """A part of a model that no formula here is for; the message names it."""


@dataclass(frozen=True)
class Call:
    """A layer, or an operation of keras.ops, as it is called; shapes with the batch."""

    operation: Any
    inputs: dict[str | int, Any]  # by position or name
    output: Any

    def argument(self, position: int, name: str) -> Any:
        """An input, however it was passed."""
        return self.inputs[name] if name in self.inputs else self.inputs[position]

    def shape(self, position: int, name: str) -> Shape:
        return _shape(self.argument(position, name))


@dataclass
class FlopCounter:
    """What has been met so far."""

    multiply_adds: int = 0
    counted_weights: set[int] = field(
        default_factory=set
    )  # ids of the weights whose use is counted, or known to be free
    in_opaque_layer: bool = False  # a layer whose formula holds for all that it calls


def count_flops(model: keras.Model) -> int:
    """FLOPs of one image, or of one sequence, on any backend; nothing is computed. FLOPS_METHOD says what counts.

    Each weight of a kernel multiplies once at each position of the output, also where the kernel stands over padding:
    the convention of published figures. Products without weights are seen where Keras' attention or an operation of
    the model's graph makes them, not within a custom layer's code. Raises Uncountable for weights of several
    dimensions, and for products, that no formula is for.
    """
    return 2 * _multiply_adds(model, (1, *model.input_shape[1:]))


class _ModelLayer(layers.Layer):
    """A model as a layer that cannot tell its output's shape: to find it, Keras calls all layers without computing."""

    def __init__(self, model: layers.Layer) -> None:
        super().__init__()
        self.model = model

    def call(self, inputs: Any) -> Any:
        return self.model(inputs)


def _multiply_adds(layer: layers.Layer, shape: Shape) -> int:
    tally = FlopCounter()
    with _count_calls(tally):
        _ModelLayer(layer).compute_output_spec(keras.KerasTensor(shape, dtype="float32"))
    unknown = [
        w.path for w in layer.weights if id(w) not in tally.counted_weights and sum(size > 1 for size in w.shape) > 1
    ]
    if unknown:
        raise UnsupportedOperation(f"no formula is for the weights {', '.join(unknown)}")
    return tally.multiply_adds


@contextmanager
def _count_calls(tally: FlopCounter) -> Iterator[None]:
    """Within it, every layer and operation that is called, however deeply nested, is added to the tally."""
    plain = keras.Operation.__call__

    def counting(operation: Any, *args: Any, **kwargs: Any) -> Any:
        formula = None if tally.in_opaque_layer else _formula(operation)
        if formula is None:
            return plain(operation, *args, **kwargs)
        tally.in_opaque_layer = formula in OPAQUE_LAYERS
        try:
            output = plain(operation, *args, **kwargs)
            tally.multiply_adds += formula(Call(operation, dict(enumerate(args)) | kwargs, output))
        finally:
            tally.in_opaque_layer = False
        tally.counted_weights |= {id(weight) for weight in getattr(operation, "weights", ())}
        return output

    keras.Operation.__call__ = counting
    try:
        yield
    finally:
        keras.Operation.__call__ = plain


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
    kernel, given = call.operation.kernel, call.shape(0, "inputs")
    over, _, by = call.operation.equation.partition("->")[0].partition(",")
    shared = [size for label, size in zip(by, kernel.shape, strict=True) if label in over]
    return math.prod(given) // math.prod(shared) * _size(kernel)


def _recurrent(call: Call) -> int:
    batch, steps, *_ = call.shape(0, "sequences")
    return batch * steps * _cell(call.operation.cell)


def _cell(cell: Any) -> int:
    if isinstance(cell, layers.StackedRNNCells):
        return sum(_cell(one) for one in cell.cells)
    if isinstance(cell, (layers.LSTMCell, layers.GRUCell, layers.SimpleRNNCell)):
        return _size(cell.kernel) + _size(cell.recurrent_kernel)
    raise UnsupportedOperation(f"no formula is for the cell {type(cell).__name__}")


def _distributed(call: Call) -> int:
    batch, steps, *rest = call.shape(0, "inputs")
    return steps * _multiply_adds(call.operation.layer, (batch, *rest))


def _attention(call: Call) -> int:
    """Scores and weighted means; the projections are layers of their own."""
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
        raise UnsupportedOperation(f"no formula is for the einsum {call.operation.subscripts}")
    sizes = {}
    for place, labels in enumerate(operands):
        sizes |= dict(zip(labels.strip(), _shape(call.inputs[place]), strict=True))
    return math.prod(sizes.values())


def _free(call: Call) -> int:
    return 0


def _unknown(call: Call) -> int:
    raise UnsupportedOperation(f"no formula is for {type(call.operation).__name__}")


# The first that fits; what nothing fits is looked into, and so free where it calls nothing that is counted.
LAYER_FORMULAS: tuple[tuple[tuple[type, ...], Callable[[Call], int]], ...] = (
    ((layers.SeparableConv1D, layers.SeparableConv2D), _separable),
    ((layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose), _transposed),
    (
        (layers.Conv1D, layers.Conv2D, layers.Conv3D, layers.DepthwiseConv1D, layers.DepthwiseConv2D),
        _convolution,
    ),
    ((layers.Dense,), _dense),
    ((layers.EinsumDense,), _einsum_dense),
    ((layers.RNN,), _recurrent),
    ((layers.TimeDistributed,), _distributed),
    ((layers.MultiHeadAttention,), _attention),
    ((layers.PReLU, layers.Embedding, layers.LayerNormalization, layers.BatchNormalization), _free),
    ((layers.Attention, layers.GroupQueryAttention, layers.Dot), _unknown),
)
# Operations of keras.ops in a model's graph, which have no public classes, by their names.
UNSUPPORTED_OPERATIONS = ("Dot", "Tensordot", "Inner", "Outer", "Vdot", "DotProductAttention", "Conv", "DepthwiseConv")
OPERATION_FORMULAS = {"Matmul": _matmul, "Einsum": _einsum, **dict.fromkeys(UNSUPPORTED_OPERATIONS, _unknown)}
OPAQUE_LAYERS = (_recurrent, _distributed)


def _formula(operation: Any) -> Callable[[Call], int] | None:
    if isinstance(operation, layers.Layer):
        return next((formula for kinds, formula in LAYER_FORMULAS if isinstance(operation, kinds)), None)
    return OPERATION_FORMULAS.get(type(operation).__name__)


def _positions(layer: Any, tensor: Any) -> int:
    """At how many places of a feature map, over the batch, a kernel is laid."""
    shape = _shape(tensor)
    return math.prod(shape) // shape[-1 if layer.data_format == "channels_last" else 1]


def _shape(tensor: Any) -> Shape:
    shape = tuple(tensor.shape)
    if None in shape:
        raise UnsupportedOperation(f"a shape of {shape} is not known beforehand")
    return shape


def _size(weight: Any) -> int:
    return math.prod(weight.shape)
