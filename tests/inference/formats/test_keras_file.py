"""Keras files: valid, with custom layers, damaged and malicious."""

from __future__ import annotations

import json
import shutil
import warnings
import zipfile

import keras
import numpy as np
import pytest
from keras import layers
from made_up_models import SIZE, thirds

from fer_bench.core.errors import UserError
from fer_bench.inference.formats.model_file import load


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """One model in each format of Keras."""
    folder, model = tmp_path_factory.mktemp("valid"), thirds()
    model.compile("adam", "categorical_crossentropy")
    for suffix in (".keras", ".h5"):
        model.save(folder / f"net{suffix}")
    shutil.copy(folder / "net.h5", folder / "net.hdf5")
    model.save_weights(folder / "net.weights.h5")
    return folder


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".hdf5"])
def test_every_keras_format_is_loaded(valid, suffix):
    model = load(valid / f"net{suffix}")
    assert (model.input_shape, model.num_outputs, model.layout) == ((None, SIZE, SIZE, 1), 3, "nhwc")
    assert model.num_parameters == 9 and model.backend == keras.backend.backend() and model.versions["keras"]
    bright = np.zeros((1, SIZE, SIZE, 1), np.float32)
    bright[:, SIZE // 3 : 2 * SIZE // 3] = 1
    assert np.asarray(model.predict(bright)).argmax() == 1


def with_layer(source, target, layer):
    """Write a copy of a .keras file with another second layer."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][1] |= layer
                content = json.dumps(config).encode()
            new.writestr(name, content)
    return target


class Custom(layers.Layer):
    def call(self, inputs):
        return inputs


def model_with(layer):
    inputs = keras.Input((SIZE, SIZE, 1))
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(layer(inputs))))


def lambda_model():
    return model_with(layers.Lambda(lambda x: 2 * x))


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize(
    ("make", "message"), [(lambda_model, "Lambda"), (lambda: model_with(Custom()), "requires 'Custom'")]
)
def test_code_and_custom_layers_are_refused(tmp_path, suffix, make, message):
    make().save(tmp_path / f"net{suffix}")
    with pytest.raises(UserError, match=message):
        load(tmp_path / f"net{suffix}")


@pytest.mark.parametrize(
    "layer",
    [
        {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"},
        {"module": "builtins", "class_name": "function", "config": "eval", "registered_name": "eval"},
        {"module": "subprocess", "class_name": "Popen", "config": {"args": ["true"]}, "registered_name": None},
        {"module": "keras.config", "class_name": "function"}
        | dict.fromkeys(["config", "registered_name"], "enable_unsafe_deserialization"),
        {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "elsewhere"}},
        {"module": "antigravity", "class_name": "Dense", "config": {}, "registered_name": "antigravity>Dense"},
    ],
    ids=lambda layer: layer["module"],
)
def test_only_keras_layers_are_deserialized(valid, tmp_path, layer):
    with pytest.raises(UserError, match="is not opened"):
        load(with_layer(valid / "net.keras", tmp_path / "net.keras", layer))
    lambda_model().save(tmp_path / "later.keras")
    with pytest.raises(UserError, match="is not opened"):  # the first file has not disabled safe mode
        load(tmp_path / "later.keras")


def test_weights_only_file_is_refused(valid):
    with pytest.raises(UserError, match="only weights"):
        load(valid / "net.weights.h5")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("length", [0, 700])
def test_damaged_file_is_reported_in_one_line(valid, tmp_path, suffix, length):
    path = tmp_path / f"net{suffix}"
    path.write_bytes((valid / f"net{suffix}").read_bytes()[:length])
    with pytest.raises(UserError) as raised:
        load(path)
    assert str(raised.value).startswith(str(path)) and "\n" not in str(raised.value)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_sequential_model_is_loaded(tmp_path, suffix):
    model = keras.Sequential([keras.Input((SIZE, SIZE, 1)), layers.Flatten(), layers.Dense(3)])
    model.save(tmp_path / f"net{suffix}")
    batch = np.random.default_rng(0).random((2, SIZE, SIZE, 1)).astype(np.float32)
    loaded = load(tmp_path / f"net{suffix}")
    np.testing.assert_allclose(loaded.predict(batch), model.predict_on_batch(batch), atol=1e-6)
    assert loaded.notes == ()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("wrap", [lambda x: [x], lambda x: {"name": x}, lambda x: (x,)], ids=["list", "dict", "tuple"])
def test_input_and_output_in_a_list_or_dictionary_are_single(tmp_path, wrap, suffix):
    model = thirds()
    path = tmp_path / f"net{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        keras.Model(wrap(model.input), wrap(model.output)).save(path)
    bright = np.zeros((2, SIZE, SIZE, 1), np.float32)
    bright[:, SIZE // 3 : 2 * SIZE // 3] = 1
    classifier = load(path)
    assert classifier.input_shape == (None, SIZE, SIZE, 1)
    assert np.asarray(classifier.predict(bright)).argmax(axis=1).tolist() == [1, 1]


def test_two_heads_are_refused_with_their_names(tmp_path):
    inputs = keras.Input((SIZE, SIZE, 1))
    x = layers.Flatten()(inputs)
    keras.Model(inputs, [layers.Dense(3, name="emotion")(x), layers.Dense(2, name="gender")(x)]).save(
        tmp_path / "n.keras"
    )
    with pytest.raises(UserError, match=r"2 outputs .*emotion, gender"):
        load(tmp_path / "n.keras")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_model_of_integer_pixels_refuses_scaled_ones(tmp_path, suffix):
    inputs = keras.Input((SIZE, SIZE, 1), dtype="uint8")
    keras.Model(inputs, layers.Dense(3)(layers.Flatten()(layers.Rescaling(1 / 255)(inputs)))).save(
        tmp_path / f"n{suffix}"
    )
    pixels = np.full((1, SIZE, SIZE, 1), 200, np.float32)
    model = load(tmp_path / f"n{suffix}")
    assert np.asarray(model.predict(pixels)).shape == (1, 3)
    with pytest.raises(UserError, match="integer pixels"):
        model.predict(pixels / 255)


def test_models_other_than_classifiers_are_refused(tmp_path):
    inputs = keras.Input((SIZE, SIZE, 1))
    feature_map = layers.Conv2D(3, 3)(inputs)
    for outputs, message in ((feature_map, "Use a classifier"), ([feature_map] * 2, "2 outputs")):
        keras.Model(inputs, outputs).save(tmp_path / "net.keras")
        with pytest.raises(UserError, match=message):
            load(tmp_path / "net.keras")
