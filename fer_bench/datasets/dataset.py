"""The type that every dataset source returns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SPLITS = ("training", "validation", "test")
FER2013_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


@dataclass(frozen=True)
class Dataset:
    """Images, labels and what is known of their origin.

    images: (samples, [time,] height, width) uint8, usually a read-only memory map; labels: (samples,) int64;
    ids: (samples,) str, unique; split: (samples,) int8 indices into SPLITS, None without an official split;
    subjects: (samples,) str, None where unknown; fingerprint: digest of images, labels, split and subjects;
    soft_labels: (samples, classes) float32, each row a distribution over the classes, None where there are none;
    sequences: (samples,) str, which film a frame is of, None where images stand alone; notes: what whoever compares
    results must know of this copy, a sentence each, such as rows left out.
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
