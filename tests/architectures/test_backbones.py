"""Pretrained backbones see what they were trained on, and random ones start with a signal of unit scale."""

import keras
import numpy as np
import pytest

from architectures.layers import CBAM, IMAGENET_DEVIATIONS, IMAGENET_MEANS

SIDE = 32


def preprocess_of(module):
    return getattr(keras.applications, module).preprocess_input


NETWORKS = {
    "vgg16": (keras.applications.VGG16, preprocess_of("vgg16")),
    "resnet50": (keras.applications.ResNet50, preprocess_of("resnet")),
    "mobilenet": (keras.applications.MobileNet, preprocess_of("mobilenet")),
    "mobilenet_v2": (keras.applications.MobileNetV2, preprocess_of("mobilenet_v2")),
    "densenet121": (keras.applications.DenseNet121, preprocess_of("densenet")),
    "convnext_tiny": (keras.applications.ConvNeXtTiny, preprocess_of("convnext")),
}


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (2, SIDE, SIDE, 1)).astype(np.uint8)


def rgb(pixels):
    return np.repeat(pixels, 3, axis=-1).astype(np.float32)


def features(model, pixels):
    """What the model's backbone gives, before it is normalised."""
    return np.asarray(keras.Model(model.input, model.get_layer("features").input)(pixels))


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())


@pytest.mark.parametrize("name", NETWORKS)
def test_a_pretrained_backbone_gets_keras_own_normalisation(name, build, pixels, tmp_path):
    application, preprocess = NETWORKS[name]
    network = application(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    file = tmp_path / f"{name}_notop.weights.h5"
    network.save_weights(file)
    assert_close(features(build(name, SIDE, weights_file=file), pixels), np.asarray(network(preprocess(rgb(pixels)))))


def test_efficientnet_from_a_file_computes_what_keras_does_with_its_download(build, pixels, tmp_path, monkeypatch):
    """Keras builds another network for weights="imagenet" than for a file: with one more division."""
    options = {"include_top": False, "input_shape": (SIDE, SIDE, 3)}
    network = keras.applications.EfficientNetB0(weights=None, **options)
    normalisation = next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
    normalisation.set_weights([np.float32(IMAGENET_MEANS), np.float32(IMAGENET_DEVIATIONS), np.int32(0)])
    file = tmp_path / "efficientnet_b0_notop.weights.h5"
    network.save_weights(file)
    monkeypatch.setattr("keras.src.applications.efficientnet.file_utils.get_file", lambda *_, **__: str(file))
    downloaded = keras.applications.EfficientNetB0(weights="imagenet", **options)

    found = features(build("efficientnet_b0", SIDE, weights_file=file), pixels)
    assert_close(found, np.asarray(downloaded(rgb(pixels))))


@pytest.mark.parametrize("name", ["vgg16", "vgg19"])
def test_a_random_vgg_keeps_the_scale_of_its_signal(name, build, pixels):
    found = features(build(name, SIDE), pixels)
    assert 0.05 < found.std() < 20  # Keras' own initialisation leaves 0.001 of unit pixels after 13 layers


def test_a_random_efficientnet_gets_pixels_of_unit_scale(build, pixels):
    model = build("efficientnet_b0", SIDE)
    network = model.get_layer("backbone")
    raw = keras.Model(model.input, model.get_layer("grey_to_rgb").output)(pixels)
    found = np.asarray(keras.Model(network.input, network.get_layer("deviation").output)(raw))
    assert abs(found.mean()) < 0.7 and 0.5 < found.std() < 2


def test_resnet50_cbam_starts_as_resnet50_with_attention_in_each_block(build, pixels, tmp_path):
    file = tmp_path / "resnet50_notop.weights.h5"
    plain = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(SIDE, SIDE, 3))
    plain.save_weights(file)
    model = build("resnet50_cbam", SIDE, weights_file=file)
    assert_close(features(model, pixels), np.asarray(plain(preprocess_of("resnet")(rgb(pixels)))))

    network = model.get_layer("backbone")
    blocks = [layer for layer in network.layers if isinstance(layer, CBAM)]
    assert len(blocks) == 16
    for block in blocks:
        stem = block.name.removesuffix("_cbam")
        added = [tensor._keras_history.operation for tensor in network.get_layer(f"{stem}_add").input]
        assert block in added
        assert block.input._keras_history.operation.name == f"{stem}_3_bn"
