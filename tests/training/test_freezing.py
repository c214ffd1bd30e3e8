"""Freezing by blocks, counted from the last one: frozen layers keep their weights and statistics."""

import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import layers

from fer_bench.config.recipe import resolve
from fer_bench.training import loop
from fer_bench.training.freezing import get_backbone, pretrained_variables, set_trainable_blocks, split_into_blocks
from fer_bench.training.loop import fit

QUICK = {"batch_size": 8, "augmentation": "none", "patience": None}
IMAGES = np.random.default_rng(0).integers(0, 256, (24, 6, 6), dtype=np.uint8)
LABELS = np.arange(24) % 3


class Gate(layers.Layer):
    """A custom layer, like attention between pretrained layers."""

    def build(self, shape):
        self.gate = self.add_weight(shape=(shape[-1],), initializer="ones", name="gate")

    def call(self, x):
        return x * self.gate


def network(count: int = 3) -> keras.Model:
    """Return a backbone of `count` blocks with batch normalization, the first with a gate, and a head."""
    keras.utils.set_random_seed(0)
    inputs = x = keras.Input((6, 6, 1))
    for block in range(1, count + 1):
        x = layers.Conv2D(3, 3, padding="same", name=f"block{block}_conv")(x)
        x = layers.BatchNormalization(name=f"block{block}_bn")(x)
        if block == 1:
            x = Gate(name="gate")(x)
        x = layers.ReLU(name=f"relu_{block}")(x)
    backbone = keras.Model(inputs, x, name="backbone")
    pixels = keras.Input((6, 6, 1))
    x = layers.Flatten()(backbone(layers.Rescaling(1 / 255)(pixels)))
    return keras.Model(pixels, layers.Dense(3, name="logits")(x), name="tiny_backbone")


def state(model: keras.Model) -> dict[str, np.ndarray]:
    """Return the weights and statistics of each block, of the gate and of the head, each as one vector."""
    vectors: dict[str, list] = {}
    for layer in [*get_backbone(model).layers, model.get_layer("logits")]:
        vectors.setdefault(layer.name.partition("_")[0], []).extend(np.array(v).ravel() for v in layer.variables)
    return {name: np.concatenate(values) for name, values in vectors.items() if values}


def changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    return {name for name in before if (before[name] != after[name]).any()}


def train(model: keras.Model, recipe: dict, **events):
    return fit(model, IMAGES, LABELS, IMAGES, LABELS, resolve(QUICK, recipe), seed=1, **events)


LAYER_NAMES = {
    "vgg16": (
        5,
        "input_layer block1_conv1 block1_pool block2_conv1 block3_conv1 block4_conv1 block5_conv1 block5_pool",
    ),
    "resnet50": (
        5,
        "input_layer conv1_pad conv1_conv conv1_bn pool1_pool conv2_block1_1_conv conv2_block1_0_conv conv2_block1_add "
        "conv2_block2_1_conv conv3_block1_1_conv conv4_block1_1_conv conv5_block1_1_conv conv5_block3_out",
    ),
    "mobilenet": (
        14,
        "input_layer conv1 conv1_bn conv1_relu conv_dw_1 conv_dw_1_bn conv_pw_1 conv_pw_1_bn conv_pad_2 "
        + " ".join(f"conv_dw_{i} conv_pw_{i} conv_pw_{i}_relu" for i in range(2, 14)),
    ),
    "mobilenet_v2": (
        18,
        "input_layer Conv1 bn_Conv1 Conv1_relu expanded_conv_depthwise expanded_conv_project_BN "
        + " ".join(f"block_{i}_expand block_{i}_project" for i in range(1, 17))
        + " Conv_1 Conv_1_bn out_relu",
    ),
    "efficientnet_b0": (
        9,
        "input_layer rescaling normalization stem_conv_pad stem_conv block1a_dwconv block1a_se_squeeze "
        "block2a_expand_conv block2b_add block3a_bn block4a_bn block5a_bn block6a_bn block7a_bn top_conv",
    ),
    "densenet121": (
        5,
        "input_layer zero_padding2d conv1_conv pool1 conv2_block1_0_bn conv2_block6_concat pool2_bn pool2_pool "
        "conv3_block1_0_bn pool3_bn conv4_block1_0_bn pool4_bn conv5_block1_0_bn conv5_block16_concat bn relu",
    ),
    "convnext_tiny": (
        5,
        "input_layer backbone_prestem_normalization backbone_stem backbone_stage_0_block_0_depthwise_conv add "
        "backbone_stage_0_block_1_depthwise_conv backbone_downsampling_block_0 backbone_stage_1_block_0_depthwise_conv "
        "backbone_downsampling_block_1 backbone_stage_2_block_0_layer_scale backbone_downsampling_block_2 "
        "backbone_stage_3_block_2_identity layer_normalization",
    ),
}


