"""Find the folder of images that `--dataset folder` reads. Imports no NumPy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fer_bench.datasets.emotions import canonical_emotion
from fer_bench.datasets.tree import Folder, list_folder

# Names of folders in lower case → their split.
SPLIT_FOLDERS = {
    "train": "training",
    "training": "training",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}


def locate(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """Return `folder` in the data folder, else the data folder itself; None if neither has images in class folders.

    Folders that contain exactly one folder, as archives unpack, are skipped.
    """
    return _locate_below(data_dir / "folder") or _locate_below(data_dir)


def split_folders(folder: Folder) -> dict[str, str]:
    """Return split → name of its folder; empty if there is no folder for training."""
    splits = {SPLIT_FOLDERS[name.lower()]: name for name in folder.folders if name.lower() in SPLIT_FOLDERS}
    return splits if "training" in splits else {}


def _locate_below(root: Path) -> Path | None:
    folder = list_folder(root)
    while folder is not None:
        splits = split_folders(folder)
        parents = [list_folder(folder.path / name) for name in splits.values()] if splits else [folder]
        if any(_has_classes(parent) for parent in parents if parent):
            return folder.path
        if len(folder.folders) != 1:
            return None
        folder = list_folder(folder.path / folder.folders[0])
    return None


def _has_classes(folder: Folder) -> bool:
    """Return whether a subfolder is named for an expression or contains images."""
    if any(canonical_emotion(name) for name in folder.folders):
        return True
    return any((subfolder := list_folder(folder.path / name)) and subfolder.images for name in folder.folders)
