"""Which folder of images `--dataset folder` reads. Imports no NumPy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fer_bench.datasets.emotions import canonical
from fer_bench.datasets.tree import Folder, look

# Names of folders in lower case → the part that they hold.
PARTS = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def find(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """`folder` in the data folder, else the data folder itself; None where neither holds images in class folders.

    What archives are unpacked into is looked through: folders that hold one folder and nothing else.
    """
    for root in (data_dir / "folder", data_dir):
        if (path := _inside(root)) is not None:
            return path
    return None


def parts_of(folder: Folder) -> dict[str, str]:
    """Part → name of its folder, where there is one for training; else nothing."""
    parts = {PARTS[name.lower()]: name for name in folder.folders if name.lower() in PARTS}
    return parts if "training" in parts else {}


def _inside(root: Path) -> Path | None:
    folder = look(root)
    while folder is not None:
        parts = parts_of(folder)
        holders = [look(folder.path / name) for name in parts.values()] if parts else [folder]
        if any(_has_classes(holder) for holder in holders if holder):
            return folder.path
        if len(folder.folders) != 1:
            return None
        folder = look(folder.path / folder.folders[0])
    return None


def _has_classes(folder: Folder) -> bool:
    """Whether there is a folder of an expression's name, or one with images."""
    if any(canonical(name) for name in folder.folders):
        return True
    return any((inside := look(folder.path / name)) and inside.images for name in folder.folders)
