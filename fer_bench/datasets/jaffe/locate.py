"""Find JAFFE below the data folder. Imports no NumPy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fer_bench.datasets.emotions import canonical_emotion
from fer_bench.datasets.tree import Folder, common_root, list_folder

NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})(\d+)\.(\d+)", re.IGNORECASE)  # subject, expression, take, number


def locate(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """Return the first folder with images named like KA.AN1.39.tiff, or that above if they are in several folders."""
    for folder in tree:
        class_folders = (list_folder(folder.path / name) for name in folder.folders if canonical_emotion(name))
        for candidate in (folder, *filter(None, class_folders)):
            if names_in(candidate):
                return common_root(candidate.path, data_dir, names_in)
    return None


def names_in(folder: Folder) -> set[str]:
    """Return the names of JAFFE's images in a folder."""
    return {image.stem.upper() for image in folder.images if NAME.fullmatch(image.stem)}
