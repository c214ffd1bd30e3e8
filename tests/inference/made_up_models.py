"""Small untrained models that recognize the synthetic classes by which third of the rows is bright."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers

LABELS = ["top", "middle", "bottom"]
SIZE = 12


def thirds(
    size: int = SIZE, channels: int = 1, order: tuple[int, ...] = (0, 1, 2), softmax: bool = True
) -> keras.Model:
    """Return a Keras model whose outputs are the brightness of the thirds, in this order, for pixels in 0 to 1."""
    inputs = keras.Input((size, size, channels))
    x = layers.AveragePooling2D((size // 3, size))(inputs)
    x = layers.Flatten()(layers.Cropping2D(0)(x))
    # Only the first channel counts.
    kernel = np.zeros((3 * channels, len(order)), np.float32)
    kernel[[channels * third for third in order], np.arange(len(order))] = 30
    dense = layers.Dense(len(order), use_bias=False, activation="softmax" if softmax else None)
    model = keras.Model(inputs, dense(x))
    dense.set_weights([kernel])
    return model


def write_onnx(
    path: Path,
    shape: tuple[int | str, ...] = (1, SIZE, SIZE),
    batch: int | str = "images",
    dtype: str = "FLOAT",
    external_weights: bool = False,
) -> Path:
    """Write the same model as ONNX. `shape` is that of one image in any layout of one channel."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rows = np.repeat(np.eye(3, dtype=np.float32), SIZE // 3, axis=0)  # (rows, thirds)
    kernel = 30 * np.repeat(rows, SIZE, axis=0) / (SIZE * SIZE / 3)
    nodes = [
        helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("MatMul", ["flat", "kernel"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "thirds",
        [helper.make_tensor_value_info("pixels", getattr(TensorProto, dtype), [batch, *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [batch, 3])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    location = f"{path.name}.data" if external_weights else None
    onnx.save_model(model, path, save_as_external_data=external_weights, location=location, size_threshold=0)
    return path
