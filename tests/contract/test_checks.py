"""The contract catches what authors get wrong, and says what."""

from __future__ import annotations

import sys

import pytest

from fer_bench.contract.checks import CHECKS
from fer_bench.contract.run import check, check_on
from fer_bench.registry.architectures import ARCHITECTURES

HEAD = '''"""Networks, each with one mistake."""

import os

import keras
import numpy as np
from keras import layers, ops

from architectures.layers import classifier, conv_block, scaled
from fer_bench.registry.architectures import register_architecture


class Doubling(layers.Layer):
    def call(self, inputs):
        return 2 * inputs


@keras.saving.register_keras_serializable(package="test_checks")
class Forgetful(layers.Layer):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs):
        return self.factor * inputs

    def get_config(self):
        return {"name": self.name}


def drawn(shape, dtype=None):
    return np.random.default_rng().normal(size=shape)


def features(inputs, recipe):
    return layers.Flatten()(conv_block(layers.AveragePooling2D(4)(scaled(inputs, recipe)), 8))
'''
GOOD = "classifier(features(inputs, recipe), recipe)"
# name → what is wrong, decorator options, body, the check that sees it, what its complaint says
MISTAKES = {
    "softmax": ("", "", f"return layers.Softmax()({GOOD})", "output", "must return logits"),
    "activated": (
        "",
        "",
        "return layers.Dense(7, 'sigmoid')(features(inputs, recipe))",
        "output",
        "must return logits",
    ),
    "half": ("", "", "return layers.Dense(recipe.classes)(features(inputs, recipe))", "output", "mixed precision"),
    "always_half": ("", "", "return layers.Dense(7, dtype='bfloat16')(features(inputs, recipe))", "builds", "bfloat16"),
    "classes": ("", "", "return layers.Dense(7, dtype='float32')(features(inputs, recipe))", "output", "(batch, 5)"),
    "blind": ("", "", f"inputs = 0 * inputs; return {GOOD}", "output", "does not depend on its input"),
    "nan": ("", "", f"return {GOOD} * float('nan')", "output", "not finite"),
    "raw": ("", "", "return classifier(layers.Flatten()(inputs), recipe)", "learns", "[0, 255]"),
    "dead": (
        "",
        "",
        f"dead = layers.Dense(recipe.classes, name='branch')(layers.Flatten()(inputs)); return {GOOD} "
        "+ ops.stop_gradient(dead)",
        "grads",
        "branch/kernel",
    ),
    "undeclared": ("", "", f"return {GOOD}", "params", "parameters=2_127"),
    "miscounted": ("", "parameters=5", f"return {GOOD}", "params", "2_127"),
    "unseeded": (
        "",
        "",
        "return layers.Dense(recipe.classes, kernel_initializer=drawn, dtype='float32')(features(inputs, recipe))",
        "seeds",
        "differs between two models of one seed",
    ),
    "one_seed": (
        "",
        "",
        "x = layers.Conv2D(8, 3, kernel_initializer=keras.initializers.HeNormal(seed=1))(scaled(inputs, recipe)); "
        "return classifier(layers.Flatten()(x), recipe)",
        "seeds",
        "the same for every seed",
    ),
    "lambda": ("", "", f"inputs = layers.Lambda(lambda x: x + 1)(inputs); return {GOOD}", "saves", "cannot be loaded"),
    "unregistered": ("", "", f"inputs = Doubling()(inputs); return {GOOD}", "saves", "the layer Doubling"),
    "forgetful": ("", "", f"return Forgetful(3.0)({GOOD})", "saves", "get_config"),
    "too_deep": (
        "",
        "input_sizes=(8, 48)",
        "x = scaled(inputs, recipe)\n    for _ in range(4):\n        x = conv_block(x, 8)\n"
        "    return classifier(layers.Flatten()(x), recipe)",
        "builds",
        "Computed output size would be zero or negative",
    ),
    "raising": ("", "", "raise KeyError('no such block')", "builds", "KeyError: 'no such block'"),
    "no_docstring": (None, "", f"return {GOOD}", "docs", "no docstring"),
    "no_sentence": ("One layer", "", f"return {GOOD}", "docs", "full stop"),
    "long": ("One layer" + " and one layer" * 9 + ".", "", f"return {GOOD}", "docs", "120 at most"),
    "keyword": ("", "colour='blue'", f"return {GOOD}", "docs", "colour"),
    "unordered": ("", "input_sizes=(64, 48)", f"return {GOOD}", "docs", "increasing order"),
    "no_paper": ("", "weights='imagenet', backbone='vgg16'", f"return {GOOD}", "docs", "no paper"),
    "no_weights": ("", "weights='imagenet', paper='Ours'", f"return {GOOD}", "docs", "no weights file is known"),
    "recipe": ("", "recipe={'epoch': 3}", f"return {GOOD}", "docs", "'epoch'"),
}


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    """The registry with one architecture for each mistake, which it forgets at the end."""
    text = HEAD
    for name, (doc, options, body, *_) in MISTAKES.items():
        docstring = "" if doc is None else f'    """{doc or f"One layer, {name}."}"""\n'
        options = f"{options}, " if options else ""
        text += f'\n\n@register_architecture("bad_{name}", {options}family="bad")\ndef bad_{name}(inputs, recipe):\n'
        text += f"{docstring}    {body}\n"
    text += (
        '\n\n@register_architecture("bad_none", num_parameters=2_127, family="bad")\ndef bad_none(inputs, recipe):\n'
    )
    text += f'    """One convolution."""\n    return {GOOD}\n'
    text += '\n\n@register_architecture("bad_abort", family="bad")\ndef bad_abort(inputs, recipe):\n'
    text += '    """Brings the process down."""\n    os.abort()\n'
    file = tmp_path_factory.mktemp("outside") / "mistakes.py"
    file.write_text(text)
    before = set(ARCHITECTURES.names())
    ARCHITECTURES.scan(file)
    yield file
    for name in set(ARCHITECTURES.names()) - before:
        del ARCHITECTURES._entries[name]
        ARCHITECTURES._functions.pop(name, None)
    sys.modules.pop("_fer_bench_mistakes", None)


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(mistakes, name):
    *_, title, said = MISTAKES[name]
    (outcome,) = check(f"bad_{name}", only=[title])
    assert said in outcome.complaint
    assert "\n" not in outcome.complaint


def test_what_is_right_passes(mistakes):
    outcomes = list(check("bad_none"))
    assert [o.check for o in outcomes] == list(CHECKS)
    assert [o for o in outcomes if o.complaint or o.skipped] == []


def test_a_mistake_is_no_reason_for_other_complaints(mistakes):
    """What cannot be told of a model that is not there, or from logits that are none, is not told."""
    assert [o.check for o in check("bad_raising") if o.skipped] == list(CHECKS)[2:]
    assert [o.check for o in check("bad_nan") if o.complaint] == ["output", "params", "learns"]
    assert [o.check for o in check("bad_classes") if o.complaint] == ["output", "params"]


def test_a_process_that_dies_is_a_complaint_and_the_others_go_on(mistakes):
    outcomes = list(check_on("tensorflow", ["bad_abort", "bad_none"], [mistakes]))
    assert "brings the process down (SIGABRT" in next(o.complaint for o in outcomes if o.check == "survives")
    assert [o.check for o in outcomes if o.architecture == "bad_none" and o.complaint is None] == list(CHECKS)
