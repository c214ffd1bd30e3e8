"""The type that all datasets are loaded as."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FER2013_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@dataclass(frozen=True)
class Dataset:
    """Images with labels and ids.

    Attributes:
        images: (samples, [time,] height, width) uint8, usually a read-only memory map.
        labels: (samples,) int64 indices into `classes`.
        ids: (samples,) str, unique.
        fingerprint: Digest of all arrays except the ids.
        split: (samples,) int8 indices into SPLITS; None without an official split.
        subjects: (samples,) str; None if unknown.
        soft_labels: (samples, classes) float32, each row a distribution over the classes; None if there are none.
        sequences: (samples,) str, the film of each frame; None if images do not belong to films.
        notes: One sentence per property of this copy that matters when results are compared, such as skipped rows.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    classes: tuple[str, ...]
    fingerprint: str
    split: np.ndarray | None = None
    subjects: np.ndarray | None = None
    soft_labels: np.ndarray | None = None
    sequences: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)
