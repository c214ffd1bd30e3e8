"""Read FER2013 from any of its layouts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fer_bench.datasets.cache import cached_files
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.expected_counts import count_mismatches
from fer_bench.datasets.fer2013.csv_file import read_csv
from fer_bench.datasets.fer2013.folder import read_folder
from fer_bench.datasets.registry import DATASETS, DataConfig, Progress, require

VERSION = 2


def load(data_config: DataConfig) -> Dataset:
    """Return the dataset, from its cache if that is current."""
    path = require("fer2013", data_config)

    def read() -> Dataset:
        dataset = read_fer2013(path, data_config.progress, data_config.skip_invalid)
        mismatches = count_mismatches(dataset, DATASETS.get("fer2013").options) or ()
        return replace(dataset, notes=dataset.notes + mismatches)

    return cached_files("fer2013", path, data_config, read, VERSION)


def read_fer2013(path: Path, progress: Progress | None = None, skip_invalid: bool = False) -> Dataset:
    """Read and check a csv file or an image folder; the fingerprint stays empty.

    Args:
        path: The csv file or the folder of train/ and test/.
        progress: Called with the amount that is done.
        skip_invalid: Skip invalid rows and images and note them.

    Raises:
        UserError: A row or an image is invalid; the message says where.
    """
    return (read_folder if path.is_dir() else read_csv)(path, progress, skip_invalid)
