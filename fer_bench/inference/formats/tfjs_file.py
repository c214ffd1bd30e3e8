"""TensorFlow.js models: model.json with an architecture and lists of weights, which are in binary files beside it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.inference.formats.model_kind import read_json

DTYPES = {"float32": "<f4", "float16": "<f2", "int32": "<i4", "uint8": "u1", "uint16": "<u2", "bool": "u1"}


def shard_files(file: Path) -> list[Path]:
    """Return the binary files of a TensorFlow.js model. UserError if one is missing or elsewhere, or for a graph."""
    content = read_json(file)
    if content.get("format") == "graph-model" or "node" in content["modelTopology"]:
        raise UserError(
            f"{file} is a graph model of TensorFlow.js, which has no layers. Convert it: "
            f"python -m tf2onnx.convert --tfjs {file} --output model.onnx."
        )
    paths = [file.parent / name for group in _groups(file, content) for name in group["paths"]]
    for path in paths:
        if path.parent != file.parent or "\\" in path.name:
            raise UserError(f"{file} keeps weights in another folder, {path}. Put them beside it.")
        if not path.is_file():
            raise UserError(f"{file} keeps its weights in {path.name}, which is missing. Put it beside.")
    return paths


def read_model(file: Path) -> tuple[dict[str, Any], str, list[list[tuple[str, np.ndarray]]]]:
    """Return the configuration of Keras, the version that wrote it, and names and values of weights in groups.

    Raises:
        UserError: The file or one of its binary files is damaged.
    """
    shard_files(file)
    content = read_json(file)
    topology = content["modelTopology"]
    config = topology.get("model_config", topology)
    if not (isinstance(config, dict) and {"class_name", "config"} <= config.keys()):
        raise UserError(f"{file} contains no layers. Export the model as ONNX.")
    version = str(topology.get("keras_version", "2"))
    return config, version, [_read_group(file, group) for group in _groups(file, content)]


def _groups(file: Path, content: dict[str, Any]) -> list[dict[str, Any]]:
    groups = content.get("weightsManifest")
    if not isinstance(groups, list) or not all(
        isinstance(group, dict) and isinstance(group.get("paths"), list) and isinstance(group.get("weights"), list)
        for group in groups
    ):
        raise UserError(f"{file} contains an architecture without a list of weights. Export the whole model again.")
    return groups


def _read_group(file: Path, group: dict[str, Any]) -> list[tuple[str, np.ndarray]]:
    data = b"".join((file.parent / name).read_bytes() for name in group["paths"])
    arrays, start = [], 0
    for entry in group["weights"]:
        quantization = entry.get("quantization") or {}
        dtype = DTYPES.get(quantization.get("dtype", entry["dtype"]))
        if dtype is None:
            raise UserError(f"{file} has weights of the type {entry['dtype']}. Export the model as ONNX.")
        count = math.prod(entry["shape"])
        size = count * np.dtype(dtype).itemsize
        if start + size > len(data):
            raise UserError(f"The weights of {file} in {', '.join(group['paths'])} are truncated. Download them again.")
        values = np.frombuffer(data, dtype, count, start).reshape(entry["shape"]).astype(np.float32)
        start += size
        if "scale" in quantization:
            values = values * np.float32(quantization["scale"]) + np.float32(quantization.get("min", 0))
        arrays.append((str(entry["name"]), values))
    if start != len(data):
        raise UserError(f"{file} does not describe all weights in {', '.join(group['paths'])}. Download it again.")
    return arrays
