"""Datasets: one file per source, all read into the same memory-mapped cache."""

from fer_bench.datasets.registry import (
    DATASETS,
    DataConfig,
    available,
    default_cache_dir,
    default_dataset,
    find,
    found,
    load,
)

__all__ = ["DATASETS", "DataConfig", "available", "default_cache_dir", "default_dataset", "find", "found", "load"]
