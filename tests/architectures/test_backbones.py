"""Pretrained backbones get the normalization they were trained with; random ones start with signals of unit scale."""

import keras
import numpy as np
import pytest
from keras import layers

from fer_bench.layers import CBAM, IMAGENET_MEAN, IMAGENET_STD

SIZE = 32


def preprocess_input(module):
    return getattr(keras.applications, module).preprocess_input


NETWORKS = {
    "vgg16": (keras.applications.VGG16, preprocess_input("vgg16")),
    "resnet50": (keras.applications.ResNet50, preprocess_input("resnet")),
    "mobilenet": (keras.applications.MobileNet, preprocess_input("mobilenet")),
    "mobilenet_v2": (keras.applications.MobileNetV2, preprocess_input("mobilenet_v2")),
    "densenet121": (keras.applications.DenseNet121, preprocess_input("densenet")),
    "convnext_tiny": (keras.applications.ConvNeXtTiny, preprocess_input("convnext")),
}


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (2, SIZE, SIZE, 1)).astype(np.uint8)


def rgb(pixels):
    return np.repeat(pixels, 3, axis=-1).astype(np.float32)


def features(model, pixels):
    """Return the backbone's feature map before it is batch-normalized."""
    return np.asarray(keras.Model(model.input, model.get_layer("features").input)(pixels))


def assert_close(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


def identity(input_shape, name, **_):
    """Return a network that returns its input, in place of one of `keras.applications`."""
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, layers.Identity()(inputs), name=name)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pretrained_backbone_gets_the_preprocessing_of_keras(name, build, pixels, tmp_path, monkeypatch):
    application, preprocess = NETWORKS[name]
    monkeypatch.setattr(keras.applications, application.__name__, identity)
    assert_close(features(build(name, SIZE, weights_file=tmp_path), pixels), preprocess(rgb(pixels)))


@pytest.mark.parametrize(
    "name", [name if name == "vgg16" else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS]
)
def test_a_pretrained_backbone_is_the_network_of_keras(name, build, pixels, tmp_path):
    application, preprocess = NETWORKS[name]
    network = application(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    file = tmp_path / f"{name}_notop.weights.h5"
    network.save_weights(file)
    assert_close(features(build(name, SIZE, weights_file=file), pixels), np.asarray(network(preprocess(rgb(pixels)))))


@pytest.mark.slow
def test_efficientnet_from_a_file_equals_the_network_that_keras_downloads(build, pixels, tmp_path, monkeypatch):
    """For weights="imagenet" Keras adds a division to the network that it does not add for a file."""
    options = {"include_top": False, "input_shape": (SIZE, SIZE, 3)}
    network = keras.applications.EfficientNetB0(weights=None, **options)
    normalization = next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
    normalization.set_weights([np.float32(IMAGENET_MEAN), np.float32(IMAGENET_STD), np.int32(0)])
    file = tmp_path / "efficientnet_b0_notop.weights.h5"
    network.save_weights(file)
    monkeypatch.setattr("keras.src.applications.efficientnet.file_utils.get_file", lambda *_, **__: str(file))
    downloaded = keras.applications.EfficientNetB0(weights="imagenet", **options)

    actual = features(build("efficientnet_b0", SIZE, weights_file=file), pixels)
    assert_close(actual, np.asarray(downloaded(rgb(pixels))))


@pytest.mark.parametrize("name", ["vgg16", pytest.param("vgg19", marks=pytest.mark.slow)])
def test_a_random_vgg_preserves_the_scale_of_its_signal(name, build, pixels):
    actual = features(build(name, SIZE), pixels)
    assert 0.05 < actual.std() < 20  # with Keras' default initializer: 0.001 after 13 layers


def test_a_random_efficientnet_gets_pixels_of_unit_scale(build, pixels):
    model = build("efficientnet_b0", SIZE)
    network = model.get_layer("backbone")
    raw = keras.Model(model.input, model.get_layer("grey_to_rgb").output)(pixels)
    scaled = np.asarray(keras.Model(network.input, network.get_layer("deviation").output)(raw))
    assert abs(scaled.mean()) < 0.7 and 0.5 < scaled.std() < 2


@pytest.mark.slow
def test_resnet50_cbam_starts_as_resnet50_with_attention_in_each_block(build, pixels, tmp_path):
    file = tmp_path / "resnet50_notop.weights.h5"
    plain = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(SIZE, SIZE, 3))
    plain.save_weights(file)
    model = build("resnet50_cbam", SIZE, weights_file=file)
    assert_close(features(model, pixels), np.asarray(plain(preprocess_input("resnet")(rgb(pixels)))))

    network = model.get_layer("backbone")
    blocks = [layer for layer in network.layers if isinstance(layer, CBAM)]
    assert len(blocks) == 16
    for block in blocks:
        stem = block.name.removesuffix("_cbam")
        added = [tensor._keras_history.operation for tensor in network.get_layer(f"{stem}_add").input]
        assert block in added
        assert block.input._keras_history.operation.name == f"{stem}_3_bn"
