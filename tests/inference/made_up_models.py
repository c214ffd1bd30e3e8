"""Small models that need no training: they tell the made dataset's classes by which third of the rows is bright."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers

LABELS = ["top", "middle", "bottom"]
SIDE = 12


def thirds(side: int = SIDE, channels: int = 1, order: tuple[int, ...] = (0, 1, 2), softmax: bool = True):
    """A Keras model whose outputs are the brightness of the thirds of pixels in 0 to 1, in that order."""
    inputs = keras.Input((side, side, channels))
    x = layers.AveragePooling2D((side // 3, side))(inputs)
    x = layers.Flatten()(layers.Cropping2D(0)(x))
    # Of several channels the first counts.
    kernel = np.zeros((3 * channels, len(order)), np.float32)
    kernel[[channels * third for third in order], np.arange(len(order))] = 30
    dense = layers.Dense(len(order), use_bias=False, activation="softmax" if softmax else None)
    model = keras.Model(inputs, dense(x))
    dense.set_weights([kernel])
    return model


def write_onnx(
    path: Path,
    shape: tuple[int | str, ...] = (1, SIDE, SIDE),
    batch: int | str = "images",
    kind: str = "FLOAT",
    beside: bool = False,
) -> Path:
    """The same as an ONNX file; (channels, height, width) or whatever holds one channel. `beside`: weights apart."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rows = np.repeat(np.eye(3, dtype=np.float32), SIDE // 3, axis=0)  # (rows, thirds)
    kernel = 30 * np.repeat(rows, SIDE, axis=0) / (SIDE * SIDE / 3)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "kernel"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "thirds",
        [helper.make_tensor_value_info("pixels", getattr(TensorProto, kind), [batch, *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    apart = {"save_as_external_data": True, "location": f"{path.name}.data", "size_threshold": 0} if beside else {}
    onnx.save_model(model, path, **apart)
    return path
