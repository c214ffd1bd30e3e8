"""Datasets: one module or package per dataset, all read into the same memory-mapped cache."""

from fer_bench.datasets.registry import (
    DATASETS,
    DataConfig,
    available,
    default_cache_dir,
    default_dataset,
    find,
    find_all,
    load,
)

__all__ = ["DATASETS", "DataConfig", "available", "default_cache_dir", "default_dataset", "find", "find_all", "load"]
