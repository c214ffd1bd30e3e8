"""Heat maps mark what a model uses: deleting it costs more probability than deleting as much elsewhere."""

from __future__ import annotations

from dataclasses import replace

import cv2
import keras
import numpy as np
import pytest
from keras import layers

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig
from fer_bench.inference import robustness
from fer_bench.inference.explain import dataset as explain
from fer_bench.inference.explain.heat_maps import deletion_test, heat_maps, normalize, occlusion
from fer_bench.inference.explain.heat_maps import explain as explain_face
from fer_bench.inference.loaded_model import load_file
from fer_bench.inference.predict.face_finder import make_face_finder
from fer_bench.inference.robustness import RobustnessTarget

SIDE, PATCH = 16, 6
YAML = f"input_size: {SIDE}\nscaling: 0..1\nlabels: [rows, columns]\n"


def draw(number: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return noise with a patch of stripes, whether they are rows (0) or columns (1), and masks of the patches."""
    rng = np.random.default_rng(seed)
    images = rng.integers(110, 146, (number, SIDE, SIDE)).astype(np.uint8)
    labels, masks = np.arange(number) % 2, np.zeros(images.shape, bool)
    stripes = np.where(np.arange(PATCH) % 2, 250, 5).astype(np.uint8)
    for image, label, mask in zip(images, labels, masks, strict=True):
        top, left = rng.integers(0, SIDE - PATCH + 1, 2)
        place = slice(top, top + PATCH), slice(left, left + PATCH)
        mask[place] = True
        image[place] = stripes if label else stripes[:, None]
    return images, labels, masks


def train(network) -> keras.Model:
    """Train a network on stripes; `network` maps pixels to features."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((SIDE, SIDE, 1))
    model = keras.Model(pixels, layers.Dense(2, activation="softmax")(network(pixels)))
    model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy")
    images, labels, _ = draw(256, seed=0)
    model.fit(images[..., None] / 255, labels, epochs=12, batch_size=32, verbose=0)
    return model


def convolution(pixels):
    return layers.GlobalAveragePooling2D()(layers.Conv2D(6, 3, padding="same", activation="relu")(pixels))


def differences(pixels):
    """Return how much neighbors differ, without a convolution."""
    rows = layers.AveragePooling2D((1, 2), 1)(pixels)
    columns = layers.AveragePooling2D((2, 1), 1)(pixels)
    squares = [layers.GlobalAveragePooling2D()(layers.Rescaling(10, -5)(x) ** 2) for x in (rows, columns)]
    return layers.Concatenate()(squares)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return two trained models by name, with and without convolutions."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "preprocessing.yaml").write_text(YAML)
    for name, network in (("conv", convolution), ("plain", differences)):
        train(network).save(folder / f"{name}.keras")
    return {name: load_file(folder / f"{name}.keras") for name in ("conv", "plain")}


@pytest.fixture(scope="module")
def stripes():
    return draw(24, seed=1)


@pytest.mark.parametrize(
    ("name", "method", "used"),
    [("conv", "auto", "grad-cam"), ("conv", "occlusion", "occlusion"), ("plain", "auto", "occlusion")],
)
def test_deleting_what_the_map_marks_lowers_the_probability_more(trained, stripes, name, method, used):
    model, (images, labels, masks) = trained[name], stripes
    assert (model.predict_probabilities(images).argmax(axis=1) == labels).all()
    maps, said = heat_maps(model, images, labels, method)
    assert said == used and maps.shape == images.shape and maps.dtype == np.float32
    assert (maps.max(axis=(1, 2)) == 1).all() and maps.min() >= 0
    assert maps[masks].mean() > 3 * maps[~masks].mean()
    result = deletion_test(model.predict_probabilities, images, labels, maps)
    assert result.marked > 2 * result.random and result.marked > 0.1 and result.num_images == len(images)


def test_occlusion_finds_the_only_place_that_counts():
    def predict(images):
        return np.stack([images[:, 2:6, 12:16].mean(axis=(1, 2)) / 255] * 2, axis=1)

    images = np.zeros((2, 16, 16), np.uint8)
    images[:, 2:6, 12:16] = 200
    heat = normalize(occlusion(predict, images, np.array([0, 1])))
    assert np.unravel_index(heat[1].argmax(), (16, 16)) in {(r, c) for r in range(2, 6) for c in range(12, 16)}
    assert heat[:, 8:, :8].max() < 0.05
    assert not normalize(occlusion(lambda images: np.ones((len(images), 2)), images, np.array([0, 1]))).any()


def test_color_is_occluded():
    images = np.zeros((1, 12, 12, 3), np.uint8)
    images[:, :4, :, 1] = 240
    heat = occlusion(lambda x: x[:, :4, :, 1].mean(axis=(1, 2))[:, None] / 255, images, np.array([0]))
    assert heat[0].argmax() < 4 * 12


def test_a_face_is_explained(trained, stripes):
    image = stripes[0][1]
    found = explain_face(trained["conv"], image)
    assert found.label == "columns" and found.probability > 0.5 and found.heat.shape == (SIDE, SIDE)
    other = explain_face(trained["conv"], image, "rows")
    assert other.label == "rows" and other.probability < 0.5
    with pytest.raises(UserError, match="no class 'happy'"):
        explain_face(trained["conv"], image, "happy")


def test_grad_cam_needs_convolutions(trained, stripes):
    with pytest.raises(UserError, match="Grad-CAM does not apply"):
        heat_maps(trained["plain"], *stripes[:2], "grad-cam")
    with pytest.raises(UserError, match="Unknown method"):
        heat_maps(trained["plain"], *stripes[:2], "gradcam")


def test_the_layer_is_as_before_after_grad_cam(trained, stripes):
    from fer_bench.inference.explain.grad_cam import find_feature_map, grad_cam
    from fer_bench.inference.formats.keras_file import load_model

    network = load_model(trained["conv"].classifier.file)
    batch = trained["conv"].members[0].preprocessing(stripes[0])
    before = network.predict_on_batch(batch)
    assert grad_cam(network, batch, stripes[1]).shape == (len(batch), SIDE, SIDE)
    assert "call" not in vars(find_feature_map(network))
    np.testing.assert_array_equal(network.predict_on_batch(batch), before)


def test_the_feature_map_of_a_network_in_the_network_is_found():
    from fer_bench.inference.explain.grad_cam import find_feature_map

    inner = keras.Sequential(
        [
            keras.Input((24, 24, 1)),
            layers.Conv2D(2, 3, strides=2, padding="same", name="large"),
            layers.Conv2D(2, 3, strides=6, padding="same", name="small"),
        ]
    )
    pixels = keras.Input((24, 24, 1))
    model = keras.Model(pixels, layers.Dense(2)(layers.Flatten()(inner(pixels))))
    assert find_feature_map(model).name == "large"


def test_mean_heat_maps_of_a_dataset(trained, dataset, stripes):
    data = replace(dataset, images=stripes[0], labels=stripes[1], classes=("rows", "columns"))
    target = RobustnessTarget("conv", trained["conv"].classifier.file, data, np.arange(6, 24), "p")
    result = explain.mean_heat_maps(explain.ExplainTarget(trained["conv"], target, target.model_file), 4)
    assert (result.method, result.classes, result.num_images) == ("grad-cam", ["rows", "columns"], [4, 4])
    assert np.shape(result.maps) == (2, SIDE, SIDE) and 0.5 < np.max(result.maps) <= 1
    assert result.deletion_marked > result.deletion_random and result.key is None
    for changes, message in (({"classes": ("happy", "sad")}, "no test"), ({"images": data.images[:, None]}, "seq")):
        other = replace(target, dataset=replace(data, **changes))
        with pytest.raises(UserError, match=message):
            explain.mean_heat_maps(explain.ExplainTarget(trained["conv"], other, target.model_file))


def test_a_file_needs_a_protocol_with_one_fold(trained, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(robustness.cross_dataset, "load_folds", lambda *_: (dataset, [1, 2], "kfold"))
    model = trained["conv"]
    with pytest.raises(UserError, match="2 folds"):
        explain.target_of_file(model, model.classifier.file, "made", "kfold", DataConfig(tmp_path))


def test_image_files_are_explained(trained, stripes, tmp_path):
    cv2.imwrite(str(tmp_path / "face.png"), stripes[0][0])
    finder = make_face_finder(trained["conv"], "none")
    (found,) = explain.explain_file(trained["conv"], finder, tmp_path / "face.png")
    assert found.label == "rows"
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(UserError, match="cannot be read"):
        explain.explain_file(trained["conv"], finder, tmp_path / "text.png")
