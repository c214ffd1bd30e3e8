"""Load datasets by name, including those with cropped faces."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from fer_bench import datasets
from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.datasets.cache import cached
from fer_bench.datasets.class_selection import VERSION as SELECTION_VERSION
from fer_bench.datasets.class_selection import find_classes, select_classes, split_classes, with_classes
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.face_crop.apply import Images, apply
from fer_bench.datasets.face_crop.spec import SEPARATOR, FaceCropSpec, split_name
from fer_bench.datasets.images import read_gray
from fer_bench.datasets.registry import needs_files

# Increased when the same face crop gives other pixels; part of what the cache must match.
VERSION = 1


def load(name: str, data_config: DataConfig) -> Dataset:
    """Return a dataset, from its cache if that is current.

    `jaffe~haar+align` has cropped faces, `fer2013~classes=happy+sad` two of the classes.

    Raises:
        UserError: As `datasets.load`, `apply` and `select_classes`.
    """
    whole, classes = split_classes(name)
    if classes:
        return load_classes(load(whole, data_config), classes, data_config)
    base, spec = split_name(name)
    return load_cropped(base, spec, data_config) if spec else datasets.load(name, data_config)


def load_classes(source: Dataset, classes: Sequence[str], data_config: DataConfig) -> Dataset:
    """Return some classes of a dataset, from the cache if its source is the same."""
    names = find_classes(source, classes)
    if len(names) == len(source.classes):
        return source
    full_name, version = with_classes(source.name, names), f"{SELECTION_VERSION} of {source.fingerprint}"
    read, refresh = partial(select_classes, source, names), data_config.refresh
    return cached(full_name, None, data_config.cache_dir, read, version, refresh=refresh)


def load_cropped(name: str, spec: FaceCropSpec, data_config: DataConfig) -> Dataset:
    """Return a dataset with cropped faces, from the cache if its source and the face crop are the same."""
    source = datasets.load(name, data_config)

    def read() -> Dataset:
        return apply(source, spec, data_config.progress, load_originals(source, data_config))

    version = f"{VERSION} of {source.fingerprint}"
    full_name = f"{name}{SEPARATOR}{spec}"
    return cached(full_name, None, data_config.cache_dir, read, version, refresh=data_config.refresh)


def load_originals(dataset: Dataset, data_config: DataConfig) -> Images:
    """Return one gray image of full size per sample, each read when it is accessed.

    The module `read` of the dataset's package can have a function `load_originals(name, data_config)` that returns
    id → image file. Without the function or files, the result is the dataset's own images.
    """
    name, _ = split_classes(dataset.name)
    if not needs_files(name):
        return dataset.images
    module = import_module(f"{DATASETS.get(name).module}.read")
    files = module.load_originals(name, data_config) if hasattr(module, "load_originals") else {}
    if not files:
        return dataset.images
    if missing := [name for name in dataset.ids if name not in files]:
        raise UserError(f"The file of {missing[0]} in {dataset.name} is missing. Read it again with --refresh.")
    return ImageFiles([files[name] for name in dataset.ids])


class ImageFiles(Sequence[np.ndarray]):
    """Image files as gray pixels (height, width) uint8, each read when it is accessed."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index):
        pixels = read_gray(self.files[index])
        if isinstance(pixels, str):
            raise UserError(f"{self.files[index]} cannot be read as an image: {pixels}.")
        return pixels
