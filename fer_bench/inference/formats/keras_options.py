"""Upgrades the options of one layer, as Keras 1 and 2 wrote them, to the arguments of a Keras 3 layer.

Options without influence on predictions are dropped. Every other option that Keras 3 does not have must hold the
value at which it has no effect.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import keras

from fer_bench.inference.formats.unsupported import Unsupported

CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "SeparableConvolution2D": "SeparableConv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "Deconvolution3D": "Conv3DTranspose",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
    "ThresholdedReLU": "ReLU",
    "SyncBatchNormalization": "BatchNormalization",
}
# Layers that do nothing when a model predicts.
IDENTITIES = [
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "AlphaDropout",
    "GaussianNoise",
    "GaussianDropout",
    "ActivityRegularization",
    "RandomFlip",
    "RandomRotation",
    "RandomZoom",
    "RandomContrast",
    "RandomTranslation",
    "RandomBrightness",
    "RandomHeight",
    "RandomWidth",
    "FixedDropout",  # of the package efficientnet
]
WITH_CODE = ("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer")
TEXT = ("StringLookup", "IntegerLookup", "TextVectorization", "Hashing")  # may read files, and no image needs them
ABSTRACT = ("Layer", "Wrapper", "Pipeline")
NAMES = {  # option of Keras 1 -> of Keras 3
    "nb_filter": "filters",
    "subsample": "strides",
    "subsample_length": "strides",
    "stride": "strides",
    "border_mode": "padding",
    "dim_ordering": "data_format",
    "bias": "use_bias",
    "inner_activation": "recurrent_activation",
    "pool_length": "pool_size",
    "filter_length": "kernel_size",
    "length": "size",
    "atrous_rate": "dilation_rate",
    "output_dim": "units",
}
NAMES_BY_CLASS = {
    "LeakyReLU": {"alpha": "negative_slope"},
    "ReLU": {"theta": "threshold"},
}
DEFAULTS: dict[str, dict[str, Any]] = {  # of Keras 1 and 2, if the file does not say and Keras 3 decides otherwise
    "GRU": {"reset_after": False, "recurrent_activation": "hard_sigmoid"},
    "LSTM": {"recurrent_activation": "hard_sigmoid"},
    "CuDNNGRU": {"reset_after": True, "recurrent_activation": "sigmoid"},
    "CuDNNLSTM": {"recurrent_activation": "sigmoid"},
    "ConvLSTM2D": {"recurrent_activation": "hard_sigmoid"},
}
# Options that say how a layer was initialized, trained or computed.
TRAINING_ONLY_ENDINGS = ("_initializer", "_regularizer", "_constraint", "_init")
TRAINING_ONLY = [
    "name",
    "trainable",
    "dtype",
    "batch_input_shape",
    "batch_shape",
    "input_shape",
    "input_dtype",
    "input_length",
    "init",
    "weights",
    "unit_forget_bias",
    "consume_less",
    "implementation",
    "unroll",
    "dropout",
    "dropout_W",
    "dropout_U",
    "recurrent_dropout",
    "momentum",
    "gamma_regularizer",
    "fused",
    "renorm_clipping",
    "renorm_momentum",
    "experimental_autocast",
    "autocast",
    "synchronized",
    "optional",
    "seed",
    "rng_type",
    "rank",
    "query_shape",
    "key_shape",
    "value_shape",
    "build_config",
    "quantization_config",
    "virtual_batch_size",
]
# Options that Keras 3 does not have, with the values at which they have no effect.
WITHOUT_EFFECT: dict[str, tuple[Any, ...]] = {
    "groups": (1,),
    "time_major": (False,),
    "stateful": (False,),
    "renorm": (False,),
    "mode": (0,),
    "ragged": (False,),
    "sparse": (False,),
    "supports_masking": (True, False),
    "causal": (False,),
    "zero_output_for_mask": (False,),
    "softmax_robust_masking": (False,),
}
NEVER_PASSED = ("stateful",)  # Keras 3 has it, but the state would leak from one batch to the next
DATA_FORMATS = {"tf": "channels_last", "th": "channels_first", "default": "channels_last"}
ACTIVATIONS = {"softmax_v2": "softmax", "swish": "silu", "silu_v2": "silu", "gelu_v2": "gelu", "relu_v2": "relu"}


# Bidirectional copies its layer by name: without an own, registered name, the copy would get Keras 3's function.
@keras.saving.register_keras_serializable(package="keras_2")
def keras_2_hard_sigmoid(x: Any) -> Any:
    """Return Keras 2's hard sigmoid; that of Keras 3 has another slope."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def current_name(class_name: str) -> str:
    """Return the name of a layer in Keras 3."""
    return CLASSES.get(class_name, re.sub(r"V[12]$", "", class_name))


def layer_class(class_name: str) -> type[keras.layers.Layer]:
    """Return a built-in layer by name. Unsupported if there is none, or if it runs code from a file."""
    if class_name in WITH_CODE:
        raise Unsupported(f"it contains code in a {class_name} layer")
    if class_name in (*TEXT, *ABSTRACT):
        raise Unsupported(f"it requires '{class_name}', which no image classifier needs")
    found = getattr(keras.layers, current_name(class_name), None)
    if not (isinstance(found, type) and issubclass(found, keras.layers.Layer)):
        raise Unsupported(f"it requires '{class_name}', which Keras does not have")
    return found


