"""Where JAFFE lies below the data folder. Imports no NumPy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fer_bench.datasets.tree import Folder, is_image

NAME = re.compile(r"([A-Z]{2})\.([A-Z]{2})(\d+)\.(\d+)", re.IGNORECASE)  # subject, expression, take, number


def find(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """The first folder with images named like KA.AN1.39.tiff."""
    return next((folder.path for folder in tree if any(map(_is_ours, folder.files))), None)


def _is_ours(name: str) -> bool:
    return is_image(name) and NAME.fullmatch(Path(name).stem) is not None
