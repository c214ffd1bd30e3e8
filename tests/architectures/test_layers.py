"""The shared building blocks: what they compute, saving and loading, and low precision."""

from types import SimpleNamespace

import cv2
import keras
import numpy as np
import pytest
from keras import layers

from fer_bench.layers import (
    CBAM,
    AttentionPooling,
    ChannelAttention,
    HistogramEqualization,
    SpatialAttention,
    SqueezeExcitation,
    classification_head,
    insert_layers,
    residual_block,
    rows_to_sequence,
)

FEATURE_MAP = np.random.default_rng(0).standard_normal((2, 5, 6, 8)).astype(np.float32)
SEQUENCE = FEATURE_MAP.reshape(2, 30, 8)
BLOCKS = {
    "squeeze-excitation": (lambda: SqueezeExcitation(ratio=4), FEATURE_MAP),
    "channel attention": (lambda: ChannelAttention(ratio=4), FEATURE_MAP),
    "spatial attention": (lambda: SpatialAttention(kernel_size=3), FEATURE_MAP),
    "cbam": (lambda: CBAM(ratio=4, kernel_size=3), FEATURE_MAP),
    "attention pooling": (lambda: AttentionPooling(units=4), SEQUENCE),
}


@pytest.fixture
def precision():
    """Return a function that sets the dtype policy for one test."""
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


def make_model(block, example):
    inputs = keras.Input(example.shape[1:])
    return keras.Model(inputs, block(inputs))


def randomize_weights(model):
    """Change all weights: some initial weights are zero."""
    rng = np.random.default_rng(1)
    model.set_weights([weights + 0.5 * rng.standard_normal(weights.shape) for weights in model.get_weights()])


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_saved_block_computes_the_same_under_any_later_policy(name, policy, precision, tmp_path):
    make, example = BLOCKS[name]
    precision(policy)
    model = make_model(make(), example)
    randomize_weights(model)
    expected = model(example)
    model.save(tmp_path / "model.keras")
    precision("float32")
    loaded = keras.saving.load_model(tmp_path / "model.keras")(example)
    assert loaded.dtype == expected.dtype
    np.testing.assert_array_equal(keras.ops.cast(loaded, "float32"), keras.ops.cast(expected, "float32"))


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_in_bfloat16_approximates_float32(name, precision):
    make, example = BLOCKS[name]
    float32_model = make_model(make(), example)
    randomize_weights(float32_model)
    precision("mixed_bfloat16")
    bfloat16_model = make_model(make(), example)
    bfloat16_model.set_weights(float32_model.get_weights())
    actual = bfloat16_model(example)
    assert keras.backend.standardize_dtype(actual.dtype) == "bfloat16"
    np.testing.assert_allclose(keras.ops.cast(actual, "float32"), float32_model(example), atol=0.1, rtol=0.05)


@pytest.mark.parametrize("name", ["channel attention", "spatial attention", "cbam"])
def test_attention_starts_as_the_identity(name):
    make, example = BLOCKS[name]
    np.testing.assert_array_equal(make_model(make(), example)(example), example)


@pytest.mark.parametrize("name", BLOCKS)
def test_all_weights_of_a_block_learn(name):
    """A kernel before one that starts at zero has no gradient until the second step."""
    make, example = BLOCKS[name]
    model = make_model(make(), example)
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse", run_eagerly=True)
    before = model.get_weights()
    target = np.random.default_rng(2).standard_normal(model.compute_output_shape(example.shape))
    for _ in range(2):
        model.train_on_batch(example, target)
    unchanged = [v.path for v, old in zip(model.weights, before, strict=True) if np.array_equal(v, old)]
    assert unchanged == []


@pytest.mark.parametrize(
    ("name", "first"), [("squeeze-excitation", np.s_[:, :1, :1]), ("spatial attention", np.s_[..., :1])]
)
def test_gates_scale_whole_channels_or_positions(name, first):
    model = make_model(BLOCKS[name][0](), FEATURE_MAP)
    randomize_weights(model)
    gates = np.asarray(model(FEATURE_MAP)) / FEATURE_MAP
    np.testing.assert_allclose(gates, np.broadcast_to(gates[first], FEATURE_MAP.shape), rtol=1e-3)
    assert (gates > 0).all() and (gates < 2.001).all() and np.ptp(gates) > 0.1


