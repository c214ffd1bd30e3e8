"""One table over the whole registry: what every architecture promises."""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest

from fer_bench.architecture import ARCHITECTURES, describe, source_digest
from fer_bench.training.loop import compile_model
from fer_bench.training.recipe import resolve
from fer_bench.training.train import build_model
from fer_bench.training.weights import KERAS_FILES

# At 32 pixels some feature maps have a single position, over which there is nothing to attend to.
pytestmark = pytest.mark.filterwarnings("ignore:You are using a softmax over axis")

NAMES = ARCHITECTURES.names()
SIZE = 32  # the smallest input size of a recipe
CLASSES = 5  # not FER2013's seven
TRAINED_BELOW = 5_000_000  # parameters


@dataclass
class Built:
    name: str
    model: keras.Model
    logits: np.ndarray  # of PIXELS, before anything was trained


PIXELS = np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 1), dtype=np.uint8)


def recipe_of(name: str):
    return resolve(describe(name).recipe, {"input_size": SIZE, "initial_weights": "random"})


def logits_of(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(model(pixels, training=False))  # untraced: a graph of ResNet50 takes longer than two images


@pytest.fixture(scope="module", params=NAMES)
def built(request) -> Built:
    """Each architecture, built once from random weights."""
    keras.utils.set_random_seed(0)
    model = build_model(request.param, recipe_of(request.param), (SIZE, SIZE), CLASSES)
    yield Built(request.param, model, logits_of(model, PIXELS))
    keras.backend.clear_session()


def test_logits_are_float32_numbers_of_the_classes_asked_for(built):
    assert built.model.input_shape == (None, SIZE, SIZE, 1)
    assert built.logits.shape == (2, CLASSES) and built.logits.dtype == np.float32
    assert np.isfinite(built.logits).all()
    assert (built.logits[0] != built.logits[1]).any()  # it looks at the image
    assert abs(built.logits.sum(axis=1) - 1).min() > 1e-6  # and returns no probabilities


def test_raw_bytes_and_floats_of_the_same_pixels_agree(built):
    np.testing.assert_array_equal(logits_of(built.model, PIXELS.astype(np.float32)), built.logits)


def test_a_saved_model_needs_nothing_beside_it(built, tmp_path):
    file = tmp_path / "model.keras"
    built.model.save(file)
    loaded = keras.saving.load_model(file, compile=False)
    np.testing.assert_allclose(logits_of(loaded, PIXELS), built.logits, rtol=1e-5, atol=1e-6)


def test_training_reaches_all_of_its_kernels(built):
    if built.model.count_params() > TRAINED_BELOW:
        pytest.skip("a step of this one takes long; a sweep proves it")
    weights = built.model.get_weights()
    before = [np.array(variable) for variable in built.model.trainable_variables]
    compile_model(built.model, recipe_of(built.name), 10)
    built.model.run_eagerly = True
    for _ in range(2):  # the warm-up's first step has a learning rate of zero
        loss = built.model.train_on_batch(PIXELS, np.array([1, 2]), return_dict=True)["loss"]
    assert np.isfinite(loss)
    # Kernels alone: an offset that a later normalisation takes away has no gradient, and rightly so.
    pairs = [(v, old) for v, old in zip(built.model.trainable_variables, before, strict=True) if "kernel" in v.name]
    assert pairs
    assert [v.path for v, old in pairs if np.array_equal(np.array(v), old)] == []
    built.model.set_weights(weights)


@pytest.mark.parametrize("name", NAMES)
def test_its_entry_says_what_it_is(name):
    description = describe(name)
    assert description.summary.endswith(".") and len(description.summary) <= 120
    assert description.family
    assert description.weights in (None, "imagenet")
    if description.weights == "imagenet":
        assert description.weights_name in KERAS_FILES
        assert description.paper


@pytest.mark.parametrize("name", NAMES)
def test_its_default_recipe_resolves(name):
    recipe = resolve(describe(name).recipe, where=f"the recipe of {name}")
    assert recipe.precision == "float32" and recipe.epochs > 1


@pytest.mark.parametrize("name", NAMES)
def test_its_source_has_a_digest_of_its_own(name):
    assert source_digest(name) == source_digest(name)
    assert [other for other in NAMES if source_digest(other) == source_digest(name)] == [name]


def test_a_family_stands_in_one_file():
    files: dict[str, set[Path]] = {}
    for name in NAMES:
        files.setdefault(describe(name).family, set()).add(ARCHITECTURES.get(name).file)
    assert {family: len(places) for family, places in files.items() if len(places) > 1} == {}


def test_images_of_another_size_are_resized_inside_the_model():
    recipe = resolve({"input_size": 40})
    keras.utils.set_random_seed(0)
    model = build_model("cnn", recipe, (SIZE, SIZE), CLASSES)
    assert model.input_shape == (None, SIZE, SIZE, 1)
    assert model.get_layer("resize").output.shape == (None, 40, 40, 1)
