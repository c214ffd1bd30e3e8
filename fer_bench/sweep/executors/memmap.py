"""Images that several processes share: each maps the same file, and only the file's name is sent."""

from __future__ import annotations

import mmap
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.core.errors import write_error
from fer_bench.datasets.dataset import Dataset


def ensure_memmap(dataset: Dataset, file: Path) -> Dataset:
    """Return the dataset with images that other processes can map; images in memory are written to a file.

    Raises UserError if the file cannot be written.
    """
    if _is_memmap(dataset.images):
        return dataset
    try:
        np.save(file, dataset.images)
    except OSError as error:
        raise write_error(f"The temporary folder {file.parent}", error, "Name another in TMPDIR.") from None
    return replace(dataset, images=np.load(file, mmap_mode="r"))


def _is_memmap(array: np.ndarray) -> bool:
    """Whether an array maps a whole file, not a part of one."""
    return type(array) is np.memmap and isinstance(array.base, mmap.mmap) and array.filename is not None


def _reduce(array: np.memmap) -> str | tuple[Any, ...]:
    if not _is_memmap(array):
        return np.asarray(array).__reduce__()
    order = "C" if array.flags.c_contiguous else "F"
    return np.memmap, (array.filename, array.dtype, "r", array.offset, array.shape, order)


ForkingPickler.register(np.memmap, _reduce)
