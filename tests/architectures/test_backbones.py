"""Pretrained backbones see what they were trained on, and random ones start with a signal of unit scale."""

import keras
import numpy as np
import pytest

from fer_bench.training.recipe import Recipe
from fer_bench.training.train import build_model

SIDE = 48
NETWORKS = {
    "vgg16": (keras.applications.VGG16, keras.applications.vgg16.preprocess_input),
    "resnet50": (keras.applications.ResNet50, keras.applications.resnet.preprocess_input),
    "mobilenet": (keras.applications.MobileNet, keras.applications.mobilenet.preprocess_input),
    "mobilenet_v2": (keras.applications.MobileNetV2, keras.applications.mobilenet_v2.preprocess_input),
}


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 1)).astype(np.uint8)


def features(model, pixels):
    """What the model's backbone gives, before it is normalised."""
    return np.asarray(keras.Model(model.input, model.get_layer("features").input)(pixels))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pretrained_backbone_gets_keras_own_normalisation(name, pixels, tmp_path):
    application, preprocess = NETWORKS[name]
    network = application(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    file = tmp_path / f"{name}_notop.weights.h5"
    network.save_weights(file)

    model = build_model(name, Recipe(), (SIDE, SIDE), 7, weights_file=file)
    expected = np.asarray(network(preprocess(np.repeat(pixels, 3, axis=-1).astype(np.float32))))
    np.testing.assert_allclose(features(model, pixels), expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_a_random_vgg_keeps_the_scale_of_its_signal(name, pixels):
    keras.utils.set_random_seed(0)
    found = features(build_model(name, Recipe(), (SIDE, SIDE), 7), pixels)
    assert 0.05 < found.std() < 20  # Keras' own initialisation leaves 0.001 of unit pixels after 13 layers
