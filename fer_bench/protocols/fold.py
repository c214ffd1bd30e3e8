"""What a protocol yields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS

SPLITS = ("training", "validation", "test")


class ProtocolNotApplicable(UserError):
    """A protocol that is sound, asked for on a dataset that it is not for."""


@dataclass(frozen=True)
class Fold:
    """Indices into a dataset, disjoint: fit on training, select on validation, predict test once. Each (n,) int64.

    clean: (n,) bool, the test samples without a twin in the other parts, None where that was not looked at; remarks:
    what a reader of the figures must know of this split, in the few words of a badge.
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
