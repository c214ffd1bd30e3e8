"""LiteRT files, run by TensorFlow's interpreter."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from made_up_models import LABELS, SIZE, thirds, write_litert

from fer_bench.core.errors import UserError
from fer_bench.inference.formats.classifier import predict_outputs, to_probabilities
from fer_bench.inference.formats.tensorflow_lite_file import load
from fer_bench.inference.preprocessing.preprocessing import Preprocessing


def predict(path, dataset, scaling: str = "0..1") -> np.ndarray:
    preprocessing = Preprocessing.model_validate({"input_size": SIZE, "scaling": scaling, "labels": LABELS})
    return predict_outputs(load(path), preprocessing, dataset.images, np.arange(len(dataset)))


@pytest.fixture(scope="module")
def float_file(tmp_path_factory):
    return write_litert(tmp_path_factory.mktemp("litert") / "net.tflite", thirds())


@pytest.fixture(scope="module")
def int8_file(tmp_path_factory):
    return write_litert(tmp_path_factory.mktemp("litert") / "int8.tflite", thirds(), quantize="int8")


def test_floats_are_predicted_in_batches_and_silently(float_file, dataset, capfd):
    assert load(float_file).input_shape == (None, SIZE, SIZE, 1)
    outputs = predict(float_file, dataset)
    np.testing.assert_allclose(outputs, thirds().predict(dataset.images[..., None] / 255, verbose=0), atol=1e-5)
    assert capfd.readouterr() == ("", "")


def test_8_bit_numbers_are_converted_by_their_scale(int8_file, dataset):
    probabilities = to_probabilities(predict(int8_file, dataset), None, [0, 1, 2], "net")
    exact = thirds().predict(dataset.images[..., None] / 255, verbose=0)
    np.testing.assert_allclose(probabilities, exact, atol=0.05)


def test_other_types_and_fixed_batches_are_supported(tmp_path, dataset):
    image = keras.Input((SIZE, SIZE, 1), batch_size=1)
    fixed = write_litert(tmp_path / "fixed.tflite", keras.Model(image, thirds()(image)), float16=True)
    assert load(fixed).input_shape[0] == 1
    for file in (fixed, write_litert(tmp_path / "logits.tflite", thirds(softmax=False), quantize="uint8")):
        np.testing.assert_array_equal(predict(file, dataset).argmax(axis=1), dataset.labels)


def test_pixels_outside_of_the_range_of_an_8_bit_input_are_refused(int8_file, dataset):
    with pytest.raises(UserError, match="Change scaling"):
        predict(int8_file, dataset, scaling="none")


@pytest.mark.parametrize(
    ("operation", "message"),
    [("edgetpu-custom-op", "Edge TPU"), ("FlexErf", "SELECT_TF_OPS"), ("MyOp", r"custom operations \(MyOp\)")],
)
def test_operations_of_others_are_named(tmp_path, operation, message):
    with pytest.raises(UserError, match=message):
        load(write_litert(tmp_path / "net.tflite", thirds(), custom_op=operation))


def test_models_with_two_outputs_or_a_class_number_are_refused(tmp_path):
    image = keras.Input((SIZE, SIZE, 1))
    scores = thirds()(image)
    with pytest.raises(UserError, match="2 outputs"):
        load(write_litert(tmp_path / "two.tflite", keras.Model(image, [scores, scores * 2])))
    with pytest.raises(UserError, match="not scores"):
        load(write_litert(tmp_path / "number.tflite", keras.Model(image, keras.ops.cast(scores, "int32"))))


def test_damaged_files_are_named(float_file, tmp_path, capfd):
    data = float_file.read_bytes()
    for damaged in (data[: len(data) // 2], b"\x1c\0\0\0TFL3" + bytes(64), b"TFL3"):
        (tmp_path / "net.tflite").write_bytes(damaged)
        with pytest.raises(UserError, match="damaged"):
            load(tmp_path / "net.tflite")
    assert capfd.readouterr() == ("", "")
