"""Optimizers: weight decay, clipping, learning rates per group of variables, averaged weights."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_bench.config.recipe import Optimizer, resolve
from fer_bench.training.loop import compile_model, fit
from fer_bench.training.optimizer import averaged_weights, learning_rate_factors, make_optimizer

IMAGES = np.random.default_rng(0).integers(0, 256, (24, 6, 6), dtype=np.uint8)
LABELS = np.arange(24) % 3
STEADY = {"schedule": {"name": "constant", "warmup_epochs": 0}, "augmentation": "none", "batch_size": 8}


def network() -> keras.Model:
    """Return a dense layer as backbone, batch normalization, and a dense layer as head."""
    keras.utils.set_random_seed(0)
    inputs = keras.Input((36,))
    backbone = keras.Model(inputs, layers.Dense(4, activation="relu")(inputs), name="backbone")
    pixels = keras.Input((6, 6, 1))
    x = backbone(layers.Flatten()(layers.Rescaling(1 / 255)(pixels)))
    return keras.Model(pixels, layers.Dense(3)(layers.BatchNormalization()(x)))


def step_change(gradient: float, recipe: dict) -> dict[str, np.ndarray]:
    """Return the change of each variable, from 1, by one step with the same gradient everywhere."""
    model = network()
    compile_model(model, resolve(STEADY, recipe))
    variables = model.trainable_variables
    for variable in variables:
        variable.assign(np.ones(variable.shape))
    model.optimizer.apply([gradient * keras.ops.ones(v.shape) for v in variables], variables)
    names = ("backbone kernel", "backbone bias", "gamma", "beta", "kernel", "bias")
    return {name: np.array(v) - 1 for name, v in zip(names, variables, strict=True)}


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "schedule_free_adamw", "muon"])
def test_weight_decay_excludes_biases_and_normalization(name):
    config = {"name": name, "learning_rate": 0.1, "weight_decay": 0.5, "momentum": 0.0}
    by = step_change(0.0, {"optimizer": config})
    for part, change in by.items():
        np.testing.assert_allclose(change, -0.05 if part.endswith("kernel") else 0, rtol=1e-4, err_msg=part)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "schedule_free_adamw", "muon"])
def test_without_weight_decay_and_gradient_weights_do_not_change(name):
    by = step_change(0.0, {"optimizer": {"name": name, "weight_decay": 0}})
    assert all((change == 0).all() for change in by.values())


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "schedule_free_adamw", "muon"])
@pytest.mark.parametrize(("gradient", "decay"), [(0.3, 0.0), (0.0, 0.5)], ids=["learns", "decays"])
def test_the_factor_scales_steps_and_decay_of_the_backbone(name, gradient, decay):
    config = {"name": name, "learning_rate": 0.1, "weight_decay": decay}
    reference = step_change(gradient, {"optimizer": config})
    scaled = step_change(gradient, {"optimizer": config, "backbone.learning_rate_factor": 0.1})
    for part, change in scaled.items():
        factor = 0.1 if part.startswith("backbone") else 1.0
        np.testing.assert_allclose(change, factor * reference[part], rtol=1e-4, atol=1e-7, err_msg=part)
    assert (reference["backbone kernel"] != 0).all()


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_the_bias_of_normalization_has_a_learning_rate_of_its_own(name):
    config = {"name": name, "learning_rate": 0.001}
    reference = step_change(0.3, {"optimizer": config})
    scaled = step_change(0.3, {"optimizer": {**config, "norm_bias_lr_factor": 64}})
    for part, change in scaled.items():
        np.testing.assert_allclose(change, (64 if part == "beta" else 1) * reference[part], rtol=1e-4, err_msg=part)


def test_factors_of_a_backbone_and_of_normalization_multiply():
    inputs = keras.Input((4,))
    backbone = keras.Model(inputs, layers.BatchNormalization()(layers.Dense(4)(inputs)), name="backbone")
    pixels = keras.Input((2, 2, 1))
    model = keras.Model(pixels, layers.Dense(3)(layers.BatchNormalization()(backbone(layers.Flatten()(pixels)))))
    recipe = resolve({"backbone.learning_rate_factor": 0.25, "optimizer.norm_bias_lr_factor": 8})
    factors = [factor for _, factor in learning_rate_factors(model, recipe)]
    assert factors == [0.25, 0.25, 0.25, 2.0, 8.0]  # kernel, bias, gamma and beta of the backbone, beta of the head
    assert learning_rate_factors(model, resolve()) == []


def test_fit_uses_the_factor():
    def max_change(factor: float) -> np.ndarray:
        model = network()
        before = [np.array(v) for v in model.trainable_variables]
        recipe = {"epochs": 1, "batch_size": 24, "optimizer.name": "adam", "backbone.learning_rate_factor": factor}
        fit(model, IMAGES, LABELS, IMAGES, LABELS, resolve(STEADY, recipe), seed=0)
        return np.array([np.abs(np.array(v) - b).max() for v, b in zip(model.trainable_variables, before, strict=True)])

    full, slow = max_change(1.0), max_change(0.1)
    np.testing.assert_allclose(slow[0], 0.1 * full[0], rtol=1e-3)
    np.testing.assert_allclose(slow[4], full[4], rtol=1e-3)


SGD = {"name": "sgd", "learning_rate": 1.0, "momentum": 0, "weight_decay": 0}


def test_clip_norm():
    by = step_change(10.0, {"optimizer": {**SGD, "clip_norm": 1.0}})
    assert np.sqrt(sum((change**2).sum() for change in by.values())) == pytest.approx(1.0, rel=1e-4)


def test_each_element_of_the_gradient_is_clipped():
    by = step_change(10.0, {"optimizer": {**SGD, "clip_value": 0.25}})
    for change in by.values():
        np.testing.assert_allclose(change, -0.25)


@pytest.mark.parametrize(
    ("config", "expected"),
    [({}, True), ({"nesterov": False}, False), ({"momentum": 0}, False), ({"momentum": 0.5}, True)],
)
def test_nesterov_needs_momentum(config, expected):
    model = network()
    compile_model(model, resolve({"optimizer": {"name": "sgd", **config}}))
    assert model.optimizer.nesterov is expected
    assert model.optimizer.momentum == config.get("momentum", 0.9)


def test_every_step_has_the_learning_rate_of_its_schedule():
    model, rates = network(), []
    recipe = resolve(
        {**STEADY, "epochs": 6, "optimizer.learning_rate": 0.1, "schedule.name": "step", "schedule.every": 2}
    )
    result = fit(
        *(model, IMAGES, LABELS, IMAGES, LABELS, recipe),
        seed=0,
        on_step_end=lambda *_: rates.append(float(np.array(model.optimizer.learning_rate))),
    )
    np.testing.assert_allclose(rates, np.repeat([0.1, 0.1, 0.01, 0.01, 0.001, 0.001], 3), rtol=1e-5)
    np.testing.assert_allclose([e.learning_rate for e in result.history], rates[2::3], rtol=1e-5)


@pytest.mark.parametrize("momentum", [0.5, 0.9])
def test_averaged_weights_are_validated_and_returned(momentum):
    model, steps, epochs = network(), [], []

    def weights() -> list[np.ndarray]:
        return [np.array(v) for v in model.trainable_variables]

    recipe = {"epochs": 2, "optimizer": {"learning_rate": 0.05, "ema": momentum, "weight_decay": 0}, "patience": None}
    result = fit(
        *(model, IMAGES, LABELS, IMAGES, LABELS, resolve(STEADY, recipe)),
        seed=0,
        on_step_end=lambda *_: steps.append(weights()),
        on_epoch_end=lambda _: epochs.append(weights()),
    )
    for epoch, after in enumerate(epochs, start=1):  # training continues with the weights themselves
        for one, other in zip(after, steps[3 * epoch - 1], strict=True):
            np.testing.assert_array_equal(one, other)
    average = steps[0]
    for raw in steps[1 : 3 * result.best_epoch]:
        average = [momentum * a + (1 - momentum) * w for a, w in zip(average, raw, strict=True)]
    for actual, expected in zip(weights(), average, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-6)
    probabilities = keras.ops.softmax(model(IMAGES[..., None], training=False))
    np.testing.assert_allclose(result.validation_probabilities, np.array(probabilities), rtol=1e-4)


SCHEDULE_FREE = {"name": "schedule_free_adamw", "learning_rate": 0.05, "weight_decay": 0.1}


def test_schedule_free_adamw_makes_the_steps_of_the_paper():
    rng = np.random.default_rng(0)
    start, gradients, rates = rng.normal(size=5), rng.normal(size=(6, 5)), [0.02, 0.04, 0.05, 0.05, 0.03, 0.05]
    variable = keras.Variable(start.astype(np.float32), name="kernel")
    optimizer = make_optimizer(Optimizer.model_validate(SCHEDULE_FREE))
    x = y = z = start
    velocity = np.zeros(5)
    for step, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        optimizer.learning_rate = rate
        optimizer.apply([keras.ops.convert_to_tensor(gradient.astype(np.float32))], [variable])
        velocity = 0.999 * velocity + 0.001 * gradient**2
        z = z - rate * (gradient / np.sqrt(velocity / (1 - 0.999**step)) + 0.1 * y)
        x = x + rate**2 / np.square(rates[:step]).sum() * (z - x)
        y = 0.1 * z + 0.9 * x
        np.testing.assert_allclose(np.array(variable), y, rtol=1e-4, err_msg=str(step))
    optimizer.finalize_variable_values([variable])
    np.testing.assert_allclose(np.array(variable), x, rtol=1e-4)


def test_schedule_free_adamw_validates_with_its_average_and_learns():
    model, steps, epochs = network(), [], []

    def weights() -> list[np.ndarray]:
        return [np.array(v) for v in model.trainable_variables]

    recipe = resolve(STEADY, {"epochs": 20, "optimizer": SCHEDULE_FREE, "patience": None})
    result = fit(
        *(model, IMAGES, LABELS, IMAGES, LABELS, recipe),
        seed=0,
        on_step_end=lambda *_: steps.append(weights()),
        on_epoch_end=lambda _: epochs.append(weights()),
    )
    for after, trained in zip(epochs, steps[2::3], strict=True):  # training continues with its own weights
        for one, other in zip(after, trained, strict=True):
            np.testing.assert_array_equal(one, other)
    best = steps[3 * result.best_epoch - 1]
    assert any((one != other).any() for one, other in zip(weights(), best, strict=True))
    assert result.history[-1].validation_loss < 0.8 * result.history[0].validation_loss


@pytest.fixture
def half_precision():
    keras.config.set_dtype_policy("mixed_float16")
    yield
    keras.config.set_dtype_policy("float32")


def test_loss_scaling_keeps_the_optimizer_settings(half_precision):
    model = network()
    recipe = {"optimizer": {"ema": 0.9}, "backbone.learning_rate_factor": 0.5}
    compile_model(model, resolve(STEADY, recipe))
    inner = model.optimizer.inner_optimizer
    for step in range(8):  # the first steps are skipped until the scale is low enough
        model.optimizer.learning_rate = 0.25 / (step + 1)
        model.train_on_batch(IMAGES[:8, ..., None], np.eye(3, dtype=np.float32)[LABELS[:8]])
    assert float(np.array(inner.learning_rate)) == 0.25 / 8
    before = [np.array(v) for v in model.trainable_variables]
    with averaged_weights(model):
        assert any((np.array(v) != b).any() for v, b in zip(model.trainable_variables, before, strict=True))
    assert all((np.array(v) == b).all() for v, b in zip(model.trainable_variables, before, strict=True))


def convolutional_network() -> keras.Model:
    """Return a first convolution on gray pixels, another one, a depthwise one, a dense layer and the classifier."""
    keras.utils.set_random_seed(0)
    pixels = keras.Input((6, 6, 1))
    x = layers.Conv2D(8, 3, name="first")(pixels)
    x = layers.DepthwiseConv2D(2, name="depthwise")(layers.Conv2D(4, 3, name="second")(x))
    x = layers.Dense(5, name="dense")(layers.Flatten()(x))
    return keras.Model(pixels, layers.Dense(3, name="logits")(x))


def test_muon_makes_orthogonal_steps_of_dense_and_convolution_kernels():
    model, rng = convolutional_network(), np.random.default_rng(0)
    compile_model(model, resolve(STEADY, {"optimizer": {"name": "muon", "learning_rate": 0.1, "weight_decay": 0}}))
    variables = model.trainable_variables
    gradients = [rng.normal(size=variable.shape).astype(np.float32) for variable in variables]
    before = [np.array(variable) for variable in variables]
    model.optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in gradients], variables)
    orthogonal = []
    for variable, old, gradient in zip(variables, before, gradients, strict=True):
        step = (old - np.array(variable)) / 0.1
        if variable.path in ("second/kernel", "dense/kernel"):
            step, gradient = (array.reshape(-1, array.shape[-1]) for array in (step, gradient))
            left, _, right = np.linalg.svd(gradient, full_matrices=False)
            singular_values = np.diag(left.T @ step @ right.T) / (0.2 * np.sqrt(max(step.shape)))
            np.testing.assert_allclose(singular_values, 1, atol=0.35)  # Newton-Schulz iterations come near 1
            orthogonal.append(variable.path)
        else:
            np.testing.assert_allclose(step, np.sign(gradient), rtol=1e-3, err_msg=variable.path)  # AdamW's first step
    assert orthogonal == ["second/kernel", "dense/kernel"]
