"""Find FER+'s votes below the data folder, and the images that they belong to. Imports no NumPy."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from fer_bench.datasets.fer2013.locate import locate as locate_fer2013
from fer_bench.datasets.tree import Folder

TABLE = "fer2013new.csv"
FOLDERS = ("FER2013Train", "FER2013Valid", "FER2013Test")  # in the order of SPLITS


def locate(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """Return fer2013new.csv if the images are found, too; else None."""
    table = locate_table(data_dir, tree)
    return table if table and (locate_fer2013(data_dir, tree) or locate_images(tree)) else None


def locate_table(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """Return fer2013new.csv; None if it is not below the data folder."""
    for path in (data_dir / TABLE, data_dir / "ferplus" / TABLE):
        if os.path.isfile(path):
            return path
    return next((folder.path / TABLE for folder in tree if TABLE in folder.files), None)


def locate_images(tree: Iterable[Folder]) -> Path | None:
    """Return the folder into which the authors' program wrote FER2013Train/, FER2013Valid/ and FER2013Test/."""
    return next((folder.path for folder in tree if set(FOLDERS) <= set(folder.folders)), None)