def upgrade(class_name: str, config: dict[str, Any], build: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return the arguments with which Keras 3 makes the same layer.

    Args:
        class_name: As the file names it.
        config: The options in the file.
        build: Makes a layer from its configuration, for activations that are layers.

    Raises:
        Unsupported: The layer is not built in, or an option has a meaning that Keras 3 does not have.
    """
    layer, new_name = layer_class(class_name), current_name(class_name)
    stored = _join_sizes({key: plain(value) for key, value in config.items()})
    options = DEFAULTS.get(class_name, {}) | _rename(new_name, stored)
    if new_name != "Embedding":
        options.pop("input_dim", None)  # of the input, which is known when the layer is built
    known = inspect.signature(layer).parameters.keys() - {"args", "kwargs"}
    arguments = {}
    for key, value in options.items():
        if _is_training_only(key):
            continue
        if key in known and key not in NEVER_PASSED:
            arguments[key] = _value(key, value, build)
        else:
            _check_without_effect(key, value, config, class_name)
    return arguments


def drop_unknown(config: Any) -> Any:
    """Return a configuration of Keras 3 without options that this Keras does not have and that have no effect.

    Raises:
        Unsupported: An unknown option has an effect.
    """
    if isinstance(config, list):
        return [drop_unknown(item) for item in config]
    if not isinstance(config, dict):
        return config
    config = {key: drop_unknown(value) for key, value in config.items()}
    layer = getattr(keras.layers, str(config.get("class_name")), None)
    options = config.get("config")
    if isinstance(layer, type) and issubclass(layer, keras.layers.Layer) and isinstance(options, dict):
        known = {*inspect.signature(layer).parameters, "name", "trainable", "dtype", "batch_input_shape"}
        for key in options.keys() - known:
            if not _is_training_only(key):
                _check_without_effect(key, options[key], options, config["class_name"])
        config["config"] = {key: value for key, value in options.items() if key in known}
    return config


def plain(value: Any) -> Any:
    """Return a value without the wrappers of JSON: arrays as numbers or lists, tuples as lists."""
    if isinstance(value, dict):
        if value.get("type") == "ndarray":
            return value.get("value")
        if value.get("class_name") == "__tuple__":
            return [plain(item) for item in value.get("items") or []]
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def activation(value: Any, build: Callable[[dict[str, Any]], Any]) -> Any:
    """Return an activation as the file names it, or as a layer. Unsupported if Keras does not have it."""
    if isinstance(value, dict):
        if value.get("class_name") not in ("function", "builtin_function_or_method"):
            return build(value)
        value = value.get("config")
    if isinstance(value, dict):
        value = value.get("name")
    if value is None:
        return None
    if value == "hard_sigmoid":
        return keras_2_hard_sigmoid
    name = ACTIVATIONS.get(value, value)
    try:
        if not isinstance(name, str):
            raise ValueError
        return keras.activations.get(name)
    except ValueError:
        raise Unsupported(f"it requires the activation '{value}', which Keras does not have") from None


def _check_without_effect(key: str, value: Any, config: dict[str, Any], class_name: str) -> None:
    if value is not None and value not in WITHOUT_EFFECT.get(key, ()):
        shown = f"{value!r}"[:60]
        raise Unsupported(f"its layer '{config.get('name')}' ({class_name}) has {key}={shown}, unknown to Keras 3")


def _is_training_only(key: str) -> bool:
    return key in TRAINING_ONLY or key.endswith(TRAINING_ONLY_ENDINGS)


def _rename(new_name: str, options: dict[str, Any]) -> dict[str, Any]:
    by_class = NAMES_BY_CLASS.get(new_name, {})
    known = inspect.signature(layer_class(new_name)).parameters
    renamed = {}
    for key, value in options.items():
        new_key = by_class.get(key, key if key in known else NAMES.get(key, key))
        renamed[new_key] = value
    return renamed


def _join_sizes(options: dict[str, Any]) -> dict[str, Any]:
    """Join Keras 1's kernel sizes, one option per dimension."""
    for names in (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3")):
        if names[0] in options:
            options["kernel_size"] = [options.pop(name) for name in names]
    return options


def _value(key: str, value: Any, build: Callable[[dict[str, Any]], Any]) -> Any:
    if key in ("activation", "recurrent_activation"):
        return activation(value, build)
    if key == "data_format":
        return DATA_FORMATS.get(value, value)
    if key == "axis" and isinstance(value, list) and len(value) == 1:
        return value[0]
    if key in ("padding", "cropping"):
        return _padding(value)
    return tuple(value) if isinstance(value, list) and not any(isinstance(item, list) for item in value) else value


def _padding(value: Any) -> Any:
    """Return the padding of a convolution, or that of ZeroPadding2D in the forms of Keras 1."""
    if isinstance(value, dict):
        value = [value.get(side, 0) for side in ("top_pad", "bottom_pad", "left_pad", "right_pad")]
    if isinstance(value, list) and len(value) == 4:
        return ((value[0], value[1]), (value[2], value[3]))
    if isinstance(value, list):
        return tuple(tuple(item) if isinstance(item, list) else item for item in value)
    return value
