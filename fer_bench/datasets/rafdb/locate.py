"""Find RAF-DB's basic expressions below the data folder. Imports no NumPy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fer_bench.datasets.tree import Folder, list_folder

LABELS = "list_patition_label.txt"  # sic
NAME = re.compile(r"((train|test)_\d+)(_aligned)?", re.IGNORECASE)
CODES = ("1", "2", "3", "4", "5", "6", "7")


def locate(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """Return the label file of the basic expressions, else a folder with train/1/train_00001_aligned.jpg and so on."""
    numbered = None
    for folder in tree:
        if LABELS in folder.files and "compound" not in (part.lower() for part in folder.path.parts):
            return folder.path / LABELS
        if numbered is None and folder.path.name in CODES and _is_class_folder(folder.path):
            numbered = folder.path.parent.parent
    return numbered


def _is_class_folder(path: Path) -> bool:
    folder = list_folder(path, max_entries=10)
    stems = [Path(name).stem for name in folder.files] if folder else []
    return path.parent.name.lower() in ("train", "test") and any(NAME.fullmatch(stem) for stem in stems)
