"""Every registered architecture passes the contract."""

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path

import keras
import pytest

from fer_bench.config.recipe import resolve
from fer_bench.contract.checks import CHECKS
from fer_bench.contract.run import CheckResult, run_checks, run_checks_on_backend
from fer_bench.registry.architectures import ARCHITECTURES, ARCHITECTURES_DIR, describe
from fer_bench.training.train import build_model

# At 32 pixels some feature maps have a single position.
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis")

NAMES = [entry.name for entry in ARCHITECTURES if entry.file.parent == ARCHITECTURES_DIR]
# Run by `make test-long`: large networks, and networks whose blocks another one covers.
SLOW = (
    *("big_xception", "cnn_deep", "convnext_tiny", "densenet121", "efficientnet_b0", "mobilenet_v2"),
    *("resnet18", "resnet50", "resnet50_cbam", "resnet50_lstm", "resnet50_lstm_attention"),
    *("vgg10", "vgg16", "vgg19", "vgg_fer"),
    *("cnn_bilstm", "cnn_gru", "sequence_gru", "sequence_lstm"),
)
needs_jax = pytest.mark.skipif(not importlib.util.find_spec("jax"), reason="JAX is not installed")


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow) if name in SLOW else name for name in NAMES],
)
def get_result(request) -> Callable[[str], CheckResult]:
    """Return a function from a check's name to its result. All checks share the models of an architecture."""
    results = cache(lambda: {result.check: result for result in run_checks(request.param, quick=True)})
    return lambda check: results()[check]


@pytest.mark.parametrize("check", CHECKS)
def test_every_architecture_passes_every_check(get_result, check):
    assert get_result(check).problem is None
    assert not get_result(check).skipped


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("backend", ["tensorflow", pytest.param("jax", marks=needs_jax)])
def test_every_architecture_passes_at_every_size_on_every_backend(backend):
    results = list(run_checks_on_backend(backend, NAMES))
    assert [result for result in results if result.problem or result.skipped] == []
    assert len(results) == len(NAMES) * len(CHECKS)


@pytest.mark.parametrize("name", NAMES)
def test_a_default_recipe_trains_several_epochs_in_float32(name):
    recipe = resolve(describe(name).recipe, source=f"the recipe of {name}")
    assert recipe.precision == "float32" and recipe.epochs > 1


def test_a_family_is_one_file():
    files: dict[str, set[Path]] = {}
    for name in NAMES:
        files.setdefault(describe(name).family, set()).add(ARCHITECTURES.get(name).file)
    assert {family: len(paths) for family, paths in files.items() if len(paths) > 1} == {}


def test_the_model_resizes_images_of_another_size():
    recipe = resolve({"input_size": 40})
    keras.utils.set_random_seed(0)
    model = build_model("cnn", recipe, (32, 32), 5)
    assert model.input_shape == (None, 32, 32, 1)
    assert model.get_layer("resize").output.shape == (None, 40, 40, 1)
