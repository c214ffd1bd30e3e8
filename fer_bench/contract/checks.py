"""The checks of the contract. Each takes a `ModelUnderTest` and returns a problem with its fix, or None."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from fer_bench.contract import description
from fer_bench.contract.model_under_test import BATCH_SIZE, NUM_CLASSES, OTHER_NUM_CLASSES, ModelUnderTest, predict
from fer_bench.core.errors import UserError
from fer_bench.core.text import list_first, one_line

Check = Callable[[ModelUnderTest], str | None]

MAX_INITIAL_LOSS = 10.0  # cross-entropy; guessing among seven classes gives 1.95
MAX_LISTED = 5  # weights in one message
MAX_MESSAGE_LENGTH = 300  # characters of an exception's message


def docs(tested: ModelUnderTest) -> str | None:
    """Check that the docstring and the registry options are complete and valid."""
    return next(description.find_problems(tested.architecture), None)


def builds(tested: ModelUnderTest) -> str | None:
    """Check that the model builds at every declared input size."""
    for size in tested.sizes:
        try:
            _build(tested, size)
        except Exception as error:
            return f"it does not build at an input size of {size}: {format_exception(error)}"
    return None


def output(tested: ModelUnderTest) -> str | None:
    """Check that the model returns finite float32 logits that depend on its input, under mixed precision too."""
    logits = tested.logits
    if logits.shape != (BATCH_SIZE, NUM_CLASSES) or logits.dtype != np.float32:
        return f"it must return float32 logits (batch, classes), not {logits.dtype} {logits.shape}"
    if not np.isfinite(logits).all():
        return "its logits are not finite numbers, with random weights and before any training"
    activation = getattr(tested.model.layers[-1], "activation", None) or keras.activations.linear
    if activation is not keras.activations.linear or np.allclose(np.sum(logits, axis=1), 1, atol=1e-4):
        return "it must return logits: remove the activation of its last layer, the loss applies the softmax"
    if np.ptp(logits, axis=0).max() <= 1e-6 * np.abs(logits).max():
        return "its output does not depend on its input: all images get the same logits"
    try:
        tested.other_seed_model  # noqa: B018
    except UserError as error:
        hint = ' Under mixed precision its last layer needs dtype="float32".' if "bfloat16" in str(error) else ""
        return f"{error}{hint}"
    return None


def pixels(tested: ModelUnderTest) -> str | None:
    """Check that uint8 and float pixels in [0, 255] give the same logits."""
    from_floats = predict(tested.model, tested.pixels.astype(np.float32))
    if not np.allclose(from_floats, tested.logits, rtol=1e-5, equal_nan=True):
        return "uint8 and float pixels of the same images give different logits: convert them in the first layer"
    return None


def params(tested: ModelUnderTest) -> str | None:
    """Check that the declared number of parameters is right."""
    counted, declared = tested.model.count_params(), tested.architecture.num_parameters
    if declared is None:
        return f"it does not declare its number of parameters: add num_parameters={counted:_}"
    if counted != declared:
        return f"it declares num_parameters={declared:_} but has {counted:_} at its default recipe's input size"
    return None


def sizes(tested: ModelUnderTest) -> str | None:
    """Check that weights fit every input size, unless the architecture declares that they do not."""
    if len(tested.sizes) == 1:
        return None
    try:
        differ = _weights_depend_on_size(tested)
    except UserError:  # the check `output` reports it
        return None
    declared = tested.architecture.weights_depend_on_size
    if differ and not declared:
        return "its weights have other shapes at another input size: add weights_depend_on_size=True"
    if declared and not differ:
        return "its weights have the same shapes at every input size: remove weights_depend_on_size=True"
    return None


def seeds(tested: ModelUnderTest) -> str | None:
    """Check that a seed determines the initial weights, and that another seed gives other weights."""
    for weight, repeated in zip(tested.model.weights, tested.same_seed_model.weights, strict=True):
        if not _equal(weight, repeated):
            return f"the weight '{weight.path}' differs between two models of one seed: use only keras.random"
    try:
        other_weights = tested.other_seed_model.trainable_weights
    except UserError:  # the check `output` reports it
        return None
    for weight, other in zip(tested.model.trainable_weights, other_weights, strict=True):
        # Kernels that are constant on purpose, such as those of a gate that starts at zero, are equal for all seeds.
        is_random = "kernel" in weight.name and np.ptp(keras.ops.convert_to_numpy(weight)) > 0
        if is_random and _equal(weight, other):
            return f"the weight '{weight.path}' is the same for every seed: remove the seed of its initializer"
    return None


def learns(tested: ModelUnderTest) -> str | None:
    """Check that one training step lowers the loss of a fixed batch."""
    before, after = tested.steps.loss_before, tested.steps.loss_after
    if not math.isfinite(before):
        return f"its loss is {before} before any training"
    if before > MAX_INITIAL_LOSS:
        return (
            f"its initial loss is {before:.0f}, and guessing gives {math.log(NUM_CLASSES):.2f}: its input is pixels in "
            "[0, 255], which `rescale_input` of fer_bench.layers brings to [-1, 1]"
        )
    if not after < before:
        return f"a training step does not lower the loss of its own batch: {before:.5f}, then {after:.5f}"
    return None


def grads(tested: ModelUnderTest) -> str | None:
    """Check that a gradient reaches every trainable weight."""
    paths = tested.steps.weights_without_gradient
    if not paths:
        return None
    return f"no gradient reaches {list_first(paths, MAX_LISTED)}: the loss does not depend on them"


def saves(tested: ModelUnderTest) -> str | None:
    """Check that the model predicts the same after saving it as .keras and loading it with Keras alone."""
    for layer in tested.model._flatten_layers(include_self=False):
        layer_class = type(layer)
        is_ours = layer_class.__module__.partition(".")[0] != "keras"
        if is_ours and keras.saving.get_registered_name(layer_class) == layer_class.__name__:
            return (
                f"a saved model cannot find the layer {layer_class.__name__}: put "
                "@keras.saving.register_keras_serializable(package=…) before its class"
            )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        tested.model.save(file)
        try:
            loaded = keras.saving.load_model(file, compile=False)
        except Exception as error:
            return (
                "the saved model cannot be loaded; use layers of Keras or registered layers instead of functions: "
                f"{format_exception(error)}"
            )
    scale = np.nanmax(np.abs(tested.logits), initial=0)
    if not np.allclose(predict(loaded, tested.pixels), tested.logits, rtol=1e-4, atol=1e-5 * scale, equal_nan=True):
        return "the loaded model predicts something else: get_config() of a layer must return all of its arguments"
    return None


def _build(tested: ModelUnderTest, size: int) -> None:
    """Build the model at a size, if possible as one that another check uses too, because building takes seconds."""
    if size == tested.default_size:
        tested.model  # noqa: B018
    elif size == tested.sizes[0]:
        try:
            tested.other_seed_model  # noqa: B018
        except Exception:  # the reason may be its precision or its classes, which the check `output` reports
            tested.build(size)
    else:
        tested.build(size)


def _weights_depend_on_size(tested: ModelUnderTest) -> bool:
    """Return whether a shape depends on the size, from models that other checks use, if possible."""
    is_smallest = tested.sizes[0] == tested.default_size
    other = tested.build(tested.sizes[1]) if is_smallest else tested.other_seed_model
    pairs = [
        (size, other_size)
        for weight, other_weight in zip(tested.model.weights, other.weights, strict=True)
        for size, other_size in zip(weight.shape, other_weight.shape, strict=True)
    ]
    return any(a != b and (a, b) != (NUM_CLASSES, OTHER_NUM_CLASSES) for a, b in pairs)


def _equal(weight: keras.Variable, other: keras.Variable) -> bool:
    return np.array_equal(keras.ops.convert_to_numpy(weight), keras.ops.convert_to_numpy(other))


CHECKS: dict[str, Check] = {
    check.__name__: check for check in (docs, builds, output, pixels, params, sizes, seeds, learns, grads, saves)
}


def format_exception(error: BaseException) -> str:
    """Return an exception's type and the start of its message on one line, without the location that Keras adds."""
    if isinstance(error, UserError):
        return str(error)
    paragraphs = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().split("\n\n")
    start = 1 if paragraphs[0].startswith("Exception encountered when calling") and len(paragraphs) > 1 else 0
    return f"{type(error).__name__}: {one_line(paragraphs[start])[:MAX_MESSAGE_LENGTH]}"
