"""Fast operations of TensorFlow in training: losses, gradients and statistics of plain Keras, to rounding."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from fer_bench.config.recipe import resolve
from fer_bench.registry.architectures import ARCHITECTURES, ARCHITECTURES_DIR, describe
from fer_bench.training import loop
from fer_bench.training.cost import save_model
from fer_bench.training.train import build_model

if keras.backend.backend() != "tensorflow":
    pytest.skip("operations of TensorFlow", allow_module_level=True)

import tensorflow as tf

from fer_bench.training.tensorflow_backend import use_fast_operations, use_plain_operations

NAMES = [entry.name for entry in ARCHITECTURES if entry.file.parent == ARCHITECTURES_DIR]
RNG = np.random.default_rng(0)


def step_of(layer: layers.Layer, inputs: np.ndarray, training: bool) -> list[np.ndarray]:
    """Return the outputs, all gradients and the updated weights of a layer."""
    pixels = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(pixels)
        outputs = layer(pixels, training=training) if isinstance(layer, layers.BatchNormalization) else layer(pixels)
        size = int(np.prod(outputs.shape))
        weights = tf.constant(np.linspace(-1, 1, size).reshape(outputs.shape), tf.float32)
        loss = tf.reduce_sum(tf.cast(outputs, "float32") ** 2 * weights)
    gradients = tape.gradient(loss, [pixels, *(v.value for v in layer.trainable_variables)])
    arrays = [outputs, *gradients, *(v.value for v in layer.variables)]
    return [np.asarray(ops.convert_to_numpy(ops.cast(array, "float32"))) for array in arrays]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: layers.BatchNormalization(momentum=0.8), (5, 6, 4, 3)),
        (lambda: layers.BatchNormalization(epsilon=1e-2), (2, 3, 4, 5, 3)),
        (lambda: layers.BatchNormalization(), (8, 3)),
        (lambda: layers.BatchNormalization(), (1, 1, 1, 3)),
        (lambda: layers.BatchNormalization(axis=1), (5, 3, 4, 4)),
        (lambda: layers.BatchNormalization(scale=False), (5, 6, 4, 3)),
        (lambda: layers.BatchNormalization(trainable=False), (5, 6, 4, 3)),
        (lambda: layers.BatchNormalization(dtype="mixed_bfloat16"), (5, 6, 4, 3)),
        (lambda: layers.Conv2D(3, 3, groups=3, padding="same", activation="gelu"), (2, 6, 6, 3)),
        (lambda: layers.Conv2D(3, (3, 2), groups=3, strides=2, use_bias=False), (2, 7, 6, 3)),
    ],
    ids=[
        "images",
        "sequences",
        "vectors",
        "one pixel",
        "axis 1",
        "no scale",
        "frozen",
        "bfloat16",
        "depthwise",
        "strides",
    ],
)
def test_a_layer_gives_the_values_of_keras(make, shape, training):
    inputs = RNG.normal(3, 2, shape).astype(np.float32)
    results = []
    for use in (use_plain_operations, use_fast_operations):
        keras.utils.set_random_seed(1)
        layer = make()
        model = keras.Sequential([keras.Input(shape[1:]), layer])
        use(model)
        results.append(step_of(layer, inputs, training))
    tolerance = 3e-2 if layer.compute_dtype == "bfloat16" else 2e-4
    for plain, fast in zip(*results, strict=True):
        np.testing.assert_allclose(fast, plain, rtol=tolerance, atol=tolerance * max(1.0, np.abs(plain).max()))


def losses(name: str, fast: bool, shape: tuple[int, ...] = (32, 32)) -> list[float]:
    """Return the losses of the first steps of an architecture without dropout on random images."""
    recipe = resolve(describe(name).recipe, {"dropout": 0, "fast_operations": fast, "input_size": 48})
    recipe = recipe.model_copy(update={"backbone": type(recipe.backbone)(), "initial_weights": "random"})
    keras.utils.set_random_seed(2)
    shape = (3, *shape) if describe(name).input_kind == "sequences" else shape
    model = build_model(name, recipe, shape, 3)
    loop.compile_model(model, recipe)
    rng = np.random.default_rng(3)
    images, targets = (
        rng.integers(0, 256, (8, *shape, 1), dtype=np.uint8),
        np.eye(3, dtype=np.float32)[np.arange(8) % 3],
    )
    return [float(model.train_on_batch(images, targets, return_dict=True)["loss"]) for _ in range(2)]


@pytest.mark.parametrize("name", [n if n == "cnn_small" else pytest.param(n, marks=pytest.mark.slow) for n in NAMES])
def test_an_architecture_has_the_losses_of_keras(name):
    np.testing.assert_allclose(losses(name, fast=True), losses(name, fast=False), rtol=2e-3)


@pytest.mark.parametrize("factor", [1.0, 0.1])
@pytest.mark.parametrize(
    "optimizer",
    [{"name": "adam"}, {"name": "adamw"}]
    + [
        {"name": "sgd", "momentum": momentum, "nesterov": nesterov}
        for momentum, nesterov in ((0, False), (0.9, False), (0.9, True))
    ],
    ids=lambda optimizer: "-".join(str(value) for value in optimizer.values()),
)
def test_an_optimizer_makes_the_steps_of_keras(optimizer, factor):
    from fer_bench.config.recipe import Optimizer
    from fer_bench.training.optimizer import make_optimizer

    config = Optimizer(**optimizer, weight_decay=0.01, learning_rate=0.05, clip_norm=0.5)
    gradients = [np.array([[0.3, -2.0], [1e-4, 0.0]], np.float32) * k for k in (1, -0.5, 3)]
    found = []
    for fast in (True, False):
        variable = keras.Variable(np.array([[1.0, 2.0], [3.0, -4.0]], np.float32), name="kernel")
        made = make_optimizer(config, [(variable, factor)] if factor != 1 else [], fast_operations=fast)
        for gradient in gradients:
            made.apply([ops.convert_to_tensor(gradient)], [variable])
        found.append(variable.numpy())
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_a_saved_model_is_plain_keras(tmp_path):
    inputs = keras.Input((8, 8, 1))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3)(inputs))
    model = keras.Model(inputs, layers.Dense(3)(layers.GlobalAveragePooling2D()(x)))
    loop.compile_model(model, resolve({}))
    images, targets = RNG.normal(size=(6, 8, 8, 1)).astype(np.float32), np.eye(3, dtype=np.float32)[[0, 1, 2] * 2]
    model.train_on_batch(images, targets)
    save_model(model, tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.predict_on_batch(images), model.predict_on_batch(images))
    assert loaded.get_config().keys() == model.get_config().keys()
