"""What a protocol yields."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Fold:
    """Indices into a dataset, disjoint: fit on training, select on validation, predict test once. Each (n,) int64."""

    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray
