"""Where FER+'s votes lie, and the images that they belong to. Imports no NumPy."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from fer_bench.datasets.finding import fer2013
from fer_bench.datasets.tree import Folder

TABLE = "fer2013new.csv"
FOLDERS = ("FER2013Train", "FER2013Valid", "FER2013Test")  # in the order of SPLITS


def find(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """fer2013new.csv, where the images are found too; else None."""
    table = find_table(data_dir, tree)
    return table if table and (fer2013.find(data_dir, tree) or find_images(tree)) else None


def find_table(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """fer2013new.csv, None where it is nowhere below the data folder."""
    for path in (data_dir / TABLE, data_dir / "ferplus" / TABLE):
        if os.path.isfile(path):
            return path
    return next((folder.path / TABLE for folder in tree if TABLE in folder.files), None)


def find_images(tree: Iterable[Folder]) -> Path | None:
    """The folder that the authors' program wrote FER2013Train/, FER2013Valid/ and FER2013Test/ into."""
    return next((folder.path for folder in tree if set(FOLDERS) <= set(folder.folders)), None)
