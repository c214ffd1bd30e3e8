"""Fixtures of the report's tests."""

from pathlib import Path

import pytest
from made_up_records import Maker


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path / "results")
