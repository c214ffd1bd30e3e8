"""The split that a dataset's authors gave."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fer_bench.datasets.dataset import SPLITS, Dataset
from fer_bench.errors import UserError
from fer_bench.protocols.catalogue import register_protocol
from fer_bench.protocols.fold import Fold


@register_protocol("official")
def official(dataset: Dataset, seed: int) -> Iterator[Fold]:
    """One fold: FER2013 is fitted on Training, selected on PublicTest and predicted once on PrivateTest."""
    if dataset.split is None:
        raise UserError(f"The dataset '{dataset.name}' has no official split.")
    parts = [np.flatnonzero(dataset.split == part) for part in range(len(SPLITS))]
    for name, part in zip(SPLITS, parts, strict=True):
        if len(part) == 0:
            raise UserError(f"The dataset '{dataset.name}' has no {name} images, which the official protocol needs.")
    yield Fold(*parts)