def test_attention_pooling_weights_steps_by_score():
    pooling = AttentionPooling(units=1)
    pooling.build(SEQUENCE.shape)
    pooling.projection.set_weights([np.eye(8, 1), np.zeros(1)])
    pooling.score.set_weights([np.zeros((1, 1))])
    np.testing.assert_allclose(pooling(SEQUENCE), SEQUENCE.mean(axis=1), atol=1e-5)
    pooling.score.set_weights([np.full((1, 1), 1e4)])
    best = SEQUENCE[:, :, 0].argmax(axis=1)
    np.testing.assert_allclose(pooling(SEQUENCE), SEQUENCE[[0, 1], best], atol=1e-4)


def test_rows_are_read_from_top_to_bottom():
    sequence = np.asarray(rows_to_sequence(keras.ops.convert_to_tensor(FEATURE_MAP)))
    assert sequence.shape == (2, 5, 48)
    np.testing.assert_array_equal(sequence[0, 3].reshape(6, 8), FEATURE_MAP[0, 3])


@pytest.mark.parametrize("stride", [1, 2])
def test_a_residual_block_has_a_shortcut(stride):
    inputs = keras.Input((8, 8, 4))
    model = keras.Model(inputs, residual_block(inputs, 4 if stride == 1 else 6, stride))
    assert model.output_shape == ((None, 8, 8, 4) if stride == 1 else (None, 4, 4, 6))
    if stride == 1:
        image = np.abs(np.random.default_rng(0).standard_normal((1, 8, 8, 4)))
        model.set_weights([np.zeros_like(weights) for weights in model.get_weights()])
        np.testing.assert_array_equal(model(image), image.astype(np.float32))


def test_insert_layers_returns_a_copy_with_the_same_weights():
    inputs = keras.Input((4, 4, 3), name="pixels")
    normalization = layers.Normalization(name="normalization")
    hidden = layers.Conv2D(2, 3, name="hidden")(normalization(inputs))
    network = keras.Model(inputs, layers.ReLU(name="last")(hidden), name="backbone")
    normalization.set_weights([np.float32([1, 2, 3]), np.float32([4, 5, 6]), np.int32(0)])
    normalization.finalize_state()
    image = np.random.default_rng(0).uniform(0, 9, (2, 4, 4, 3)).astype(np.float32)
    before = np.asarray(network(image))

    negated = insert_layers(network, lambda layer: layers.Rescaling(-1) if layer.name == "hidden" else None)
    expected = keras.ops.relu(-keras.Model(network.input, network.get_layer("hidden").output)(image))
    np.testing.assert_allclose(negated(image), expected, rtol=1e-5)
    assert negated.name == "backbone"
    assert negated.get_layer("hidden") is not network.get_layer("hidden")
    np.testing.assert_array_equal(network(image), before)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_head_computes_in_float32_under_any_policy(policy, precision):
    precision(policy)
    recipe = SimpleNamespace(classes=3, dropout=0.5)
    assert classification_head(layers.Dense(4)(keras.Input((8,))), recipe).dtype == "float32"


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_histogram_equalization_is_that_of_opencv(policy, precision):
    precision(policy)
    rng = np.random.default_rng(0)
    images = np.stack([rng.integers(low, high, (12, 10, 1)) for low, high in [(0, 256), (90, 110), (250, 256)]])
    images = images.astype(np.uint8)
    expected = [cv2.equalizeHist(image) for image in images]
    for pixels in (images, images.astype(np.float32) + 0.3):
        actual = keras.ops.cast(HistogramEqualization()(pixels), "float32")
        np.testing.assert_array_equal(actual[..., 0], expected)


def test_histogram_equalization_ignores_brightness_and_contrast():
    image = np.random.default_rng(0).integers(40, 90, (1, 8, 8, 1))
    layer = HistogramEqualization()
    np.testing.assert_array_equal(layer(2 * image + 30), layer(image))
    assert not np.any(layer(np.full((1, 8, 8, 1), 77.0)))  # a constant image is black
