"""The user's own images, in one folder per class. Imports no NumPy, so that listing is fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_bench.datasets.registry import DataConfig, register_dataset

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset


@register_dataset(
    "folder",
    title="A folder of images",
    source="your own images",
    terms="The license of the images is not recorded: whoever publishes the model must know it.",
    locate="locate",
    layouts=(
        "folder/<class>/<images>",
        "folder/train/<class>/<images> with folder/test/<class>/<images> and optionally folder/val/",
    ),
)
def folder(data_config: DataConfig) -> Dataset:
    """Your own images, in one folder per class, of any size and color: read as gray and resized to 48×48.

    images: (samples, 48, 48) uint8. The classes are the names of the folders, or the canonical names of expressions if
    all folders are named for expressions. The split comes from folders such as train/, val/ and test/, or from file
    names that begin with these words; the subjects from file names or from folders such as subject_1/. Folders that
    look like persons, recordings or splits are refused, unless `accept_classes` is set.
    """
    from fer_bench.datasets.folder.read import load

    return load(data_config)
