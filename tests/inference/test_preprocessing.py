"""Preprocessing of external models, from a small YAML file."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from fer_bench.core.errors import UserError
from fer_bench.inference.preprocessing import Preprocessing, read_preprocessing

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
        ("input_size: 4\nscaling: 0-1\nlabels: [a, b]", "scaling must be none, 0..1, -1..1 or {mean: …, std: …}, not"),
        ("input_size: 4\nscaling:\nlabels: [a, b]", "scaling is missing. Write none"),
        ("input_size: 4\nscaling: {mean: 0.5}\nlabels: [a, b]", "scaling must be none"),
        ("input_size: 4\nscaling: {mean: 127.5, std: 1}\nlabels: [a, b]", "scaling.mean is for pixels in 0 to 1"),
        ("input_size: 4\nscaling: {mean: 0.5, std: 0}\nlabels: [a, b]", "scaling.std is for pixels in 0 to 1"),
        ("input_size: 4\nscaling: {mean: half, std: 1}\nlabels: [a, b]", "scaling.mean must be a number"),
        ("input_size: 4\nscaling: {mean: [0, 0, 0], std: 1}\nlabels: [a, b]", "scaling.mean has 3 numbers"),
        ("input_size: 4\nscaling: none\nlabels: [joy, Happy]", "labels contains 'happy' twice"),
        ("input_size: 4\nscaling: none\nlabels: [happy]", "labels"),
        ("input_size: 4\nscaling: none\nlabels: [0, 1]", "labels.0 should be a valid string"),
        ("input_size: 4\nscaling: none\nlabels: [a, b]\nchannels: 2", "channels should be 1 or 3"),
        ("input_size: 4\nscaling: none\nlabels: [a, b]\nlayout: hwc", "layout should be 'nhwc' or 'nchw'"),
        ("input_size: 4\nscaling: none\nlabels: [a, b]\noutputs: scores", "outputs should be 'logits' or"),
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
