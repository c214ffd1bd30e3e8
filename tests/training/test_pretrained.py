"""A model starts from the weights of a trained model of its architecture; only its classifier is new."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_bench.core.errors import UserError
from fer_bench.training.pretrained import load_pretrained


def network(classes: int, side: int = 8, filters: int = 4, scale: float = 1.0, hidden: str = "gap") -> keras.Model:
    """A backbone with batch normalization, a dropout layer and a classifier."""
    inner = keras.Input((side, side, 1))
    x = layers.BatchNormalization()(layers.Conv2D(filters, 3)(inner))
    backbone = keras.Model(inner, x, name="backbone")
    inputs = keras.Input((side, side, 1))
    x = backbone(layers.Rescaling(scale)(inputs))
    x = layers.Flatten()(x) if hidden == "flat" else layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.5)(layers.Dense(5)(x))
    return keras.Model(inputs, layers.Dense(classes, name="logits")(x), name="net")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model of three classes with weights of its own, and its file."""
    model = network(3)
    rng = np.random.default_rng(0)
    model.set_weights([rng.random(weight.shape) for weight in model.get_weights()])
    file = tmp_path_factory.mktemp("trained") / "model.keras"
    model.save(file)
    return model, file


@pytest.mark.parametrize("classes", [2, 3])
def test_all_weights_but_the_classifier_s_are_copied(trained, classes):
    source, file = trained
    model = network(classes)
    kernel, bias = (np.array(weight) for weight in model.layers[-1].get_weights())
    load_pretrained(model, file)
    for copied, weight in zip(model.get_weights()[:-2], source.get_weights()[:-2], strict=True):
        np.testing.assert_array_equal(copied, weight)
    np.testing.assert_array_equal(model.layers[-1].get_weights()[0], kernel)
    np.testing.assert_array_equal(model.layers[-1].get_weights()[1], bias)


def test_a_convolution_may_be_the_classifier(tmp_path):
    def fully_convolutional(classes):
        inputs = keras.Input((8, 8, 1))
        x = layers.Conv2D(classes, 3)(layers.Conv2D(4, 3)(inputs))
        return keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="net")

    source, model = fully_convolutional(3), fully_convolutional(2)
    source.save(tmp_path / "model.keras")
    load_pretrained(model, tmp_path / "model.keras")
    np.testing.assert_array_equal(model.get_weights()[0], source.get_weights()[0])


def test_another_input_size_fits_if_no_weight_depends_on_it(trained):
    source, file = trained
    model = network(2, side=12)
    load_pretrained(model, file)
    np.testing.assert_array_equal(model.get_weights()[0], source.get_weights()[0])


def test_models_that_do_not_fit_are_refused(trained, tmp_path):
    _, file = trained
    with pytest.raises(UserError, match="input_size"):
        load_pretrained(network(2, filters=6), file)
    with pytest.raises(UserError, match="other layers"):
        load_pretrained(network(2, hidden="flat"), file)
    with pytest.raises(UserError, match="initial_weights"):
        load_pretrained(network(2, scale=0.1), file)
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match="cannot be read"):
        load_pretrained(network(2), damaged)
