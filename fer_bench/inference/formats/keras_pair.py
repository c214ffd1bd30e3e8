"""Architecture and weights of a Keras model in two files: which belong together. Does not import Keras."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.core.text import list_first
from fer_bench.inference.formats.model_kind import HDF5, read_architecture

ARCHITECTURE_SUFFIXES = (".json", ".yaml", ".yml")
WEIGHTS_SUFFIXES = (".h5", ".hdf5", ".keras", ".hdf", ".weights")
# Words that say what a file is and not which model it belongs to.
GENERIC_WORDS = {"model", "weight", "weights", "architecture", "arch", "config", "json", "h5", "network", "structure"}


def find_files(file: Path) -> list[Path]:
    """Return the files of a Keras model: the HDF5 file alone if it is whole, otherwise [architecture, weights].

    Args:
        file: An HDF5 file, or an architecture in .json or .yaml.

    Raises:
        UserError: There is no second file in the same folder, or several could be it.
    """
    if _starts_with_hdf5(file):
        if has_model_config(file):
            return [file]
        return [_architecture_for(file), file]
    return [file, _weights_for(file)]


def has_model_config(file: Path) -> bool:
    """Return whether an HDF5 file contains an architecture. UserError if it is damaged."""
    import h5py

    try:
        with h5py.File(file) as opened:
            return "model_config" in opened.attrs
    except (OSError, RuntimeError, KeyError, ValueError):
        raise UserError(f"{file} is a damaged HDF5 file. Download it again.") from None


def _has_weights(file: Path) -> bool:
    """Return whether an HDF5 file has weights in a form of Keras: groups per layer, or paths."""
    import h5py

    with h5py.File(file) as opened:
        groups = {"model_weights", "layers", "_layer_checkpoint_dependencies"}
        return any(name.startswith(("layer_names", "nb_layers")) for name in opened.attrs) or bool(
            groups & opened.keys()
        )


def _architecture_for(weights: Path) -> Path:
    if not _has_weights(weights):
        raise UserError(f"{weights} is an HDF5 file without a model of Keras. Name the model file.")
    candidates = [path for path in _siblings(weights, ARCHITECTURE_SUFFIXES) if read_architecture(path)]
    if not candidates:
        raise UserError(
            f"{weights} contains only weights. Put the architecture beside it, written with model.to_json(), as "
            f"{weights.with_suffix('.json').name}; or save the whole model with model.save."
        )
    return _choose(weights, candidates, "architectures")


def _weights_for(architecture: Path) -> Path:
    files = [path for path in _siblings(architecture, WEIGHTS_SUFFIXES) if _starts_with_hdf5(path)]
    candidates = [path for path in files if not has_model_config(path)] or files
    if not candidates:
        raise UserError(
            f"{architecture} contains only an architecture. Put its weights beside it, such as "
            f"{architecture.with_suffix('.h5').name}, written with model.save_weights."
        )
    return _choose(architecture, candidates, "files of weights")


def _siblings(file: Path, suffixes: Sequence[str]) -> list[Path]:
    return sorted(path for path in file.parent.iterdir() if path.suffix.lower() in suffixes and path.is_file())


def _choose(file: Path, candidates: list[Path], noun: str) -> Path:
    """Return the candidate with the same name, or with the same name except for generic words, or the only one."""
    for key in (_stem, _words):
        if len(matching := [path for path in candidates if key(path) == key(file)]) == 1:
            return matching[0]
    if len(candidates) == 1:
        return candidates[0]
    names = list_first([path.name for path in candidates], 4)
    raise UserError(f"{file} could belong to several {noun}: {names}. Name the right one like this file.")


def _stem(path: Path) -> str:
    return path.name.split(".weights")[0].removesuffix(path.suffix).lower()


def _words(path: Path) -> list[str]:
    return [word for word in re.split(r"[^a-z0-9]+", _stem(path)) if word not in GENERIC_WORDS]


def _starts_with_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HDF5)) == HDF5
