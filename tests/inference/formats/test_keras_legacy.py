"""Models of earlier versions of Keras predict what they predicted there, or are refused by name."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from keras import layers
from made_up_models import SIZE as THIRDS_SIZE
from made_up_models import thirds
from old_keras_files import (
    SIZE,
    dense,
    first,
    functional,
    head,
    images,
    layer,
    node,
    predict,
    reference,
    sequential,
    stored_weights,
    values,
    write_archive,
    write_hdf5,
)

from fer_bench.core.errors import UserError
from fer_bench.inference.formats.model_file import load

GLOROT = {"class_name": "VarianceScaling", "config": {"scale": 1.0, "mode": "fan_avg", "dtype": "float32"}}
FLAT = layer("Flatten", "flatten_1")


@pytest.mark.parametrize("as_list", [True, False])
def test_keras_2_network_predicts_the_same(tmp_path, as_list):
    model = reference(
        layers.Conv2D(4, 3, activation="relu", padding="same"),
        layers.BatchNormalization(epsilon=0.01),
        layers.SeparableConv2D(5, 3, padding="same"),
        layers.LeakyReLU(negative_slope=0.2),
        layers.DepthwiseConv2D(3),
        layers.ReLU(threshold=0.1),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, activation="softmax"),
    )
    kernel_options = {"kernel_initializer": GLOROT, "kernel_regularizer": None, "kernel_constraint": None}
    convolution = {"kernel_size": [3, 3], "padding": "same", "strides": [1, 1], "data_format": "channels_last"}
    config = sequential(
        first(
            layer("Conv2D", "c1", filters=4, activation="relu", dilation_rate=[1, 1], **convolution, **kernel_options)
        ),
        layer("BatchNormalization", "b1", axis=[3], epsilon=0.01, momentum=0.9, fused=True, renorm=False),
        layer("SpatialDropout2D", "d1", rate=0.5, noise_shape=None, seed=None),
        layer("SeparableConv2D", "c2", filters=5, groups=1, depth_multiplier=1, **convolution, **kernel_options),
        layer("LeakyReLU", "l1", alpha={"type": "ndarray", "value": 0.2}),
        layer("DepthwiseConv2D", "c3", groups=1, **(convolution | {"padding": "valid"}), **kernel_options),
        layer("ThresholdedReLU", "l2", theta=0.1),
        layer("GlobalAveragePooling2D", "g1", data_format="channels_last"),
        layer("Dropout", "d2", rate=0.5, noise_shape=None, seed=None),
        dense("out", 3, activation="softmax_v2", bias_initializer={"class_name": "Zeros", "config": {}}),
        as_list=as_list,
    )
    weights = stored_weights(model, ["c1", "b1", "c2", "c3", "out"])
    weights["c3"] = {key.replace("kernel", "depthwise_kernel"): array for key, array in weights["c3"].items()}
    path = write_hdf5(tmp_path / "net.hdf5", config, weights, "2.0.6" if as_list else "2.9.0")
    before, batch = path.read_bytes(), images()
    classifier = load(path)
    np.testing.assert_allclose(classifier.predict(batch), model.predict_on_batch(batch), atol=1e-6)
    assert classifier.input_shape == (None, SIZE, SIZE, 1) and "upgraded" in classifier.notes[0]
    assert path.read_bytes() == before


def test_hard_sigmoid_is_that_of_keras_2(tmp_path):
    weights, linear = head()
    config = sequential(first(layer("Flatten", "f")), dense(activation="hard_sigmoid"))
    batch = images()
    expected = np.clip(0.2 * linear(batch) + 0.5, 0, 1)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(predict(write_hdf5(tmp_path / "net.h5", config, weights), batch), expected, atol=1e-6)


@pytest.mark.parametrize(("backend", "mirrored"), [("theano", True), ("tensorflow", False), (None, None)])
def test_keras_1_kernels_of_theano_are_mirrored(tmp_path, backend, mirrored):
    kernel, bias = values(2, 1, 3, 3), values(2)  # filters, channels, rows, columns
    convolution = layer(
        "Convolution2D", "convolution2d_1", nb_filter=2, nb_row=3, nb_col=3, border_mode="valid", subsample=[1, 1],
        dim_ordering="th", bias=True, init="glorot_uniform", activation="linear", W_regularizer=None, b_constraint=None,
    )  # fmt: skip
    convolution["config"] |= {"batch_input_shape": [None, 1, SIZE, SIZE], "input_dtype": "float32"}
    config = sequential(
        convolution,
        layer("Dropout", "dropout_1", p=0.25),
        layer("GlobalAveragePooling2D", "pool", dim_ordering="th"),
        as_list=True,
    )
    weights = {"convolution2d_1": {"convolution2d_1_W": kernel, "convolution2d_1_b": bias}}
    path = write_hdf5(tmp_path / "net.h5", config, weights, "1.2.2", backend)
    if mirrored is None:
        with pytest.raises(UserError, match="theano"):
            load(path)
        return
    batch = images().transpose(0, 3, 1, 2)
    windows = np.lib.stride_tricks.sliding_window_view(batch[:, 0], (3, 3), axis=(1, 2))
    used = kernel[:, 0, ::-1, ::-1] if mirrored else kernel[:, 0]
    expected = np.einsum("nijab,fab->nf", windows, used) / windows[0, :, :, 0, 0].size + bias
    np.testing.assert_allclose(predict(path, batch), expected, atol=1e-5)


@pytest.mark.parametrize("nodes", ["single", "nested", "keywords"])
def test_operations_between_layers_are_computed(tmp_path, nodes):
    weights, linear = head()
    operation = layer("TFOpLambda", "tf.math.truediv", function="math.truediv", dtype="float32")
    inbound = ["input_1", 0, 0, {"y": 2.0, "name": None}]
    minus = layer("TFOpLambda", "tf.math.subtract", function="math.subtract")
    config = functional(
        node(operation, inbound),
        node(minus, ["_CONSTANT_VALUE", -1, 1.0, {"y": ["tf.math.truediv", 0, 0], "name": None}]),
        node(FLAT, *{"single": [["tf.math.subtract", 0, 0]], "nested": [[["tf.math.subtract", 0, 0]]]}.get(
            nodes, [[["tf.math.subtract", 0, 0, {"training": False}]]])),
        node(dense(), [["flatten_1", 0, 0, {}]]),
        output="out",
        class_name="Functional",
    )  # fmt: skip
    batch = images()
    np.testing.assert_allclose(
        predict(write_hdf5(tmp_path / "net.h5", config, weights), batch), linear(1 - batch / 2), atol=1e-5
    )


@pytest.mark.parametrize(("mode", "merge"), [("sum", np.add), ("mul", np.multiply), ("max", np.maximum)])
def test_keras_1_merges_are_computed(tmp_path, mode, merge):
    weights, linear = head()
    halved = layer("Activation", "halved", activation="sigmoid")
    config = functional(
        node(halved, [["input_1", 0, 0]]),
        node(layer("Merge", "merge_1", mode=mode, concat_axis=-1, layers=None), [["halved", 0, 0], ["input_1", 0, 0]]),
        node(FLAT, [["merge_1", 0, 0]]),
        node(dense(), [["flatten_1", 0, 0]]),
        output="out",
    )
    batch = images()
    path = write_hdf5(tmp_path / "net.h5", config, weights, "1.2.0")
    np.testing.assert_allclose(predict(path, batch), linear(merge(1 / (1 + np.exp(-batch)), batch)), atol=1e-5)


def test_time_distributed_model_of_unknown_shape(tmp_path):
    kernel, bias = values(SIZE, 2), values(2)
    inner = sequential(layer("Flatten", "f"), dense("d", 2), as_list=True)
    config = sequential(
        first(layer("Reshape", "r", target_shape=[SIZE, SIZE, 1])),
        layer("TimeDistributed", "td", layer=inner),
        layer("GlobalMaxPooling1D", "max"),
    )
    batch = images()
    path = write_hdf5(tmp_path / "net.h5", config, {"td": {"d/kernel:0": kernel, "d/bias:0": bias}})
    np.testing.assert_allclose(predict(path, batch), (batch[..., 0] @ kernel + bias).max(axis=1), atol=1e-5)


def test_nodes_of_a_graph_between_layers_are_computed(tmp_path):
    weights, linear = head()
    division = layer("TensorFlowOpLayer", "tf_op", node_def={"name": "truediv", "op": "RealDiv"}, constants={"1": 4.0})
    difference = layer("TensorFlowOpLayer", "tf_op_1", node_def='{"op": "Sub"}', constants={"0": 1.0})
    config = functional(
        node(division, [["input_1", 0, 0, {}]]),
        node(difference, [["tf_op", 0, 0, {}]]),
        node(FLAT, [["tf_op_1", 0, 0, {}]]),
        node(dense(), [["flatten_1", 0, 0, {}]]),
        output="out",
    )
    batch = images()
    path = write_hdf5(tmp_path / "net.h5", config, weights, "2.3.0-tf")
    np.testing.assert_allclose(predict(path, batch), linear(1 - batch / 4), atol=1e-5)


@pytest.mark.parametrize("has_count", [True, False])
def test_normalization_learned_from_data(tmp_path, has_count):
    weights, linear = head()
    stored = {"n/mean:0": np.float32([0.3]), "n/variance:0": np.float32([4.0])}
    stored |= {"n/count:0": np.int64(9)} if has_count else {}
    config = sequential(first(layer("Normalization", "n", axis=[-1], mean=None, variance=None)), FLAT, dense())
    batch = images()
    path = write_hdf5(tmp_path / "net.h5", config, {"n": stored, **weights}, "2.6.0")
    np.testing.assert_allclose(predict(path, batch), linear((batch - 0.3) / 2), atol=1e-5)


@pytest.mark.parametrize("first_index", [0, 1])
@pytest.mark.parametrize("has_names", [True, False])
def test_weights_of_a_partly_frozen_nested_model_find_their_layers(tmp_path, first_index, has_names):
    model = reference(
        layers.BatchNormalization(), layers.BatchNormalization(), layers.Flatten(), layers.Dense(3, use_bias=False)
    )
    frozen = layer("BatchNormalization", "frozen", axis=-1, epsilon=0.001)
    frozen["config"]["trainable"] = False
    inner = sequential(first(frozen), layer("BatchNormalization", "trained", axis=-1, epsilon=0.001))
    inner["config"]["name"] = "base"
    config = functional(
        node(inner, [["input_1", 0, 0]]),
        node(FLAT, [["base", first_index, 0, {}]]),
        node(dense(use_bias=False), [["flatten_1", 0, 0]]),
        output="out",
    )
    kinds = ("gamma", "beta", "moving_mean", "moving_variance")
    by_name = {
        f"{owner}/{kind}:0": array.numpy()
        for owner, built in zip(("frozen", "trained"), model.layers, strict=False)
        for kind, array in zip(kinds, built.weights, strict=True)
    }
    order = ["trained/gamma:0", "trained/beta:0", *(f"frozen/{kind}:0" for kind in kinds)]
    order += ["trained/moving_mean:0", "trained/moving_variance:0"]  # Keras 2 stores what is trained first
    base = {(key if has_names else f"{i}/{key.split('/')[1]}"): by_name[key] for i, key in enumerate(order)}
    weights = {"base": base, "out": {"out/kernel:0": model.layers[-1].kernel.numpy()}}
    batch = images()
    path = write_hdf5(tmp_path / "net.h5", config, weights)
    np.testing.assert_allclose(predict(path, batch), model.predict_on_batch(batch), atol=1e-5)


def test_weights_of_another_kind_or_shape_are_refused(tmp_path):
    config = sequential(first(layer("BatchNormalization", "bn", axis=-1)), FLAT)
    arrays = [values(1) for _ in range(4)]
    other = dict(zip(("bn/kernel:0", "bn/beta:0", "bn/moving_mean:0", "bn/moving_variance:0"), arrays, strict=True))
    with pytest.raises(UserError, match="kernel stored in place of its gamma"):
        load(write_hdf5(tmp_path / "net.h5", config, {"bn": other}))
    larger = {"bn": {f"bn/{kind}:0": values(2) for kind in ("gamma", "beta", "moving_mean", "moving_variance")}}
    with pytest.raises(UserError, match="shape"):
        load(write_hdf5(tmp_path / "net.h5", config, larger))
    with pytest.raises(UserError, match="weights for 0 layers"):
        load(write_hdf5(tmp_path / "net.h5", config, {}))


def test_archive_of_keras_2_is_opened(tmp_path):
    model = reference(layers.Conv2D(2, 3), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3))
    convolution = {"filters": 2, "kernel_size": [3, 3], "groups": 1}
    config = sequential(
        first(layer("Conv2D", "b", **convolution)), layer("Conv2D", "a", **convolution), FLAT, dense("out", 3)
    )
    arrays = {
        f"_layer_checkpoint_dependencies\\{name}\\vars\\{i}".replace("\\", "/"): variable.numpy()
        for name, built in zip(("conv2d", "conv2d_1", "flatten", "dense"), model.layers, strict=True)
        for i, variable in enumerate(built.weights)
    }
    batch = images()
    classifier = load(write_archive(tmp_path / "net.keras", config, arrays))
    np.testing.assert_allclose(classifier.predict(batch), model.predict_on_batch(batch), atol=1e-5)
    assert classifier.notes == ("configuration of Keras 2.13.1 upgraded",)


@pytest.mark.parametrize(("value", "message"), [(1, None), (2, "groups=2"), (None, None)])
def test_archive_of_keras_3_with_an_option_of_another_version(tmp_path, value, message):
    thirds().save(tmp_path / "new.keras")
    with zipfile.ZipFile(tmp_path / "new.keras") as source, zipfile.ZipFile(tmp_path / "net.keras", "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][1]["config"]["groups"] = value
                content = json.dumps(config).encode()
            target.writestr(name, content)
    if message:
        with pytest.raises(UserError, match=message):
            load(tmp_path / "net.keras")
        return
    classifier = load(tmp_path / "net.keras")
    assert classifier.predict(np.ones((1, THIRDS_SIZE, THIRDS_SIZE, 1), np.float32)).shape == (1, 3)
    assert "upgraded" in classifier.notes[0]


REFUSED = {
    "Lambda": layer("Lambda", "x", function=["4wEAAAA=", None, None], function_type="lambda"),
    "'GroupNorm2'": layer("GroupNorm2", "x", groups=2),
    "'Addons>Swish'": layer("Addons>Swish", "x"),
    "'antigravity'": layer("Dense", "x", units=3) | {"module": "antigravity", "class_name": "antigravity"},
    "dilation_mode='wide'": layer("MaxPooling2D", "x", dilation_mode="wide"),
    "activation 'my_act'": layer("Activation", "x", activation="my_act"),
    "mode=2": layer("BatchNormalization", "x", mode=2, axis=-1),
    "'nn.conv2d'": layer("TFOpLambda", "x", function="nn.conv2d"),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_cannot_be_rebuilt_is_named_in_one_sentence(tmp_path, reason):
    config = functional(node(REFUSED[reason], [["input_1", 0, 0, {}]]), output="x")
    with pytest.raises(UserError) as raised:
        load(write_hdf5(tmp_path / "net.h5", config, {}))
    message = str(raised.value)
    assert reason in message and len(message) < 300 and "class_name" not in message


@pytest.mark.parametrize(("version", "is_refused"), [("2.2.4", True), ("2.3.1", True), ("2.4.3", False)])
def test_bilinear_enlargement_of_keras_2_2_is_refused(tmp_path, version, is_refused):
    config = sequential(
        first(layer("UpSampling2D", "up", size=[2, 2], interpolation="bilinear")), layer("GlobalMaxPooling2D", "max")
    )
    path = write_hdf5(tmp_path / "net.h5", config, {}, version)
    if is_refused:
        with pytest.raises(UserError, match="bilinearly"):
            load(path)
    else:
        assert predict(path, images()).shape == (3, 1)


def test_layer_in_training_mode_is_refused(tmp_path):
    weights, _ = head()
    config = functional(
        node(layer("Dropout", "mc", rate=0.5), [["input_1", 0, 0, {"training": True}]]),
        node(FLAT, [["mc", 0, 0]]),
        node(dense(), [["flatten_1", 0, 0]]),
        output="out",
    )
    with pytest.raises(UserError, match="training mode"):
        load(write_hdf5(tmp_path / "net.h5", config, weights))
