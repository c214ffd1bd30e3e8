"""Some samples of an array, read where they lie."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np

MOST_MAPPED = 2**28  # bytes: what a greater memory map has read is let go of at once


@dataclass(frozen=True, eq=False)
class Subset:
    """Chosen samples of an array, such as a memory map, each read when it is asked for.

    whole: (samples, …); samples: (n,) positions in it, of which each may come more than once. Its first axis is indexed
    as that of `whole[samples]`, by a number, a slice, positions or a mask, and of what is chosen a copy is made;
    `np.asarray` copies all of it. IndexError for an index of more than the first axis.

    What was read of a large memory map stays in the system's cache, but not in the memory of this process.
    """

    whole: np.ndarray
    samples: np.ndarray

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, chosen: Any) -> np.ndarray:
        positions = self.samples[chosen]
        if np.ndim(positions) > 1:
            raise IndexError("a part of an array is indexed by its first axis alone")
        found = self.whole[positions]
        release_pages(self.whole)
        return found

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a part of an array becomes an array only as a copy")
        return np.asarray(self[:], dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.whole.shape[1:])

    @property
    def ndim(self) -> int:
        return self.whole.ndim

    @property
    def dtype(self) -> np.dtype:
        return self.whole.dtype


def release_pages(array: np.ndarray) -> None:
    """Take a large read-only memory map out of this process' resident memory; what is read again comes from the cache.

    Otherwise a process that has seen every image of a dataset once would count all of it as its own.
    """
    is_map = isinstance(array, np.memmap) and array.mode == "r" and isinstance(array.base, mmap.mmap)
    if is_map and array.nbytes > MOST_MAPPED and hasattr(mmap, "MADV_DONTNEED"):  # which Windows has not
        array.base.madvise(mmap.MADV_DONTNEED)
