"""Fold: the result of a protocol."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS


class ProtocolNotApplicable(UserError):
    """The protocol does not apply to this dataset, but may apply to others."""


@dataclass(frozen=True)
class Fold:
    """Disjoint indices into a dataset: train on training, select on validation, predict test once.

    Attributes:
        training: (n,) int64.
        validation: (n,) int64.
        test: (n,) int64.
        no_duplicate: Whether a test sample has no duplicate in the other splits, (test samples,) bool; None if unknown.
        notes: Short notes on this split, shown as badges.
    """

    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    no_duplicate: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def sizes(self) -> dict[str, int]:
        """Number of samples by split."""
        return {split: len(getattr(self, split)) for split in SPLITS}
