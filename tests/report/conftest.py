"""Fixtures of the report's tests."""

from pathlib import Path

import pytest
from made_up_records import RecordMaker


@pytest.fixture
def make(tmp_path: Path) -> RecordMaker:
    return RecordMaker(tmp_path / "results")
