"""The small functions of the public API: what is registered, and one dataset."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fer_bench.datasets.registry import DATASETS, DataConfig
from fer_bench.registry.architectures import ARCHITECTURES

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset


def list_architectures(pattern: str = "all") -> list[str]:
    """Return the names of the registered architectures that match a name or a pattern.

    Example:
        >>> fer_bench.list_architectures("vgg*")
        ['vgg10', 'vgg16', 'vgg19', 'vgg_fer']
    """
    return ARCHITECTURES.match(pattern)


def list_datasets() -> list[str]:
    """Return the names of the datasets that fer-bench can read.

    Example:
        >>> fer_bench.list_datasets()
        ['ckplus', 'ckplus_sequences', 'fer2013', 'ferplus', 'folder', 'jaffe', ...]
    """
    return DATASETS.names()


def load_dataset(
    name: str, data_dir: str | Path = "data", skip_invalid: bool = False, accept_classes: bool = False
) -> Dataset:
    """Load a dataset, from the cache if that is current.

    Args:
        name: Name of a dataset; "jaffe~haar+align" finds, aligns and crops faces, "fer2013->jaffe" joins two datasets
            in the classes that both have.
        data_dir: Folder of the datasets, or the folder of this dataset.
        skip_invalid: Skip rows and images that cannot be read, instead of raising an error.
        accept_classes: Read folders as classes even if they look like persons or splits.

    Returns:
        Images (samples, height, width) uint8, labels (samples,) int64, ids, classes, subjects and the official split.

    Raises:
        UserError: The name is unknown, or the files are missing or malformed.

    Example:
        >>> dataset = fer_bench.load_dataset("fer2013", data_dir="/datasets")
        >>> dataset.images.shape, dataset.classes[0]
        ((35887, 48, 48), 'angry')
    """
    from fer_bench.protocols.cross_dataset import load

    return load(name, DataConfig(Path(data_dir), skip_invalid=skip_invalid, accept_classes=accept_classes))
