"""The registry of protocols: functions from a dataset and a seed to folds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fer_bench.registry import Registry

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset
    from fer_bench.protocols.fold import Fold

PROTOCOLS = Registry("protocol")
register_protocol = PROTOCOLS.register
PROTOCOLS.scan(Path(__file__).parent, package="fer_bench.protocols")


def folds(name: str, dataset: Dataset, seed: int) -> list[Fold]:
    """The folds of a dataset under a protocol. UserError where the protocol does not fit the dataset."""
    return list(PROTOCOLS.function(name)(dataset, seed))
