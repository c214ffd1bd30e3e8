"""Images that several processes share: each maps the same file, and what is sent is the file's name."""

from __future__ import annotations

import mmap
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler
from pathlib import Path

import numpy as np

from fer_bench.core.errors import write_error
from fer_bench.datasets.dataset import Dataset


def on_disk(dataset: Dataset, file: Path) -> Dataset:
    """With images that other processes can map: those in memory are written to a file. UserError where they cannot."""
    if _is_map(dataset.images):
        return dataset
    try:
        np.save(file, dataset.images)
    except OSError as error:
        raise write_error(f"The temporary folder {file.parent}", error, "Name another in TMPDIR.") from None
    return replace(dataset, images=np.load(file, mmap_mode="r"))


def _is_map(array: np.ndarray) -> bool:
    """Whether it is a memory map of a file as it is, and no part of one."""
    return type(array) is np.memmap and isinstance(array.base, mmap.mmap) and array.filename is not None


def _reduced(array: np.memmap):
    if not _is_map(array):
        return np.asarray(array).__reduce__()
    order = "C" if array.flags.c_contiguous else "F"
    return np.memmap, (array.filename, array.dtype, "r", array.offset, array.shape, order)


ForkingPickler.register(np.memmap, _reduced)
