"""Read FER2013 from any of its layouts."""

from __future__ import annotations

from fer_bench.datasets.cache import cached_files
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.fer2013.csv_file import read_csv
from fer_bench.datasets.fer2013.folder import read_folder
from fer_bench.datasets.registry import DataConfig, require

VERSION = 2


def load(data_config: DataConfig) -> Dataset:
    """Return the dataset, from its cache if that is current."""
    path = require("fer2013", data_config)
    read = read_folder if path.is_dir() else read_csv
    return cached_files("fer2013", path, data_config, lambda: read(path, data_config), VERSION)
