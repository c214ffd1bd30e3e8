"""Converts the weights of a layer from the layouts of Keras 1, Theano and cuDNN to that of Keras 3."""

from __future__ import annotations

import numpy as np

from fer_bench.inference.formats.keras_graph import Part
from fer_bench.inference.formats.unsupported import Unsupported

THEANO = "theano"
KERAS_1 = "1"
FLIPPED = ("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "ConvLSTM2D")
# Keras 1's layouts of kernels: axes in the order that Keras 3 has, for channels first.
CHANNELS_FIRST_AXES = {"Conv2D": (2, 3, 1, 0), "Conv2DTranspose": (2, 3, 0, 1), "Conv3D": (2, 3, 4, 1, 0)}
GATES = {"LSTM": (0, 2, 1, 3), "ConvLSTM2D": (0, 2, 1, 3), "GRU": (0, 1, 2)}  # of Keras 1, in the order of Keras 3


def convert(part: Part, arrays: list[np.ndarray], version: str, backend: str | None) -> list[np.ndarray]:
    """Return the weights of a layer in the layout of Keras 3.

    Args:
        part: The layer, with its data format in the file.
        arrays: Its weights as stored.
        version: Of the Keras that stored them; "1" if the file does not say.
        backend: Its backend; None if the file does not say.

    Raises:
        Unsupported: The layout is ambiguous.
    """
    layer_class = type(part.layer).__name__
    if version.startswith(KERAS_1):
        arrays = _from_keras_1(part, layer_class, arrays)
        if part.channels_first and backend is None and layer_class in FLIPPED:
            raise Unsupported(
                "it was written by Keras 1 with dim_ordering 'th' without its backend, and Theano mirrors kernels: set "
                "the attribute 'backend' of the HDF5 file to 'theano' or 'tensorflow' with h5py"
            )
    if backend == THEANO and layer_class in FLIPPED and arrays:
        num_kernels = 2 if layer_class == "ConvLSTM2D" else 1
        arrays = [_mirror(array) for array in arrays[:num_kernels]] + arrays[num_kernels:]
    if part.class_name.startswith("CuDNN"):
        return _from_cudnn(layer_class, arrays)
    return arrays


def _from_keras_1(part: Part, layer_class: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    if layer_class in GATES and len(arrays) == 3 * len(GATES[layer_class]):
        kinds = (arrays[start::3] for start in range(3))  # input kernels, recurrent kernels, biases
        arrays = [np.concatenate([kind[gate] for gate in GATES[layer_class]], axis=-1) for kind in kinds]
    if layer_class == "Conv1D" and arrays and arrays[0].ndim == 4:
        kernel = arrays[0]
        if kernel.shape[1] != 1:  # (filters, inputs, length, 1)
            kernel = kernel.transpose(2, 3, 1, 0)
        return [kernel[:, 0], *arrays[1:]]
    if part.channels_first and layer_class in CHANNELS_FIRST_AXES:
        return [arrays[0].transpose(CHANNELS_FIRST_AXES[layer_class]), *arrays[1:]]
    if layer_class == "Conv2DTranspose":
        return [arrays[0].transpose(0, 1, 3, 2), *arrays[1:]]
    if part.channels_first and layer_class in ("ConvLSTM2D", "SeparableConv2D", "DepthwiseConv2D"):
        raise Unsupported(f"its layer '{part.name}' ({layer_class}) is of Keras 1 with dim_ordering 'th'")
    return arrays


def _mirror(kernel: np.ndarray) -> np.ndarray:
    """Return a kernel of shape (…, inputs, filters) mirrored in every spatial axis."""
    return kernel[(slice(None, None, -1),) * (kernel.ndim - 2)]


def _from_cudnn(layer_class: str, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """Return the weights of a recurrent layer that cuDNN computed: kernels transposed, two sets of biases."""
    num_gates = len(GATES[layer_class])
    kernel, recurrent, bias = arrays
    kernels = [gate.T.reshape(gate.shape, order="F") for gate in np.hsplit(kernel, num_gates)]
    recurrents = [gate.T for gate in np.hsplit(recurrent, num_gates)]
    bias = bias.reshape(2, -1)
    return [np.hstack(kernels), np.hstack(recurrents), bias.sum(axis=0) if layer_class == "LSTM" else bias]
