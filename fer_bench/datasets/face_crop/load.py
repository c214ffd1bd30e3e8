"""Datasets by name, prepared ones too."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fer_bench import datasets
from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.datasets.cache import cached
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.face_crop.apply import prepared
from fer_bench.datasets.face_crop.spec import MARK, Preparation, split_name
from fer_bench.datasets.faces import opencv

# Raised when the same preparation gives other pixels; part of what the cache must match.
VERSION = 1


def load(name: str, places: DataConfig) -> Dataset:
    """The dataset of that name, from its cache where that is current: `jaffe`, or `jaffe~haar+align` prepared.

    Raises UserError as datasets.load, and as prepared.
    """
    base, preparation = split_name(name)
    return load_prepared(base, preparation, places) if preparation else datasets.load(name, places)


def load_prepared(name: str, preparation: Preparation, places: DataConfig) -> Dataset:
    """A dataset prepared, from the cache where its source and the preparation are the same."""
    source = datasets.load(name, places)

    def read() -> Dataset:
        return prepared(source, preparation, places.progress, originals(source, places))

    version = f"{VERSION} of {source.fingerprint}"
    return cached(f"{name}{MARK}{preparation}", None, places.cache_dir, read, version, refresh=places.refresh)


def originals(dataset: Dataset, places: DataConfig) -> Sequence[np.ndarray]:
    """The pictures behind a dataset's samples, grey, in full size.

    They are read one by one where the dataset's module has a function `originals(name, places)` that returns the image
    file of each id; where it has none, or returns none, they are the dataset's own images.
    """
    module = sys.modules[DATASETS.function(dataset.name).__module__]
    files = module.originals(dataset.name, places) if hasattr(module, "originals") else {}
    if not files:
        return dataset.images
    if gone := [name for name in dataset.ids if name not in files]:
        raise UserError(f"{dataset.name} has lost the file of {gone[0]}: read it again with --refresh.")
    return Pictures([files[name] for name in dataset.ids])


class Pictures(Sequence[np.ndarray]):
    """Image files as grey pixels (height, width) uint8, each read when it is asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index):
        cv2 = opencv()
        file = self.files[index]
        try:
            pixels = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
        except (OSError, cv2.error):
            pixels = None
        if pixels is None:
            raise UserError(f"{file} cannot be read as an image.")
        return pixels
