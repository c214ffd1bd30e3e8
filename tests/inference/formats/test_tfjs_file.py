"""TensorFlow.js models: architecture and lists of weights in model.json, weights in binary files."""

from __future__ import annotations

import json

import numpy as np
import pytest
from old_keras_files import dense, first, images, layer, sequential, values

from fer_bench.core.errors import UserError
from fer_bench.inference.formats.model_file import digest, files_of, load

CONFIG = sequential(first(layer("Flatten", "flatten_1")), dense("hidden", 4), dense("out", 3))
ARRAYS = {"out/kernel": values(4, 3), "out/bias": values(3), "hidden/kernel": values(36, 4), "hidden/bias": values(4)}


def write(folder, quantize=None, config=CONFIG, arrays=ARRAYS, **more):
    """Write the files with the weights in two shards, in another order than that of the layers."""
    entries, data = [], b""
    for name, array in arrays.items():
        entry = {"name": name, "shape": array.shape, "dtype": "float32"}
        stored = array.astype("<f4")
        if quantize == "float16":
            stored, entry["quantization"] = array.astype("<f2"), {"dtype": "float16", "original_dtype": "float32"}
        elif quantize:
            low, scale = float(array.min()), float(np.ptp(array)) / np.iinfo(quantize).max
            stored = np.rint((array - low) / scale).astype(quantize)
            entry["quantization"] = {"dtype": quantize, "min": low, "scale": scale}
        entries.append(entry)
        data += stored.tobytes()
    (folder / "group1-shard1of2.bin").write_bytes(data[:100])
    (folder / "group1-shard2of2.bin").write_bytes(data[100:])
    manifest = [{"paths": ["group1-shard1of2.bin", "group1-shard2of2.bin"], "weights": entries}]
    topology = {"keras_version": "2.4.0", "backend": "tensorflow", "model_config": config}
    content = {"format": "layers-model", "modelTopology": topology, "weightsManifest": manifest} | more
    (folder / "model.json").write_text(json.dumps(content))
    return folder / "model.json"


@pytest.mark.parametrize(("quantize", "tolerance"), [(None, 1e-5), ("float16", 0.1), ("uint8", 0.5), ("uint16", 0.01)])
def test_layers_model_is_rebuilt(tmp_path, quantize, tolerance):
    batch = images()
    hidden = batch.reshape(3, -1) @ ARRAYS["hidden/kernel"] + ARRAYS["hidden/bias"]
    classifier = load(write(tmp_path, quantize))
    expected = hidden @ ARRAYS["out/kernel"] + ARRAYS["out/bias"]
    np.testing.assert_allclose(classifier.predict(batch), expected, atol=tolerance)
    assert "TensorFlow.js" in classifier.notes[0]


def test_names_find_the_layers_of_nested_models(tmp_path):
    inner = sequential(first(layer("Flatten", "flatten_1")), dense("hidden", 4))
    inner["config"]["name"] = "base"
    wrapped = layer("TimeDistributed", "each", layer=dense("inside", 2))
    config = sequential(inner, layer("Reshape", "r", target_shape=[2, 2]), wrapped, layer("Flatten", "flat"))
    arrays = {f"base/{name}": ARRAYS[name] for name in ("hidden/bias", "hidden/kernel")}
    arrays |= {"each/kernel": values(2, 2), "each/bias": values(2)}
    batch = images()
    hidden = batch.reshape(3, -1) @ ARRAYS["hidden/kernel"] + ARRAYS["hidden/bias"]
    expected = (hidden.reshape(3, 2, 2) @ arrays["each/kernel"] + arrays["each/bias"]).reshape(3, -1)
    np.testing.assert_allclose(load(write(tmp_path, config=config, arrays=arrays)).predict(batch), expected, atol=1e-4)


def test_digest_covers_the_shards(tmp_path):
    path = write(tmp_path)
    assert len(files_of(path)) == 3
    before = digest(path)
    shard = tmp_path / "group1-shard2of2.bin"
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0")
    assert digest(path) != before


def test_incomplete_and_other_models_are_refused(tmp_path):
    path = write(tmp_path, modelTopology={"node": []}, format="graph-model")
    with pytest.raises(UserError, match="tf2onnx"):
        load(path)
    with pytest.raises(UserError, match="another folder"):
        load(write(tmp_path, weightsManifest=[{"paths": ["../secret.bin"], "weights": []}]))
    with pytest.raises(UserError, match="weights do not say"):
        load(write(tmp_path, arrays={name: ARRAYS[name] for name in ("out/kernel", "out/bias")}))
    path = write(tmp_path)
    (tmp_path / "group1-shard2of2.bin").write_bytes(b"short")
    with pytest.raises(UserError, match="truncated"):
        load(path)
    (tmp_path / "group1-shard2of2.bin").unlink()
    with pytest.raises(UserError, match="missing"):
        load(path)