@pytest.mark.parametrize("name", LAYER_NAMES)
def test_blocks_of_known_backbones(name):
    count, names = LAYER_NAMES[name]
    found = split_into_blocks(SimpleNamespace(layers=[SimpleNamespace(name=n) for n in names.split()]))
    assert [layer.name for block in found for layer in block] == names.split()
    assert len(found) == count


@pytest.mark.slow
@pytest.mark.parametrize(
    ("application", "name"),
    [
        ("VGG16", "vgg16"),
        ("VGG19", "vgg16"),
        ("ResNet50", "resnet50"),
        ("MobileNet", "mobilenet"),
        ("MobileNetV2", "mobilenet_v2"),
        ("EfficientNetB0", "efficientnet_b0"),
        ("DenseNet121", "densenet121"),
        ("ConvNeXtTiny", "convnext_tiny"),
    ],
)
def test_layer_names_of_keras_applications(application, name):
    build = getattr(keras.applications, application)
    found = split_into_blocks(build(include_top=False, weights=None, input_shape=(32, 32, 3), name="backbone"))
    assert len(found) == LAYER_NAMES[name][0]
    assert all(any(layer.weights for layer in block) for block in found)


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (0, {"gate", "logits"}),
        (2, {"gate", "logits", "block3", "block2"}),
    ],
)
def test_only_the_last_blocks_and_custom_layers_are_trained(count, expected):
    model = network()
    before = state(model)  # including the statistics of batch normalization
    train(model, {"epochs": 1, "backbone.trainable_blocks": count})
    assert changed(before, state(model)) == expected


@pytest.mark.parametrize("count", [3, 99, "all"])
def test_as_many_blocks_as_there_are_make_all_weights_trainable(count):
    model = network()
    set_trainable_blocks(model, count)
    assert {variable.path for variable in model.trainable_variables} == {
        variable.path for variable in network().trainable_variables
    }


def test_frozen_batch_normalization_uses_its_statistics():
    model = network()
    set_trainable_blocks(model, 0)
    x = IMAGES[..., None].astype(np.float32)
    np.testing.assert_array_equal(model(x, training=True), model(x, training=False))
    set_trainable_blocks(model, 1)
    assert not np.array_equal(model(x, training=True), model(x, training=False))


def test_gradual_unfreezing_follows_the_stages():
    model = network(2)
    states = [state(model)]
    result = train(
        model,
        {"epochs": 3, "backbone.trainable_blocks": [[0, 0], [0.3, 1], [0.6, "all"]]},
        on_epoch_end=lambda epoch: states.append(state(model)),
    )
    head = {"gate", "logits"}
    last, whole = head | {"block2"}, head | {"block2", "block1"}
    changes = [changed(one, next_) for one, next_ in itertools.pairwise(states)]
    assert changes == [head, last, whole]
    rates = [epoch.learning_rate for epoch in result.history]
    assert rates == sorted(rates, reverse=True) and len(set(rates)) == 3  # the schedule continues over the stages


