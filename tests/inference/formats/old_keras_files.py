"""Writes model files as Keras 1 and 2 did: configurations by hand, weights in groups of HDF5."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from fer_bench.inference.formats.model_file import load

SIZE = 6
Weights = dict[str, dict[str, np.ndarray]]  # name of a layer -> name of a weight -> values
RNG = np.random.default_rng(0)


def values(*shape: int) -> np.ndarray:
    """Return random weights that no symmetry hides."""
    return RNG.normal(size=shape).astype(np.float32)


def images(count: int = 3, channels: int = 1) -> np.ndarray:
    return RNG.random((count, SIZE, SIZE, channels)).astype(np.float32)


def layer(class_name: str, name: str, **options: Any) -> dict[str, Any]:
    return {"class_name": class_name, "config": {"name": name, "trainable": True, **options}}


def sequential(*layers: dict[str, Any], as_list: bool = False) -> dict[str, Any]:
    """Return a Sequential. Until Keras 2.2 its config was the list of its layers, and the first one held the shape."""
    return {"class_name": "Sequential", "config": list(layers) if as_list else {"name": "net", "layers": list(layers)}}


def first(config: dict[str, Any], channels: int = 1) -> dict[str, Any]:
    """Return a layer with the shape of the model's input, as the first layer of a Sequential has it."""
    config["config"]["batch_input_shape"] = [None, SIZE, SIZE, channels]
    return config


def node(config: dict[str, Any], *inbound: Any) -> dict[str, Any]:
    return config | {"name": config["config"]["name"], "inbound_nodes": list(inbound)}


def functional(*layers: dict[str, Any], output: str, class_name: str = "Model", channels: int = 1) -> dict[str, Any]:
    inputs = layer("InputLayer", "input_1", dtype="float32", sparse=False, ragged=False)
    return {
        "class_name": class_name,
        "config": {
            "name": "net",
            "layers": [node(first(inputs, channels)), *layers],
            "input_layers": [["input_1", 0, 0]],
            "output_layers": [[output, 0, 0]],
        },
    }


def dense(name: str = "out", units: int = 3, **options: Any) -> dict[str, Any]:
    return layer("Dense", name, units=units, **{"activation": "linear", "use_bias": True, **options})


def write_groups(group: h5py.Group, weights: Weights, version: str | None, backend: str | None) -> None:
    group.attrs["layer_names"] = [name.encode() for name in weights]
    for attribute, value in (("keras_version", version), ("backend", backend)):
        if value is not None:
            group.attrs[attribute] = value.encode()
    for name, arrays in weights.items():
        child = group.create_group(name)
        child.attrs["weight_names"] = [key.encode() for key in arrays]
        for key, array in arrays.items():
            child[key] = array


def write_hdf5(
    path: Path,
    config: dict[str, Any] | None,
    weights: Weights,
    version: str | None = "2.2.4",
    backend: str | None = "tensorflow",
) -> Path:
    """Write a whole model, or only its weights if there is no configuration."""
    with h5py.File(path, "w") as file:
        if config is None:
            write_groups(file, weights, version, backend)
            return path
        file.attrs["model_config"] = json.dumps(config).encode()
        if version is not None:
            file.attrs["keras_version"] = version.encode()
        write_groups(file.create_group("model_weights"), weights, version, backend)
    return path


def write_archive(path: Path, config: dict[str, Any], arrays: dict[str, np.ndarray], version: str = "2.13.1") -> Path:
    """Write a .keras archive with weights by path, as Keras 2.12 to 2.15 did."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, array in arrays.items():
            file[name] = array
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": version}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", buffer.getvalue())
    return path


def predict(path, batch):
    return np.asarray(load(path).predict(batch))


def head(units=3, inputs=SIZE * SIZE, name="out"):
    """Return the weights of a dense layer and what they do to a batch."""
    kernel, bias = values(inputs, units), values(units)
    stored = {name: {f"{name}/kernel:0": kernel, f"{name}/bias:0": bias}}
    return stored, lambda batch: batch.reshape(len(batch), -1) @ kernel + bias


def reference(*built):
    """Return a Keras 3 model of these layers with random weights."""
    model = keras.Sequential([keras.Input((SIZE, SIZE, 1)), *built])
    for variable in model.weights:
        array = values(*variable.shape)
        variable.assign(np.abs(array) + 0.5 if "variance" in variable.name else array)
    return model


def stored_weights(model, names):
    """Return the weights of a reference as Keras 2 stores them, under other names of its layers."""
    owners = [built for built in model.layers if built.weights]
    return {
        name: {f"{name}/{variable.name}:0": variable.numpy() for variable in owner.weights}
        for name, owner in zip(names, owners, strict=True)
    }
