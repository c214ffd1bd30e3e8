"""A subset of an array that is read on demand."""

from __future__ import annotations

import mmap
from dataclasses import dataclass
from typing import Any

import numpy as np

MAX_MAPPED_BYTES = 2**28  # the pages of larger memory maps are released after each access


@dataclass(frozen=True, eq=False)
class Subset:
    """Some samples of an array, such as a memory map, each read when it is accessed.

    It is indexed like `array[indices]` along the first axis, by a number, a slice, positions or a mask; the result is a
    copy. `np.asarray` copies all samples. The pages of a large memory map stay in the system's cache after an access,
    but not in the memory of this process.

    Attributes:
        array: (samples, …).
        indices: (n,) positions in `array`, with repetitions.

    Raises:
        IndexError: An index refers to more than the first axis.
    """

    array: np.ndarray
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, key: Any) -> np.ndarray:
        positions = self.indices[key]
        if np.ndim(positions) > 1:
            raise IndexError("a Subset is indexed along its first axis only")
        values = self.array[positions]
        release_pages(self.array)
        return values

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("a Subset becomes an array only as a copy")
        return np.asarray(self[:], dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.array.shape[1:])

    @property
    def ndim(self) -> int:
        return self.array.ndim

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype


def release_pages(array: np.ndarray) -> None:
    """Remove a large read-only memory map from this process's resident memory; the system's cache keeps the pages.

    Otherwise all images that a process has read once would count as its own memory.
    """
    if not isinstance(array, np.memmap) or array.mode != "r" or array.nbytes <= MAX_MAPPED_BYTES:
        return
    base: object = array.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):  # which Windows lacks
        base.madvise(mmap.MADV_DONTNEED)
