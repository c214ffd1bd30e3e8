"""Architecture and weights in two files: either of them finds the other."""

from __future__ import annotations

import json

import numpy as np
import pytest
from made_up_models import SIZE, thirds
from old_keras_files import dense, first, images, layer, sequential, values, write_hdf5

from fer_bench.core.errors import UserError
from fer_bench.inference.formats.model_file import digest, files_of, load

CONFIG = sequential(first(layer("Flatten", "f")), dense())
KERAS_2 = CONFIG | {"keras_version": "2.2.4", "backend": "tensorflow"}
KERNEL, BIAS = values(36, 3), values(3)
WEIGHTS = {"out": {"out/kernel:0": KERNEL, "out/bias:0": BIAS}}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "labels.json").write_text('{"0": "angry"}')
    (tmp_path / "preprocessing.yaml").write_text("input_size: 48\n")
    return tmp_path


@pytest.mark.parametrize(
    ("architecture", "weights"),
    [
        ("fer.json", "fer.h5"),
        ("conv_model_024.json", "conv_weights_024.h5"),
        ("model.json", "model_weights.hdf5"),
        ("model.yaml", "weights.h5"),
        ("structure.json", "best.weights.h5"),
    ],
)
def test_either_file_finds_the_other(folder, architecture, weights):
    (folder / architecture).write_text(json.dumps(KERAS_2))  # JSON is YAML, too
    write_hdf5(folder / weights, None, WEIGHTS)
    batch = images()
    expected = batch.reshape(3, -1) @ KERNEL + BIAS
    for name in (architecture, weights):
        classifier = load(folder / name)
        np.testing.assert_allclose(classifier.predict(batch), expected, atol=1e-5)
        assert architecture in classifier.notes[0]
    assert digest(folder / architecture) == digest(folder / weights)
    before = digest(folder / weights)
    (folder / architecture).write_text(json.dumps(KERAS_2 | {"keras_version": "2.2.5"}))
    assert digest(folder / weights) != before


def test_json_within_a_json_string_is_read(folder):
    (folder / "fer.json").write_text(json.dumps(json.dumps(KERAS_2)))
    write_hdf5(folder / "fer.h5", None, WEIGHTS)
    assert load(folder / "fer.h5").num_outputs == 3


@pytest.mark.parametrize("name", ["fer.h5", "fer.weights.h5", "fer_weights.keras"])
def test_pair_of_keras_3(tmp_path, name):
    model = thirds()
    (tmp_path / "fer.json").write_text(model.to_json())
    model.save_weights(tmp_path / "x.weights.h5")
    (tmp_path / "x.weights.h5").rename(tmp_path / name)
    bright = np.zeros((1, SIZE, SIZE, 1), np.float32)
    bright[:, SIZE // 3 : 2 * SIZE // 3] = 1
    for file in ("fer.json", name):
        assert np.asarray(load(tmp_path / file).predict(bright)).argmax() == 1


def test_whole_model_needs_no_architecture(folder):
    (folder / "net.json").write_text(json.dumps(KERAS_2))
    path = write_hdf5(folder / "net.h5", CONFIG, WEIGHTS)
    assert files_of(path) == [path]


def test_weights_alone_and_architecture_alone_are_refused(folder):
    write_hdf5(folder / "fer.h5", None, WEIGHTS)
    with pytest.raises(UserError, match=r"only weights.*fer\.json"):
        load(folder / "fer.h5")
    (folder / "fer.h5").unlink()
    (folder / "fer.json").write_text(json.dumps(KERAS_2))
    with pytest.raises(UserError, match=r"only an architecture.*fer\.h5"):
        load(folder / "fer.json")


def test_several_candidates_are_named(folder):
    (folder / "model.json").write_text(json.dumps(KERAS_2))
    for name in ("first.h5", "second.h5"):
        write_hdf5(folder / name, None, WEIGHTS)
    with pytest.raises(UserError, match=r"first\.h5, second\.h5"):
        load(folder / "model.json")
    assert load(folder / "second.h5").num_outputs == 3  # there is only one architecture


def test_weights_that_do_not_fit_are_refused(folder):
    (folder / "fer.json").write_text(json.dumps(KERAS_2))
    write_hdf5(folder / "fer.h5", None, {"out": {"out/kernel:0": values(36, 4), "out/bias:0": values(4)}})
    with pytest.raises(UserError, match="shape"):
        load(folder / "fer.h5")
