"""The contract finds the mistakes that authors make and names them."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

import pytest

from fer_bench.contract.checks import CHECKS
from fer_bench.contract.run import run_checks, run_checks_on_backend
from fer_bench.registry.architectures import ARCHITECTURES

HEADER = '''"""Networks with one mistake each."""

import os

import keras
import numpy as np
from keras import layers, ops

from fer_bench.layers import classification_head, conv_block, rescale_input
from fer_bench import register_architecture


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


def unseeded(shape, dtype=None):
    return np.random.default_rng().normal(size=shape)


def features(inputs, recipe):
    return layers.Flatten()(conv_block(layers.AveragePooling2D(4)(rescale_input(inputs, recipe)), 8))
'''
FEATURES = "features(inputs, recipe)"
LOGITS = f"classification_head({FEATURES}, recipe)"


class Mistake(NamedTuple):
    check: str  # the check that fails
    key_word: str  # of its message
    body: str = f"return {LOGITS}"
    options: str = ""
    docstring: str | None = "One layer."

    def source(self, name: str) -> str:
        docstring = "" if self.docstring is None else f'    """{self.docstring}"""\n'
        options = f'"{name}", family="test", {self.options}'
        return f"\n\n@register_architecture({options})\ndef {name}(inputs, recipe):\n{docstring}    {self.body}\n"


MISTAKES = {
    "softmax": Mistake("output", "must return logits", f"return layers.Softmax()({LOGITS})"),
    "activated": Mistake("output", "must return logits", f"return layers.Dense(7, 'sigmoid')({FEATURES})"),
    "bfloat16": Mistake("output", "mixed precision", f"return layers.Dense(recipe.classes)({FEATURES})"),
    "always_bfloat16": Mistake("builds", "bfloat16", f"return layers.Dense(7, dtype='bfloat16')({FEATURES})"),
    "classes": Mistake("output", "(batch, 5)", f"return layers.Dense(7, dtype='float32')({FEATURES})"),
    "blind": Mistake("output", "does not depend", f"inputs = 0 * inputs; return {LOGITS}"),
    "nan": Mistake("output", "not finite", f"return {LOGITS} * float('nan')"),
    "raw": Mistake("learns", "[0, 255]", "return classification_head(layers.Flatten()(inputs), recipe)"),
    "dead": Mistake(
        "grads",
        "branch/kernel",
        "dead = layers.Dense(recipe.classes, name='branch')(layers.Flatten()(inputs)); "
        f"return {LOGITS} + ops.stop_gradient(dead)",
    ),
    "undeclared": Mistake("params", "num_parameters=2_127"),
    "miscounted": Mistake("params", "2_127", options="num_parameters=5"),
    "size_dependent": Mistake("sizes", "add weights_depend_on_size=True", options="input_sizes=(32, 48)"),
    "only_smallest": Mistake("sizes", "add weights_depend_on_size=True", options="input_sizes=(48, 64)"),
    "size_independent": Mistake(
        "sizes",
        "remove weights_depend_on_size=True",
        "x = layers.GlobalAveragePooling2D()(conv_block(rescale_input(inputs, recipe), 5)); "
        "return classification_head(x, recipe)",
        options="input_sizes=(32, 48), weights_depend_on_size=True",
    ),
    "unseeded": Mistake(
        "seeds",
        "differs",
        f"return layers.Dense(recipe.classes, kernel_initializer=unseeded, dtype='float32')({FEATURES})",
    ),
    "one_seed": Mistake(
        "seeds",
        "same for every seed",
        "one_seed = keras.initializers.HeNormal(seed=1); "
        "x = layers.Conv2D(8, 3, kernel_initializer=one_seed)(rescale_input(inputs, recipe)); "
        "return classification_head(layers.Flatten()(x), recipe)",
    ),
    "lambda": Mistake("saves", "cannot be loaded", f"inputs = layers.Lambda(lambda x: x + 1)(inputs); return {LOGITS}"),
    "unregistered": Mistake("saves", "Doubling", f"inputs = Doubling()(inputs); return {LOGITS}"),
    "forgetful": Mistake("saves", "get_config", f"return Forgetful(3.0)({LOGITS})"),
    "too_deep": Mistake(
        "builds",
        "zero or negative",
        "x = rescale_input(inputs, recipe)\n    for _ in range(4):\n        x = conv_block(x, 8)\n"
        "    return classification_head(layers.Flatten()(x), recipe)",
        options="input_sizes=(8, 48)",
    ),
    "raising": Mistake("builds", "KeyError: 'no such block'", "raise KeyError('no such block')"),
    "no_docstring": Mistake("docs", "no docstring", docstring=None),
    "no_period": Mistake("docs", "period", docstring="One layer"),
    "long": Mistake("docs", "120", docstring="One layer" + " and one layer" * 9 + "."),
    "keyword": Mistake("docs", "color", options="color='blue'"),
    "unordered": Mistake("docs", "increasing", options="input_sizes=(64, 48)"),
    "no_paper": Mistake("docs", "no paper", options="weights='imagenet', backbone='vgg16'"),
    "no_weights": Mistake("docs", "no weights file", options="weights='imagenet', paper='Ours'"),
    "recipe": Mistake("docs", "'epoch'", options="recipe={'epoch': 3}"),
}
OTHERS = {
    "correct": Mistake("", "", options="num_parameters=2_127"),
    "crashing": Mistake("", "", "os.abort()"),
}


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    """A file with one registered architecture per mistake; they are unregistered at the end."""
    networks = {f"bad_{name}": mistake for name, mistake in MISTAKES.items()} | OTHERS
    file = tmp_path_factory.mktemp("extra") / "mistakes.py"
    file.write_text(HEADER + "".join(mistake.source(name) for name, mistake in networks.items()))
    with ARCHITECTURES.temporary():
        ARCHITECTURES.scan(file)
        yield file


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_named(mistakes, name):
    mistake = MISTAKES[name]
    (result,) = run_checks(f"bad_{name}", only=[mistake.check])
    assert mistake.key_word in result.problem
    assert "\n" not in result.problem


def test_a_correct_architecture_passes_all_checks(mistakes):
    results = list(run_checks("correct"))
    assert [result.check for result in results] == list(CHECKS)
    assert [result for result in results if result.problem or result.skipped] == []


def test_a_mistake_does_not_fail_unrelated_checks(mistakes):
    assert [result.check for result in run_checks("bad_raising") if result.skipped] == list(CHECKS)[2:]
    assert [result.check for result in run_checks("bad_nan") if result.problem] == ["output", "params", "learns"]
    assert [result.check for result in run_checks("bad_classes") if result.problem] == ["output", "params"]


@pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX, which starts sooner, is not installed")
def test_a_crash_is_reported_and_the_next_architecture_is_checked(mistakes):
    results = list(run_checks_on_backend("jax", ["crashing", "bad_raising"], [mistakes]))
    assert "SIGABRT" in next(result.problem for result in results if result.check == "survives")
    assert [r.check for r in results if r.architecture == "bad_raising" and r.problem] == ["builds"]
