"""The shared blocks: what they do to a feature map or a sequence, and that they outlive saving and low precision."""

import keras
import numpy as np
import pytest
from keras import layers

from architectures.layers import (
    CBAM,
    AttentionPooling,
    ChannelAttention,
    SpatialAttention,
    SqueezeExcitation,
    classifier,
    insert_layers,
    residual_block,
    rows,
)

MAP = np.random.default_rng(0).standard_normal((2, 5, 6, 8)).astype(np.float32)
SEQUENCE = MAP.reshape(2, 30, 8)
BLOCKS = {
    "squeeze-excitation": (lambda: SqueezeExcitation(ratio=4), MAP),
    "channel attention": (lambda: ChannelAttention(ratio=4), MAP),
    "spatial attention": (lambda: SpatialAttention(kernel_size=3), MAP),
    "cbam": (lambda: CBAM(ratio=4, kernel_size=3), MAP),
    "attention pooling": (lambda: AttentionPooling(units=4), SEQUENCE),
}


@pytest.fixture
def precision():
    """Sets a precision, for one test."""
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy("float32")


def model_of(block, example):
    inputs = keras.Input(example.shape[1:])
    return keras.Model(inputs, block(inputs))


def disturb(model):
    """Other weights than those of the start, some of which are zero."""
    rng = np.random.default_rng(1)
    model.set_weights([weights + 0.5 * rng.standard_normal(weights.shape) for weights in model.get_weights()])


@pytest.mark.parametrize("name", BLOCKS)
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_a_saved_block_computes_the_same_under_any_later_policy(name, policy, precision, tmp_path):
    make, example = BLOCKS[name]
    precision(policy)
    model = model_of(make(), example)
    disturb(model)
    expected = model(example)
    model.save(tmp_path / "model.keras")
    precision("float32")
    loaded = keras.saving.load_model(tmp_path / "model.keras")(example)
    assert loaded.dtype == expected.dtype
    np.testing.assert_array_equal(keras.ops.cast(loaded, "float32"), keras.ops.cast(expected, "float32"))


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_in_bfloat16_gives_about_what_it_gives_in_float32(name, precision):
    make, example = BLOCKS[name]
    exact = model_of(make(), example)
    disturb(exact)
    precision("mixed_bfloat16")
    rough = model_of(make(), example)
    rough.set_weights(exact.get_weights())
    found = rough(example)
    assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
    np.testing.assert_allclose(keras.ops.cast(found, "float32"), exact(example), atol=0.1, rtol=0.05)


@pytest.mark.parametrize("name", ["channel attention", "spatial attention", "cbam"])
def test_attention_for_pretrained_features_starts_as_the_identity(name):
    make, example = BLOCKS[name]
    np.testing.assert_array_equal(model_of(make(), example)(example), example)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_learns_with_all_of_its_weights(name):
    """The kernel before one that starts at zero has no gradient in the first step, but in the second."""
    make, example = BLOCKS[name]
    model = model_of(make(), example)
    model.compile(optimizer=keras.optimizers.SGD(1.0), loss="mse", run_eagerly=True)
    before = model.get_weights()
    target = np.random.default_rng(2).standard_normal(model.compute_output_shape(example.shape))
    for _ in range(2):
        model.train_on_batch(example, target)
    same = [v.path for v, old in zip(model.weights, before, strict=True) if np.array_equal(v, old)]
    assert same == []


def test_squeeze_and_excitation_scales_whole_channels():
    model = model_of(SqueezeExcitation(ratio=4), MAP)
    disturb(model)
    gates = np.asarray(model(MAP)) / MAP
    np.testing.assert_allclose(gates, np.broadcast_to(gates[:, :1, :1], MAP.shape), rtol=1e-3)
    assert (gates > 0).all() and (gates < 2).all() and np.ptp(gates) > 0.1


def test_spatial_attention_scales_whole_positions():
    model = model_of(SpatialAttention(kernel_size=3), MAP)
    disturb(model)
    gates = np.asarray(model(MAP)) / MAP
    np.testing.assert_allclose(gates, np.broadcast_to(gates[..., :1], MAP.shape), rtol=1e-3)
    assert np.ptp(gates) > 0.1


def test_attention_pooling_picks_the_steps_that_score_highest():
    pooling = AttentionPooling(units=1)
    pooling.build(SEQUENCE.shape)
    pooling.projection.set_weights([np.eye(8, 1), np.zeros(1)])
    pooling.score.set_weights([np.zeros((1, 1))])
    np.testing.assert_allclose(pooling(SEQUENCE), SEQUENCE.mean(axis=1), atol=1e-5)
    pooling.score.set_weights([np.full((1, 1), 1e4)])
    best = SEQUENCE[:, :, 0].argmax(axis=1)
    np.testing.assert_allclose(pooling(SEQUENCE), SEQUENCE[[0, 1], best], atol=1e-4)


def test_rows_are_read_from_top_to_bottom():
    found = np.asarray(rows(keras.ops.convert_to_tensor(MAP)))
    assert found.shape == (2, 5, 48)
    np.testing.assert_array_equal(found[0, 3].reshape(6, 8), MAP[0, 3])


@pytest.mark.parametrize("stride", [1, 2])
def test_a_residual_block_passes_its_input_on(stride):
    inputs = keras.Input((8, 8, 4))
    model = keras.Model(inputs, residual_block(inputs, 4 if stride == 1 else 6, stride))
    assert model.output_shape == ((None, 8, 8, 4) if stride == 1 else (None, 4, 4, 6))
    if stride == 1:
        image = np.abs(np.random.default_rng(0).standard_normal((1, 8, 8, 4)))
        model.set_weights([np.zeros_like(weights) for weights in model.get_weights()])
        np.testing.assert_array_equal(model(image), image.astype(np.float32))


def test_inserted_layers_stand_in_a_copy_with_the_network_s_weights():
    inputs = keras.Input((4, 4, 3), name="pixels")
    normalisation = layers.Normalization(name="normalisation")
    hidden = layers.Conv2D(2, 3, name="hidden")(normalisation(inputs))
    network = keras.Model(inputs, layers.ReLU(name="last")(hidden), name="backbone")
    normalisation.set_weights([np.float32([1, 2, 3]), np.float32([4, 5, 6]), np.int32(0)])
    normalisation.finalize_state()
    image = np.random.default_rng(0).uniform(0, 9, (2, 4, 4, 3)).astype(np.float32)
    before = np.asarray(network(image))

    negated = insert_layers(network, lambda layer: layers.Rescaling(-1) if layer.name == "hidden" else None)
    expected = keras.ops.relu(-keras.Model(network.input, network.get_layer("hidden").output)(image))
    np.testing.assert_allclose(negated(image), expected, rtol=1e-5)
    assert negated.name == "backbone"
    assert negated.get_layer("hidden") is not network.get_layer("hidden")
    np.testing.assert_array_equal(network(image), before)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_head_is_in_float32_whatever_comes_before(policy, precision):
    precision(policy)
    inputs = keras.Input((8,))

    class recipe:
        classes, dropout = 3, 0.5

    assert classifier(layers.Dense(4)(inputs), recipe).dtype == "float32"
