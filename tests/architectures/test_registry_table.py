"""One table over the whole registry: what every architecture promises, by the contract that `check` holds it to."""

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path

import keras
import pytest

from fer_bench.config.recipe import resolve
from fer_bench.contract.checks import CHECKS
from fer_bench.contract.run import Outcome, check, check_on
from fer_bench.registry.architectures import ARCHITECTURES, describe
from fer_bench.training.train import build_model

# At 32 pixels some feature maps have a single position, over which there is nothing to attend to.
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis")

NAMES = [entry.name for entry in ARCHITECTURES if entry.module and entry.module.startswith("architectures.")]
# For `make test-long`: large ones, and such of which another has all that they have.
LONG = (
    *("convnext_tiny", "densenet121", "resnet50_cbam", "resnet50_lstm", "resnet50_lstm_attention"),
    *("vgg19", "vgg_fer"),
)
SMALL = ("cnn_lstm_attention",)  # for JAX, which compiles for as long as it runs
JAX = pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not installed")


def quickly(name: str) -> list[Outcome]:
    """The contract at two input sizes, on the backend of this process."""
    return list(check(name, quick=True))


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow) if name in LONG else name for name in NAMES],
)
def outcomes(request) -> Callable[[str], Outcome]:
    """What the checks of an architecture came to; it is built once for all of them."""
    found = cache(lambda: {outcome.check: outcome for outcome in quickly(request.param)})
    return lambda title: found()[title]


@pytest.mark.parametrize("title", CHECKS)
def test_the_contract_is_kept(outcomes, title):
    assert outcomes(title).complaint is None
    assert not outcomes(title).skipped


@JAX
def test_small_ones_keep_the_contract_on_jax():
    _nothing_wrong(check_on("jax", SMALL), of=len(SMALL))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=JAX)])
def test_all_keep_the_whole_contract(backend):
    _nothing_wrong(check_on(backend, NAMES), of=len(NAMES))


def _nothing_wrong(outcomes, of: int) -> None:
    outcomes = list(outcomes)
    wrong = [f"{o.architecture} {o.check}: {o.complaint}" for o in outcomes if o.complaint or o.skipped]
    assert wrong == []
    assert len(outcomes) == of * len(CHECKS)


@pytest.mark.parametrize("name", NAMES)
def test_its_default_recipe_trains_at_full_precision(name):
    recipe = resolve(describe(name).recipe, where=f"the recipe of {name}")
    assert recipe.precision == "float32" and recipe.epochs > 1


def test_a_family_stands_in_one_file():
    files: dict[str, set[Path]] = {}
    for name in NAMES:
        files.setdefault(describe(name).family, set()).add(ARCHITECTURES.get(name).file)
    assert {family: len(places) for family, places in files.items() if len(places) > 1} == {}


def test_images_of_another_size_are_resized_inside_the_model():
    recipe = resolve({"input_size": 40})
    keras.utils.set_random_seed(0)
    model = build_model("cnn", recipe, (32, 32), 5)
    assert model.input_shape == (None, 32, 32, 1)
    assert model.get_layer("resize").output.shape == (None, 40, 40, 1)
