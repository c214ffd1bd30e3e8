"""Fixtures of the leaderboard's tests."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from made_up_records import RecordMaker

from fer_bench.evaluation.resampling import bootstrap_weights
from fer_bench.leaderboard import compare, confidence, ranking

cached_weights = lru_cache(maxsize=8)(bootstrap_weights)


@pytest.fixture
def make(tmp_path: Path) -> RecordMaker:
    return RecordMaker(tmp_path / "results")


@pytest.fixture(autouse=True)
def _cached_bootstrap_weights(monkeypatch):
    """Draw the bootstrap's weights once per number of samples for all tests: they take half of the time."""

    def weights(samples: int | np.ndarray) -> np.ndarray:
        return cached_weights(samples) if isinstance(samples, int) else bootstrap_weights(samples)

    for module in (compare, confidence, ranking):
        monkeypatch.setattr(module, "bootstrap_weights", weights)
