"""Small untrained models that recognize the synthetic classes by which third of the rows is bright."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers

LABELS = ["top", "middle", "bottom"]
CLASSES = ["angry", "happy", "none"]  # of kept models; the last is also a word for an output without a class
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


def write_litert(
    path: Path, model: keras.Model, quantize: str | None = None, float16: bool = False, custom_op: str = ""
) -> Path:
    """Write a model as .tflite; `quantize` names the 8-bit type of input and output, `custom_op` an operation."""
    import flatbuffers
    import tensorflow as tf
    from tensorflow.lite.python import schema_py_generated as schema

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if quantize or float16:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if float16:
        converter.target_spec.supported_types = [tf.float16]
    if quantize:
        pixels = np.random.default_rng(0).random((20, 1, SIZE, SIZE, 1), np.float32)
        converter.representative_dataset = lambda: ([image] for image in pixels)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, quantize)
    data = converter.convert()
    if custom_op:
        edited = schema.ModelT.InitFromPackedBuf(data)
        edited.operatorCodes[0].customCode = custom_op.encode()
        builder = flatbuffers.Builder()
        builder.Finish(edited.Pack(builder), b"TFL3")
        data = bytes(builder.Output())
    path.write_bytes(data)
    return path
