"""Write a Keras model as a file of another format, with plain operations in float32."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from fer_bench.core.stderr import suppress_stderr
from fer_bench.training.cost import save_model

CALIBRATION_BATCH_SIZE = 16
INPUT_NAME = "pixels"


def plain_model(model: keras.Model, unroll: bool = False) -> keras.Model:
    """Return a copy of a model that computes in float32, with layers as Keras defines them and the same weights.

    Args:
        model: The model, of any precision.
        unroll: Whether recurrent layers are unrolled: loops over time need operations that LiteRT does not have.
    """
    text = json.dumps(keras.saving.serialize_keras_object(model))
    # The input of a network of keras.applications has a dtype of its own.
    for precision in ("mixed_bfloat16", "mixed_float16", "bfloat16", "float16"):
        text = text.replace(f'"{precision}"', '"float32"')
    if unroll:
        text = text.replace('"unroll": false', '"unroll": true')
    copy = keras.saving.deserialize_keras_object(json.loads(text))
    copy.set_weights(model.get_weights())
    return copy


def write_model(model: keras.Model, file: Path, file_format: str, calibration: np.ndarray | None) -> None:
    """Write a model in a format of `export.FORMATS`.

    Args:
        model: The model, from pixels (batch, [time,] height, width, 1) in [0, 255] to logits.
        file: The new file; a folder for a SavedModel.
        file_format: "onnx", "litert", "saved_model" or "keras".
        calibration: Pixels (images, …) uint8 whose activations set the ranges of an 8-bit model; None for float32.
    """
    if file_format == "keras":
        save_model(plain_model(model), file)
        return
    with _quiet():
        if file_format == "saved_model":
            _inference_model(model).export(file, format="tf_saved_model", verbose=False)
        elif file_format == "onnx":
            network = _inference_model(model, for_8_bits=calibration is not None)
            _adapt_to_onnx(network)
            network.export(file, format="onnx", verbose=False)
            if calibration is not None:
                _quantize_onnx(file, calibration)
        else:
            from fer_bench.inference.export import tensorflow_lite

            network = _inference_model(model, unroll=True, for_8_bits=calibration is not None)
            tensorflow_lite.write(network, file, calibration)


def _inference_model(model: keras.Model, unroll: bool = False, for_8_bits: bool = False) -> keras.Model:
    """Return a plain copy of a model that is in inference mode however it is called.

    Keras exports calls without `training`, and its Resizing layer then switches all layers behind it to training mode.
    It also compiles depthwise convolutions of Conv2D with XLA, which other runtimes do not have.
    """
    from fer_bench.training.tensorflow_backend import use_fast_operations

    plain = plain_model(model, unroll)
    use_fast_operations(plain)
    if for_8_bits:
        _scale_channels_apart(plain)
    pixels = keras.Input(plain.input_shape[1:], name=INPUT_NAME)
    result = keras.Model(pixels, plain(pixels, training=False))
    result(np.zeros((1, *plain.input_shape[1:]), np.float32))  # Keras refuses to export what was never called
    return result


def _scale_channels_apart(model: keras.Model) -> None:
    """Compute batch normalization that does not follow a convolution as a depthwise convolution with 1×1 kernels.

    Converters merge the other ones into the kernel before, which has a scale per channel in 8 bits. The factors of a
    normalization share one scale: a channel without variance, with a factor of 1/√epsilon, rounds the rest to zero.
    """
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.BatchNormalization) and not _follows_convolution(layer):
            layer.call = _depthwise_normalization(layer)


def _follows_convolution(layer: keras.layers.BatchNormalization) -> bool:
    if not layer._inbound_nodes:  # within another layer
        return True
    (tensor,) = layer._inbound_nodes[0].input_tensors
    before = tensor._keras_history.operation
    return hasattr(before, "kernel_size") and before.activation is keras.activations.linear


def _depthwise_normalization(layer: keras.layers.BatchNormalization) -> Callable[..., Any]:
    mean, variance = (keras.ops.convert_to_numpy(value) for value in (layer.moving_mean, layer.moving_variance))
    factors = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        factors *= keras.ops.convert_to_numpy(layer.gamma)
    offsets = -mean * factors
    if layer.center:
        offsets += keras.ops.convert_to_numpy(layer.beta)

    def call(inputs: Any, training: bool = False, mask: Any = None) -> Any:
        maps = inputs if inputs.ndim == 4 else keras.ops.reshape(inputs, (-1, 1, 1, inputs.shape[-1]))
        result = keras.ops.depthwise_conv(maps, factors[None, None, :, None]) + offsets
        return keras.ops.reshape(result, (-1, *inputs.shape[1:]))

    return call


def _adapt_to_onnx(model: keras.Model) -> None:
    """Compute GELU with erf, because ONNX has no erfc, and make the statistics of Normalization constants.

    The converter takes their tensors, which are no variables, as inputs of the model.
    """

    def gelu(x: Any) -> Any:
        return 0.5 * x * (1 + keras.ops.erf(x * math.sqrt(0.5)))

    for layer in model._flatten_layers(include_self=False):
        if getattr(layer, "activation", None) is keras.activations.gelu:
            layer.activation = gelu
        if isinstance(layer, keras.layers.Normalization):
            layer.mean, layer.variance = (keras.ops.convert_to_numpy(value) for value in (layer.mean, layer.variance))


def add_onnx_metadata(file: Path, metadata: Mapping[str, str]) -> None:
    """Add properties to an ONNX file, which every runtime can read."""
    import onnx

    proto = onnx.load(file)
    onnx.helper.set_model_props(proto, dict(metadata))
    onnx.save(proto, file)


def _quantize_onnx(file: Path, calibration: np.ndarray) -> None:
    """Replace an ONNX file by its 8-bit version.

    Weights have 7 bits: on processors without VNNI instructions, products of 8-bit weights and 8-bit activations exceed
    the 16 bits in which they are added, and the outputs are wrong.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    starts = range(0, len(calibration), CALIBRATION_BATCH_SIZE)
    batches = iter([calibration[i : i + CALIBRATION_BATCH_SIZE].astype(np.float32) for i in starts])

    class Pixels(CalibrationDataReader):
        def get_next(self) -> dict[str, np.ndarray] | None:
            batch = next(batches, None)
            return None if batch is None else {INPUT_NAME: batch}

    prepared = file.with_name(f"prepared-{file.name}")
    quant_pre_process(file, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        file,
        Pixels(),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
    )
    prepared.unlink()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the logs of converters, which are about their own internals."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            suppress_stderr(show_on_error=False),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
