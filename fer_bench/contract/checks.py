"""The contract of an architecture: named checks, each of which returns None or what is wrong and what to do."""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from fer_bench.contract import description
from fer_bench.contract.model_under_test import BATCH_SIZE, CLASSES, ModelUnderTest, predict
from fer_bench.core.errors import UserError

Check = Callable[[ModelUnderTest], str | None]

WORST_START = 10.0  # cross-entropy; guessing among seven classes is 1.95
NAMED = 5  # weights in a complaint
LONGEST = 300  # characters of an exception's message


def docs(subject: ModelUnderTest) -> str | None:
    """Its docstring and its description are whole."""
    return next(description.complaints(subject.architecture), None)


def builds(subject: ModelUnderTest) -> str | None:
    """It builds at every input size that it names."""
    for size in subject.sizes:
        try:
            _build_once(subject, size)
        except Exception as error:
            return f"it does not build at an input size of {size}: {described(error)}"
    return None


def output(subject: ModelUnderTest) -> str | None:
    """It returns finite float32 logits of the classes asked for, under mixed precision too, and looks at its input."""
    logits = subject.logits
    if logits.shape != (BATCH_SIZE, CLASSES) or logits.dtype != np.float32:
        return f"it must return float32 logits (batch, classes), not {logits.dtype} {logits.shape}"
    if not np.isfinite(logits).all():
        return "its logits are not finite numbers, with random weights and before any training"
    activation = getattr(subject.model.layers[-1], "activation", None) or keras.activations.linear
    if activation is not keras.activations.linear or np.allclose(np.sum(logits, axis=1), 1, atol=1e-4):
        return "it must return logits: leave the activation of its last layer out, the loss has the softmax"
    if np.ptp(logits, axis=0).max() <= 1e-6 * np.abs(logits).max():
        return "its output does not depend on its input: all images get the same logits"
    try:
        subject.other_seed_model  # noqa: B018
    except UserError as error:
        hint = ' Under mixed precision its last layer needs dtype="float32".' if "bfloat16" in str(error) else ""
        return f"{error}{hint}"
    return None


def pixels(subject: ModelUnderTest) -> str | None:
    """Bytes and floats of the same pixels in [0, 255] give the same logits."""
    if not np.allclose(
        predict(subject.model, subject.pixels.astype(np.float32)), subject.logits, rtol=1e-5, equal_nan=True
    ):
        return "uint8 and float pixels of the same images give different logits: convert them in the first layer"
    return None


def params(subject: ModelUnderTest) -> str | None:
    """It has as many parameters as it declares."""
    counted, declared = subject.model.count_params(), subject.architecture.num_parameters
    if declared is None:
        return f"it does not declare its parameters: add num_parameters={counted:_}"
    if counted != declared:
        return f"it declares num_parameters={declared:_} but has {counted:_} at its default recipe's input size"
    return None


def seeds(subject: ModelUnderTest) -> str | None:
    """The same seed gives the same weights, another seed others."""
    for one, twin in zip(subject.model.weights, subject.same_seed_model.weights, strict=True):
        if not _equal(one, twin):
            return f"the weight '{one.path}' differs between two models of one seed: draw it with keras.random alone"
    try:
        others = subject.other_seed_model.trainable_weights
    except UserError:  # the check of its output says why
        return None
    for one, other in zip(subject.model.trainable_weights, others, strict=True):
        if (
            "kernel" in one.name and np.ptp(keras.ops.convert_to_numpy(one)) > 0 and _equal(one, other)
        ):  # a gate's kernel may start at zero
            return f"the weight '{one.path}' is the same for every seed: give its initializer no seed of its own"
    return None


def learns(subject: ModelUnderTest) -> str | None:
    """One step of training lowers the loss on a fixed batch."""
    steps = subject.steps
    if not math.isfinite(steps.before):
        return f"its loss is {steps.before} before any training"
    if steps.before > WORST_START:
        return (
            f"its loss begins at {steps.before:.0f}, where guessing gives {math.log(CLASSES):.2f}: its input is "
            "pixels in [0, 255], which `scaled` of architectures.layers brings to [-1, 1]"
        )
    if not steps.after < steps.before:
        return (
            f"a step of training does not lower the loss of its own batch: {steps.before:.5f}, then {steps.after:.5f}"
        )
    return None


def grads(subject: ModelUnderTest) -> str | None:
    """Gradients reach every trainable weight."""
    unreached = subject.steps.unreached
    if not unreached:
        return None
    more = f" and {len(unreached) - NAMED} more" if len(unreached) > NAMED else ""
    return f"no gradient reaches {', '.join(unreached[:NAMED])}{more}: the loss does not depend on them"


def saves(subject: ModelUnderTest) -> str | None:
    """Saved as .keras and loaded with nothing beside it, it predicts the same."""
    for layer in subject.model._flatten_layers(include_self=False):
        kind = type(layer)
        if kind.__module__.partition(".")[0] != "keras" and keras.saving.get_registered_name(kind) == kind.__name__:
            return (
                f"a saved model cannot find the layer {kind.__name__}: put "
                "@keras.saving.register_keras_serializable(package=…) over its class"
            )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        subject.model.save(file)
        try:
            loaded = keras.saving.load_model(file, compile=False)
        except Exception as error:
            return (
                "the saved model cannot be loaded; in place of functions use layers of Keras or registered ones: "
                f"{described(error)}"
            )
    scale = np.nanmax(np.abs(subject.logits), initial=0)
    again = predict(loaded, subject.pixels)
    if not np.allclose(again, subject.logits, rtol=1e-4, atol=1e-5 * scale, equal_nan=True):
        return "the saved and loaded model predicts otherwise: get_config() of a layer must hold all of its arguments"
    return None


def _build_once(subject: ModelUnderTest, size: int) -> None:
    """Build it at a size by way of a model that another check needs too, where there is one: models take seconds."""
    if size == subject.recipe.input_size:
        subject.model  # noqa: B018
    elif size == subject.sizes[0]:
        try:
            subject.other_seed_model  # noqa: B018
        except Exception:  # it may be its precision or its classes, of which the check of its output tells
            subject.build(size)
    else:
        subject.build(size)


def _equal(one: keras.Variable, other: keras.Variable) -> bool:
    return np.array_equal(keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other))


CHECKS: dict[str, Check] = {
    check.__name__: check for check in (docs, builds, output, pixels, params, seeds, learns, grads, saves)
}


def described(error: BaseException) -> str:
    """An exception as one line: its type and the beginning of its message, without Keras' word on where it was."""
    if isinstance(error, UserError):
        return str(error)
    paragraphs = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().split("\n\n")
    start = 1 if paragraphs[0].startswith("Exception encountered when calling") and len(paragraphs) > 1 else 0
    return f"{type(error).__name__}: {' '.join(paragraphs[start].split())[:LONGEST]}"
