"""Opens models that an earlier Keras saved: upgrades their configuration in memory and loads their weights."""

from __future__ import annotations

import io
import json
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras

from fer_bench.core.errors import UserError
from fer_bench.inference.formats import keras_options, tfjs_file
from fer_bench.inference.formats.keras_rebuild import rebuild
from fer_bench.inference.formats.keras_weights import (
    CONTAINERS,
    Origin,
    Saved,
    assign_groups,
    check_loaded,
    load_groups,
    load_paths,
)
from fer_bench.inference.formats.model_kind import read_architecture
from fer_bench.inference.formats.unsupported import Unsupported

Opened = tuple[keras.Model, tuple[str, ...]]
UNSTATED = "1"  # Keras has written its version since 1.2


def is_legacy(version: str) -> bool:
    """Return whether a version is of Keras 1 or 2, or unknown."""
    return not version.startswith("3")


def archive_version(file: Path) -> str:
    """Return the version of Keras that wrote a .keras archive."""
    with zipfile.ZipFile(file) as archive:
        if "metadata.json" not in archive.namelist():
            return "3"
        return str(json.loads(archive.read("metadata.json")).get("keras_version", "3"))


def hdf5_version(file: Path) -> str:
    """Return the version of Keras that wrote an HDF5 file."""
    with h5py.File(file) as opened:
        return _origin(opened).version


def open_archive(file: Path) -> Opened:
    """Open a .keras archive of Keras 2.12 to 2.15 or of an earlier Keras 3."""
    version = archive_version(file)
    with zipfile.ZipFile(file) as archive:
        config = json.loads(archive.read("config.json"))
        if not is_legacy(version):
            return _open_with_known_options(archive, config), _upgraded(version)
        model, root = rebuild(config)
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            load_paths(weights, root, Origin(version, None))
    check_loaded(model, root)
    return model, _upgraded(version)


def open_hdf5(file: Path) -> Opened:
    """Open an HDF5 file with architecture and weights."""
    with h5py.File(file) as opened:
        origin = _origin(opened)
        config = json.loads(_text(opened.attrs["model_config"]))
        _check_enlargement(config, origin.version)
        model, root = rebuild(config)
        _load_weights(opened, root, origin)
    check_loaded(model, root)
    return model, (*_upgraded(origin.version), *_assumed(origin))


def open_pair(architecture: Path, weights: Path) -> Opened:
    """Open an architecture in .json or .yaml with the weights in an HDF5 file."""
    config = read_architecture(architecture)
    assert config is not None  # `keras_pair` found it by reading it
    note = f"architecture of {architecture.name}, weights of {weights.name}"
    is_keras_3 = "keras_version" not in config and str(config.get("module", "")).startswith("keras")
    if is_keras_3 or not is_legacy(str(config.get("keras_version", UNSTATED))):
        return _open_keras_3_pair(config, architecture, weights), (note,)
    _check_enlargement(config, str(config.get("keras_version", UNSTATED)))
    model, root = rebuild(config)
    with h5py.File(weights) as opened:
        origin = _origin(opened)
        if origin.backend is None and "backend" in config:
            origin = replace(origin, backend=str(config["backend"]))
        _load_weights(opened, root, origin)
    check_loaded(model, root)
    return model, (note, *_upgraded(str(config.get("keras_version", origin.version))), *_assumed(origin))


def open_tensorflow_js(file: Path) -> Opened:
    """Open a layers model of TensorFlow.js."""
    config, version, groups = tfjs_file.read_model(file)
    model, root = rebuild(config)
    saved = [[Saved(name, values) for name, values in group] for group in groups]
    assign_groups(root, saved, Origin("2", None))
    check_loaded(model, root)
    return model, ("rebuilt from TensorFlow.js", *_upgraded(version.removeprefix("tfjs-layers ")))


@contextmanager
def named(file: Path, suffix: str) -> Iterator[Path]:
    """Yield a file under a name that ends as Keras requires."""
    if file.name.endswith(suffix):
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / f"model{suffix}"
        os.symlink(file.resolve(), link)
        yield link


def _open_keras_3_pair(config: dict[str, Any], architecture: Path, weights: Path) -> keras.Model:
    model = keras.saving.deserialize_keras_object(config, safe_mode=True)
    if not isinstance(model, keras.Model):
        raise Unsupported("its architecture is no model")
    with h5py.File(weights) as opened:
        suffix = ".weights.h5" if any(name in opened for name in CONTAINERS) else ".h5"
    try:
        with named(weights, suffix) as path:
            model.load_weights(path)
    except (ValueError, KeyError):
        raise UserError(f"{weights} does not fit the architecture in {architecture}. Use weights that do.") from None
    return model


def _open_with_known_options(archive: zipfile.ZipFile, config: dict[str, Any]) -> keras.Model:
    """Load a copy of an archive of Keras 3 without the options that this Keras does not have."""
    config = keras_options.drop_unknown(config)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.keras"
        with zipfile.ZipFile(copy, "w") as target:
            for name in archive.namelist():
                target.writestr(name, archive.read(name) if name != "config.json" else json.dumps(config))
        return keras.saving.load_model(copy, compile=False, safe_mode=True)


def _load_weights(opened: h5py.File, root: Any, origin: Origin) -> None:
    group = opened.get("model_weights", opened)
    if any(name in group and "layer_names" not in group.attrs for name in CONTAINERS):
        load_paths(group, root, origin)
    elif "nb_layers" in group.attrs:
        raise Unsupported("its weights are in the format of Keras 0", "Save them again with Keras 1 or 2")
    else:
        load_groups(group, root, origin)


def _origin(opened: h5py.File) -> Origin:
    """Return which Keras wrote a file; old ones say it only beside the weights."""
    attributes = dict(opened["model_weights"].attrs) if "model_weights" in opened else {}
    attributes |= dict(opened.attrs)
    backend = attributes.get("backend")
    return Origin(_text(attributes.get("keras_version", UNSTATED)), None if backend is None else _text(backend))


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _upgraded(version: str) -> tuple[str, ...]:
    return (f"configuration of Keras {version} upgraded",)


def _check_enlargement(config: dict[str, Any], version: str) -> None:
    """Raise Unsupported for bilinear UpSampling2D of Keras 2.2 and 2.3, which placed pixels elsewhere than Keras 3."""
    if version.startswith(("2.2", "2.3")) and "tf" not in version and '"bilinear"' in json.dumps(config):
        raise Unsupported(f"it enlarges images bilinearly as only Keras {version} does", "Export it as ONNX")


def _assumed(origin: Origin) -> tuple[str, ...]:
    """Return a note if a file of Keras 1 does not say whether Theano, which mirrors kernels, trained it."""
    return ("kernels of TensorFlow assumed",) if origin.version.startswith("1") and origin.backend is None else ()
