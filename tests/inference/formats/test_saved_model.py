"""SavedModel folders, which only load if the user trusts their authors."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import tensorflow as tf
from made_up_models import LABELS, SIZE, thirds

from fer_bench.core.errors import UserError
from fer_bench.inference.formats import model_file
from fer_bench.inference.formats.classifier import predict_outputs
from fer_bench.inference.formats.tensorflow_saved_model import load
from fer_bench.inference.preprocessing.preprocessing import Preprocessing

KERNEL = np.repeat(30 * np.eye(3, dtype=np.float32), SIZE // 3, axis=0)  # (rows, thirds)


def predict(folder, dataset, scaling: str = "0..1") -> np.ndarray:
    preprocessing = Preprocessing.model_validate({"input_size": SIZE, "scaling": scaling, "labels": LABELS})
    outputs = predict_outputs(load(folder), preprocessing, dataset.images, np.arange(len(dataset)))
    return outputs.argmax(axis=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "thirds"
    thirds().export(path, verbose=False)
    return path


def save_with_tensorflow_1(path):
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session(graph=graph) as session:
        images = tf.compat.v1.placeholder(tf.float32, [None, SIZE, SIZE, 1])
        kernel = tf.compat.v1.get_variable("kernel", initializer=KERNEL)
        outputs = tf.nn.softmax(tf.matmul(tf.reduce_mean(images, [2, 3]), kernel))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.saved_model.simple_save(session, str(path), {"x": images}, {"y": outputs})
    return path


def save_function(path, function, *inputs):
    module = tf.Module()
    module.call = tf.function(function, input_signature=[tf.TensorSpec(*one) for one in inputs])
    tf.saved_model.save(module, str(path), signatures=module.call)
    return path


def test_the_serving_signature_is_predicted_silently(folder, dataset, capfd):
    np.testing.assert_array_equal(predict(folder, dataset), dataset.labels)
    assert capfd.readouterr() == ("", "")
    assert load(folder).input_shape == (None, SIZE, SIZE, 1)


def test_tensorflow_1_is_read(tmp_path, dataset):
    np.testing.assert_array_equal(predict(save_with_tensorflow_1(tmp_path / "old"), dataset), dataset.labels)


def test_integer_pixels_are_passed_on(tmp_path, dataset):
    def call(x):
        return {"scores": tf.matmul(tf.reduce_mean(tf.cast(x, tf.float32), [2, 3]), KERNEL)}

    path = save_function(tmp_path / "uint8", call, ([None, SIZE, SIZE, 1], tf.uint8))
    np.testing.assert_array_equal(predict(path, dataset, "none"), dataset.labels)
    with pytest.raises(UserError, match="scaling: none"):
        predict(path, dataset)


def test_it_requires_trust(folder):
    with pytest.raises(UserError, match=r"SavedModel.*--trust-model.*tf2onnx"):
        model_file.check_model_file(folder)
    model_file.check_model_file(folder, trust=True)
    with pytest.raises(UserError, match="Name its folder"):
        model_file.check_model_file(folder / "saved_model.pb")


def test_the_digest_covers_all_files(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    assert model_file.digest(copy) == model_file.digest(folder)
    (copy / "variables" / "more").touch()
    assert model_file.digest(copy) != model_file.digest(folder)


def test_incomplete_and_damaged_folders_are_named(folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "copy")
    for file in (copy / "variables").glob("*.data*"):
        file.unlink()
    with pytest.raises(UserError, match="variables/ are missing"):
        load(copy)
    graph = (folder / "saved_model.pb").read_bytes()
    for damaged in (graph[: len(graph) // 2], b""):
        (copy / "saved_model.pb").write_bytes(damaged)
        with pytest.raises(UserError, match="damaged"):
            load(copy)


def test_signatures_with_several_inputs_are_refused(tmp_path):
    inputs = (([None, SIZE, SIZE, 1], tf.float32, "images"), ([], tf.bool, "training"))
    path = save_function(tmp_path / "two", lambda images, training: {"y": tf.reduce_mean(images, [1, 2])}, *inputs)
    with pytest.raises(UserError, match="2 inputs: images, training"):
        load(path)
