"""Fixtures for datasets in a temporary data folder."""

import pytest

from fer_bench.core.errors import UserError
from fer_bench.datasets import DataConfig, load
from fer_bench.datasets.cache import LOCK


@pytest.fixture
def data_config(tmp_path):
    (tmp_path / "data").mkdir()
    return DataConfig(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")


@pytest.fixture
def cached_names(data_config):
    """Return a function that lists the content of the cache folder, except the lock file."""
    return lambda prefix="": sorted({path.name for path in data_config.cache_dir.glob(f"{prefix}*")} - {LOCK})


@pytest.fixture
def load_error(data_config, cached_names):
    """Return a function that returns the message of the UserError of `load`, and checks that nothing is cached."""

    def load_error(name: str, config: DataConfig = data_config) -> str:
        before = cached_names(name)
        with pytest.raises(UserError) as raised:
            load(name, config)
        assert cached_names(name) == before
        message = str(raised.value)
        assert "\n" not in message and message.endswith(".")
        return message

    return load_error
