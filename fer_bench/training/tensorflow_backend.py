"""Functions for the TensorFlow backend: determinism, devices, and fast operations in training."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import keras
import tensorflow as tf
from keras import layers
from keras.optimizers import SGD, Adam


def make_deterministic() -> None:
    """Make operations deterministic. The cost is not measurable on CPUs without XLA."""
    tf.config.experimental.enable_op_determinism()


def accelerators() -> list[str]:
    """Return the names of the GPUs and TPUs that TensorFlow sees."""
    devices = [d for kind in ("GPU", "TPU") for d in tf.config.list_physical_devices(kind)]
    return [tf.config.experimental.get_device_details(d).get("device_name", d.name) for d in devices]


def use_fast_operations(model: keras.Model) -> None:
    """Make layers of a model call faster operations of TensorFlow, which give the same values to rounding.

    - Batch normalization of a batch is one operation. Keras computes it with about ten element-wise operations, each of
      which reads and writes the whole feature map.
    - A depthwise convolution is DepthwiseConv2dNative. Keras compiles a Conv2D with groups with XLA.

    Only the layer objects change: configurations, weights and saved files stay those of plain Keras.
    """
    for layer in model._flatten_layers(include_self=False):
        if call := _fast_call(layer):
            layer.call = MethodType(call, layer)


def use_plain_operations(model: keras.Model) -> None:
    """Undo `use_fast_operations` for functions that are traced from now on."""
    for layer in model._flatten_layers(include_self=False):
        vars(layer).pop("call", None)


def use_update_kernel(optimizer: keras.Optimizer, factor_of: Callable[[Any], float]) -> None:
    """Make Adam, AdamW or SGD with momentum update a variable with one operation; Keras computes it with about ten.

    Args:
        optimizer: The optimizer, which stays an instance of its class. Others than these three do not change.
        factor_of: Returns the factor of the learning rate of a variable.
    """
    if isinstance(optimizer, Adam) and not optimizer.amsgrad:
        apply = _apply_adam
    elif isinstance(optimizer, SGD) and optimizer.momentum:
        apply = _apply_momentum
    else:
        return

    def update_step(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
        if isinstance(gradient, tf.IndexedSlices):
            type(optimizer).update_step(optimizer, gradient, variable, learning_rate)
            return
        learning_rate = tf.cast(learning_rate, variable.dtype) * factor_of(variable)
        apply(optimizer, tf.cast(gradient, variable.dtype), variable, learning_rate)

    optimizer.update_step = MethodType(update_step, optimizer)


def _apply_adam(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
    index, dtype = optimizer._get_variable_index(variable), variable.dtype
    step = keras.ops.cast(optimizer.iterations + 1, dtype)
    beta_1, beta_2 = (tf.cast(beta, dtype) for beta in (optimizer.beta_1, optimizer.beta_2))
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=optimizer._momentums[index].value.handle,
        v=optimizer._velocities[index].value.handle,
        beta1_power=tf.pow(beta_1, step),
        beta2_power=tf.pow(beta_2, step),
        lr=learning_rate,
        beta1=beta_1,
        beta2=beta_2,
        epsilon=tf.cast(optimizer.epsilon, dtype),
        grad=gradient,
    )


def _apply_momentum(optimizer: Any, gradient: Any, variable: Any, learning_rate: Any) -> None:
    tf.raw_ops.ResourceApplyKerasMomentum(
        var=variable.handle,
        accum=optimizer.momentums[optimizer._get_variable_index(variable)].value.handle,
        lr=learning_rate,
        grad=gradient,
        momentum=tf.cast(optimizer.momentum, variable.dtype),
        use_nesterov=optimizer.nesterov,
    )


def _fast_call(layer: layers.Layer) -> Callable[..., Any] | None:
    """Return the faster `call` of a layer, or None."""
    if type(layer) is layers.BatchNormalization:
        # Any number of axes, of which the last one has the statistics.
        plain = not (layer.renorm or layer.synchronized) and layer.scale and layer.center
        return _call_batch_normalization if plain and layer.axis in (-1, layer.input_spec.ndim - 1) else None
    if type(layer) is layers.Conv2D and layer.data_format == "channels_last":
        is_depthwise = layer.groups > 1 and layer.groups == layer.filters and layer.kernel.shape[-2] == 1
        return _call_depthwise_convolution if is_depthwise and layer.dilation_rate == (1, 1) else None
    return None


def _call_batch_normalization(layer: Any, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
    if not training or not layer.trainable or mask is not None:
        return type(layer).call(layer, inputs, training=training, mask=mask)
    shape = tf.shape(inputs)
    count = tf.cast(tf.reduce_prod(shape[:-1]), tf.float32)
    normalized, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=inputs if len(inputs.shape) == 4 else tf.reshape(inputs, (-1, 1, 1, inputs.shape[-1])),
        scale=layer.gamma.value,
        offset=layer.beta.value,
        mean=tf.constant([], tf.float32),
        variance=tf.constant([], tf.float32),
        epsilon=layer.epsilon,
    )
    variance *= (count - 1) / count  # Keras averages the biased variance, the operation returns the unbiased one
    for average, value in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
        average.assign(average * layer.momentum + value * (1 - layer.momentum))
    return normalized if len(inputs.shape) == 4 else tf.reshape(normalized, shape)


def _call_depthwise_convolution(layer: Any, inputs: Any) -> Any:
    height, width = layer.strides
    outputs = tf.nn.depthwise_conv2d(
        inputs,
        tf.transpose(layer.kernel, (0, 1, 3, 2)),  # Keras: (height, width, 1, channels)
        strides=(1, height, width, 1),
        padding=layer.padding.upper(),
    )
    if layer.use_bias:
        outputs = tf.nn.bias_add(outputs, layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)
