"""Find JAFFE below the data folder. Imports no NumPy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fer_bench.datasets.tree import Folder

NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})(\d+)\.(\d+)", re.IGNORECASE)  # subject, expression, take, number


def locate(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """Return the first folder with images named like KA.AN1.39.tiff."""
    return next((folder.path for folder in tree if any(NAME.fullmatch(image.stem) for image in folder.images)), None)
