"""Preprocessing of external models, from a small YAML file."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from fer_bench.core.errors import UserError
from fer_bench.inference.preprocessing.preprocessing import Preprocessing, read_preprocessing

PREPROCESSING = {"input_size": 4, "scaling": "none", "labels": ["happy", "sad"]}
IMAGES = np.array([[[0, 255], [51, 102]]], np.uint8)


@pytest.fixture
def write_yaml(tmp_path):
    def write(text: str):
        path = tmp_path / "preprocessing.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def preprocess(**changes) -> np.ndarray:
    return Preprocessing.model_validate({**PREPROCESSING, "input_size": 2, **changes})(IMAGES)


def test_every_field_is_read(write_yaml):
    preprocessing = read_preprocessing(
        write_yaml("input_size: [48, 64]\nscaling: -1..1\nlabels: [Happiness, '1_anger', null]\nchannels: 3\n")
    )
    assert preprocessing.input_size == (48, 64)
    assert preprocessing.labels == ["happy", "angry", None]
    assert (preprocessing.channels, preprocessing.layout, preprocessing.outputs) == (3, None, None)
    assert preprocessing(np.zeros((2, 30, 20), np.uint8)).shape == (2, 48, 64, 3)


@pytest.mark.parametrize(
    ("scaling", "black", "white", "fifth"),
    [
        ("none", 0, 255, 51),
        ("0..1", 0, 1, 0.2),
        ("-1..1", -1, 1, -0.6),
        ({"mean": 0.5, "std": 0.25}, -2, 2, -1.2),
    ],
    ids=str,
)
def test_scaling(scaling, black, white, fifth):
    pixels = preprocess(scaling=scaling)
    assert pixels.dtype == np.float32 and pixels.shape == (1, 2, 2, 1)
    np.testing.assert_allclose(pixels[0, :, 0, 0], [black, fifth], rtol=1e-6)
    np.testing.assert_allclose(pixels[0, 0, 1, 0], white, rtol=1e-6)


def test_scaling_per_channel():
    pixels = preprocess(channels=3, scaling={"mean": [0.0, 0.5, 1.0], "std": [1, 0.5, 0.25]})
    np.testing.assert_allclose(pixels[0, 0, 1], [1, 1, 0])
    np.testing.assert_allclose(pixels[0, 0, 0], [0, -1, -4])


def test_standardization_per_image_is_tensorflows():
    tf = pytest.importorskip("tensorflow")
    images = np.random.default_rng(0).integers(0, 256, (3, 5, 5), np.uint8)
    images[1] = 90
    pixels = Preprocessing.model_validate({**PREPROCESSING, "input_size": 5, "scaling": "per_image"})(images)
    expected = tf.image.per_image_standardization(images[..., None].astype(np.float32)).numpy()
    np.testing.assert_allclose(pixels, expected, atol=1e-5)


@pytest.mark.parametrize("mode", ["tf", "torch", "caffe"])
def test_named_scalings_are_those_of_keras_applications(mode):
    utils = pytest.importorskip("keras").applications.imagenet_utils
    image = np.repeat(IMAGES[..., None], 3, axis=-1).astype(np.float32)
    np.testing.assert_allclose(
        preprocess(channels=3, scaling=mode), utils.preprocess_input(image, mode=mode), rtol=1e-5
    )


@pytest.mark.parametrize(
    ("scaling", "expected"),
    [
        ("min_max", [0, 1, 0.2, 0.4]),
        ({"mean": 91.5, "std": 1, "range": 255}, [-91.5, 163.5, -40.5, 10.5]),
        ({"mean": "per_image", "std": 1}, [-0.4, 0.6, -0.2, 0]),
        ({"mean": "per_image", "std": 255, "range": 255}, [-0.4, 0.6, -0.2, 0]),
        ({"mean": 0, "std": "per_image"}, [0, 2, 0.4, 0.8]),  # the deviation is at least 1/√4
    ],
    ids=str,
)
def test_scaling_by_each_image_and_in_pixel_units(scaling, expected):
    np.testing.assert_allclose(preprocess(scaling=scaling).ravel(), expected, atol=1e-6)


def test_images_of_one_gray_stay_finite():
    gray = np.full((1, 4, 4), 77, np.uint8)
    for scaling in ("per_image", "min_max"):
        pixels = Preprocessing.model_validate({**PREPROCESSING, "scaling": scaling})(gray)
        np.testing.assert_array_equal(pixels, 0)


def test_color_is_kept():
    colors = [np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)]
    changes = {"input_size": [1, 2], "channels": 3, "color_mode": "bgr"}
    np.testing.assert_array_equal(Preprocessing.model_validate(PREPROCESSING | changes)(colors)[0], colors[0])


@pytest.mark.parametrize(
    ("interpolation", "expected"),
    [
        ("linear", lambda image: cv2.resize(image, (6, 5))),
        ("cubic", lambda image: cv2.resize(image, (6, 5), interpolation=cv2.INTER_CUBIC)),
        ("area", lambda image: cv2.resize(image, (6, 5), interpolation=cv2.INTER_AREA)),
        ("lanczos", lambda image: cv2.resize(image, (6, 5), interpolation=cv2.INTER_LANCZOS4)),
        ("nearest", lambda image: np.asarray(Image.fromarray(image).resize((6, 5), Image.Resampling.NEAREST))),
        ("antialias", lambda image: np.asarray(Image.fromarray(image).resize((6, 5), Image.Resampling.BILINEAR))),
    ],
)
def test_interpolation(interpolation, expected):
    image = np.random.default_rng(0).integers(0, 256, (1, 17, 19), np.uint8)
    changes = {"input_size": [5, 6], "interpolation": interpolation}
    pixels = Preprocessing.model_validate(PREPROCESSING | changes)(image)
    np.testing.assert_array_equal(pixels[0, :, :, 0], expected(image[0]))


def test_the_middle_is_cropped_after_resizing():
    image = np.random.default_rng(0).integers(0, 256, (1, 7, 9), np.uint8)
    pixels = Preprocessing.model_validate({**PREPROCESSING, "resize_size": 8})(image)
    np.testing.assert_array_equal(pixels[0, :, :, 0], cv2.resize(image[0], (8, 8))[2:6, 2:6])


def test_the_histogram_is_flattened_before_resizing():
    image = np.random.default_rng(0).integers(90, 120, (1, 7, 9), np.uint8)
    pixels = Preprocessing.model_validate({**PREPROCESSING, "equalize": "histogram"})(image)
    np.testing.assert_array_equal(pixels[0, :, :, 0], cv2.resize(cv2.equalizeHist(image[0]), (4, 4)))


def test_keys_that_are_not_used_are_not_recorded():
    """The key of a recorded trial depends on what is recorded."""
    recorded = Preprocessing.model_validate(PREPROCESSING).model_dump(mode="json")
    assert set(recorded) == {"input_size", "scaling", "labels", "channels", "layout", "outputs"}
    used = Preprocessing.model_validate({**PREPROCESSING, "equalize": "clahe"}).model_dump(mode="json")
    assert used == recorded | {"equalize": "clahe"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_byte_order_marks_are_read(tmp_path, encoding):
    path = tmp_path / "p.yaml"
    text = "input_size: '48'\r\nscaling: none  # größer\r\nlabels: [a, b]\r\n"
    path.write_bytes(text.encode(encoding))
    if encoding == "utf-16-le":  # without its mark
        with pytest.raises(UserError, match="UTF-8"):
            read_preprocessing(path)
    else:
        assert read_preprocessing(path).input_size == (48, 48)


@pytest.mark.parametrize("data", ["scaling: größer".encode("latin-1"), b"PK\x03\x04\0\0", b"\x89HDF\r\n\x1a\n\0"])
def test_other_files_are_no_text(tmp_path, data):
    path = tmp_path / "p.yaml"
    path.write_bytes(data)
    with pytest.raises(UserError, match="UTF-8") as raised:
        read_preprocessing(path)
    assert str(raised.value).isprintable()


def test_resizing_is_the_opencv_default_on_integer_pixels():
    image = np.random.default_rng(0).integers(0, 256, (1, 7, 9), np.uint8)
    pixels = Preprocessing.model_validate({**PREPROCESSING, "input_size": [5, 6]})(image)
    np.testing.assert_array_equal(pixels[0, :, :, 0], cv2.resize(image[0], (6, 5)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("input_size: 4\nscaling: none\nlabel: [a, b]", "unknown key 'label'. Did you mean 'labels'"),
        ("scaling: none\nlabels: [a, b]", "input_size is missing."),
        ("input_size: 4\nlabels: [a, b]", "scaling is missing. Write none"),
        ("input_size: 4\nscaling: none", "labels is missing."),
        ("input_size: 0\nscaling: none\nlabels: [a, b]", "greater than or equal to 1"),
        ("input_size: [4]\nscaling: none\nlabels: [a, b]", "input_size"),
        ("input_size: wide\nscaling: none\nlabels: [a, b]", "input_size"),
        ("input_size: 4\nscaling: 0-1\nlabels: [a, b]", "not '0-1'. Did you mean '0..1'?"),
        ("input_size: 4\nscaling: standardize\nlabels: [a, b]", "Did you mean 'per_image'?"),
        ("input_size: 4\nscaling: [0, 1]\nlabels: [a, b]", "Did you mean '0..1'?"),
        ("input_size: 4\nscaling: no\nlabels: [a, b]", "Did you mean 'none'?"),
        ("input_size: 4\nscaling: imagenet\nlabels: [a, b]", "Did you mean 'torch'?"),
        ("input_size: 4\nscaling: featurewise_center\nlabels: [a, b]", "mean of its training images is unknown"),
        ("input_size: 4\nscaling: {mean: 127, std: 0.5}\nlabels: [a, b]", "Add range: 255"),
        ("input_size: 4\nscaling: {mean: 300, std: 1, range: 255}\nlabels: [a, b]", "pixels in 0 to 255"),
        ("input_size: 4\nscaling: {mean: 0.5, std: 0.25, range: 255}\nlabels: [a, b]", "Leave out range"),
        ("input_size: 4\nscaling: {mean: 0.5, std: 0.25, range: 100}\nlabels: [a, b]", "scaling.range must be"),
        ("input_size: 4\nscaling: torch\nlabels: [a, b]", "torch has 3 numbers, but channels is 1"),
        ("input_size: 4\nscaling: none\nlabels: [a, b]\ncolor_mode: bgr", "requires channels: 3"),
        (
            "input_size: 4\nscaling: caffe\nlabels: [a, b]\nchannels: 3\ncolor_mode: rgb",
            "caffe is for color_mode: bgr",
        ),
        ("input_size: 4\nscaling: none\nlabels: [a, b]\nresize_size: 3", "resize_size is smaller"),
        ("input_size: 4\nscaling: none\nlabels: [a, b]\ninterpolation: magic", "interpolation should be 'nearest'"),
        ("input_size: 48x48\nscaling: none\nlabels: [a, b]", "one number or [height, width]"),
        ("input_size: [4, 4, 1]\nscaling: none\nlabels: [a, b]", "one number or [height, width]"),
        ("input_size: 4\nscaling: none\nscaling: 0..1\nlabels: [a, b]", "'scaling' is written twice"),
        ("input_size: 4\nscaling: none\nlabels:\n\t- a\n\t- b", "line 4 has a tab"),
        ("input_size: 4\nscaling:\nlabels: [a, b]", "scaling is missing. Write none"),
        ("input_size: 4\nscaling: {mean: 0.5}\nlabels: [a, b]", "scaling must be none"),
        ("input_size: 4\nscaling: {mean: 127.5, std: 1}\nlabels: [a, b]", "scaling.mean is for pixels in 0 to 1"),
        ("input_size: 4\nscaling: {mean: 0.5, std: 0}\nlabels: [a, b]", "scaling.std is for pixels in 0 to 1"),
        ("input_size: 4\nscaling: {mean: half, std: 1}\nlabels: [a, b]", "scaling.mean must be a number"),
        ("input_size: 4\nscaling: {mean: [0, 0, 0], std: 1}\nlabels: [a, b]", "scaling.mean has 3 numbers"),
        ("input_size: 4\nscaling: none\nlabels: [joy, Happy]", "labels contains 'happy' twice"),
        ("input_size: 4\nscaling: none\nlabels: [happy]", "labels"),
        ("input_size: 4\nscaling: none\nlabels: [0, 1]", "labels must be words"),
        ("input_size: 4\nscaling: none\nlabels: [a, b]\nchannels: 2", "channels should be 1 or 3"),
        ("input_size: 4\nscaling: none\nlabels: [a, b]\nlayout: hwc", "layout should be 'nhwc' or 'nchw'"),
        (
            "input_size: 4\nscaling: none\nlabels: [a, b]\noutputs: scores",
            "outputs should be 'logits', 'probabilities' or",
        ),
        ("input_size: [4", "is not valid YAML"),
        ("!!python/object/apply:os.system [ls]", "is not valid YAML"),
        ("- 4", "must hold keys and values"),
    ],
)
def test_errors_are_one_line_that_names_the_file(write_yaml, text, message):
    path = write_yaml(text)
    with pytest.raises(UserError) as raised:
        read_preprocessing(path)
    error = str(raised.value)
    assert error.startswith(str(path)) and message in error and "\n" not in error


def test_missing_file_fails(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_preprocessing(tmp_path / "none.yaml")