def test_compiling_a_stage_is_not_part_of_the_training_time(monkeypatch):
    """A fake clock runs only in the calls of `train_on_batch`: 100 s to trace, 1 s for any other step."""
    clock, traced = [0.0], set()
    usual = keras.Model.train_on_batch

    def timed(model, *arguments, **options):
        clock[0] += 1.0 if model.optimizer in traced else 100.0
        traced.add(model.optimizer)
        return usual(model, *arguments, **options)

    monkeypatch.setattr(keras.Model, "train_on_batch", timed)
    monkeypatch.setattr(loop.time, "perf_counter", lambda: clock[0])
    result = train(network(1), {"epochs": 3, "backbone.trainable_blocks": [[0, 0], [2, "all"]]})
    assert [epoch.train_seconds for epoch in result.history] == [3.0, 3.0, 3.0]
    assert result.compile_seconds == 2 * 99.0


def test_patience_applies_after_the_last_stage_has_begun():
    recipe = {"epochs": 6, "patience": 1, "backbone.trainable_blocks": [[0, 0], [4, "all"]]}
    constant = {"optimizer": {"learning_rate": 1e-30, "weight_decay": 0}}  # so that the validation accuracy is constant
    result = train(network(1), recipe | constant)
    assert len(result.history) in (4, 5)


def test_a_model_without_a_backbone_cannot_be_frozen():
    inputs = keras.Input((6, 6, 1))
    model = keras.Model(inputs, layers.Dense(3)(layers.Flatten()(inputs)), name="plain")
    with pytest.raises(ValueError, match="no pretrained backbone"):
        train(model, {"epochs": 1, "backbone.trainable_blocks": 0})
    with pytest.raises(ValueError, match="no pretrained backbone"):
        train(model, {"epochs": 1, "backbone.learning_rate_factor": 0.1})
    assert train(model, {"epochs": 1}).best_epoch == 1


def test_pretrained_variables_belong_to_keras_layers_of_the_backbone():
    paths = {variable.path.rpartition("/")[0].rpartition("/")[2] for variable in pretrained_variables(network(2))}
    assert paths == {"block1_conv", "block1_bn", "block2_conv", "block2_bn"}


def test_gradual_unfreezing_combines_with_other_options():
    """Also runs on JAX, see test_jax_backend.py."""
    model, steps, epochs = network(2), [], [state(network(2))]
    result = train(
        model,
        {
            "epochs": 2,
            "backbone": {"trainable_blocks": [[0, 0], [2, 1]], "learning_rate_factor": 0.1},
            "optimizer": {"ema": 0.9, "clip_norm": 1.0, "learning_rate": 0.05},
            "schedule": {"name": "step", "every": 1, "warmup_epochs": 0},
            "class_weights": "balanced",
            "l2": 1e-4,
            "tta": "flip",
        },
        on_step_end=lambda *_: steps.append((model.get_weights(), float(np.array(model.optimizer.learning_rate)))),
        on_epoch_end=lambda _: epochs.append(state(model)),
    )
    assert changed(epochs[0], epochs[1]) == {"gate", "logits"}
    assert changed(epochs[1], epochs[2]) == {"gate", "logits", "block2"}
    np.testing.assert_allclose([rate for _, rate in steps], [0.05] * 3 + [0.005] * 3, rtol=1e-5)

    best_weights = [weights for weights, _ in steps[3 * result.best_epoch - 3 : 3 * result.best_epoch]]
    average = best_weights[0]  # it restarts with the stage
    for weights in best_weights[1:]:
        average = [0.9 * a + 0.1 * w for a, w in zip(average, weights, strict=True)]
    averaged = {variable.path for variable in model.trainable_variables}
    for variable, expected, last in zip(model.weights, average, best_weights[-1], strict=True):
        expected = expected if variable.path in averaged else last
        np.testing.assert_allclose(np.array(variable), expected, rtol=1e-4, atol=1e-6, err_msg=variable.path)
