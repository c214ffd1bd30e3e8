"""Find the folder of images that `--dataset folder` reads. Imports no NumPy."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fer_bench.core.text import list_first
from fer_bench.datasets.emotions import canonical_emotion
from fer_bench.datasets.file_names import kind_of_folders, split_of
from fer_bench.datasets.image_format import is_image_file
from fer_bench.datasets.tree import Folder, list_folder, subfolders

MAX_LISTED = 3
MAX_CHAIN = 8  # folders that contain only the next one
MAX_LOOKED_AT = 10  # files without the suffix of an image


def locate(data_dir: Path, tree: Iterable[Folder]) -> Path | None:
    """Return `folder` in the data folder, else the data folder itself, or the only folder in it with class folders.

    Folders that contain exactly one folder, as archives unpack, are skipped.
    """
    return _locate_below(data_dir / "folder") or _locate_below(data_dir)


def explain(data_dir: Path, tree: Iterable[Folder]) -> str:
    """Return why there are no class folders, as a sentence; empty if nothing is known."""
    folder = list_folder(data_dir)
    if folder is None:
        return ""
    if len(candidates := _with_expressions(folder)) > 1:
        listed = list_first([str(path) for path in candidates], MAX_LISTED)
        return (
            f"Several folders have class folders: {listed}. Name one of them with --data-dir; or if they are persons, "
            "rename them to subject_1, subject_2 and so on."
        )
    for one in (folder, *subfolders(folder)):
        if _has_images(one):
            return f"{one.path} has images, but no class folders. Name the folder above, or make class folders."
    return ""


def _locate_below(root: Path) -> Path | None:
    folder = list_folder(root)
    for _ in range(MAX_CHAIN):  # links may be circular
        if folder is None:
            break
        if _is_dataset(folder):
            return folder.path
        if len(folder.folders) != 1:
            candidates = _with_expressions(folder)
            return candidates[0] if len(candidates) == 1 else None
        folder = list_folder(folder.path / folder.folders[0])
    return None


def _is_dataset(folder: Folder) -> bool:
    """Return whether a folder contains class folders, in splits or below subjects or not."""
    if any(split_of(name) == "training" for name in folder.folders):
        return any(_has_levels(_inner(split)) for split in subfolders(folder) if split_of(split.path.name))
    return _has_levels(folder)


def _has_levels(folder: Folder) -> bool:
    """Return whether a folder contains class folders, itself or below folders of persons, recordings or splits."""
    if _has_classes(folder):
        return True
    return kind_of_folders(folder.folders) != "" and any(map(_has_classes, subfolders(folder)))


def _has_classes(folder: Folder) -> bool:
    """Return whether a subfolder is named for an expression, or subfolders contain images and none class folders."""
    if any(map(canonical_emotion, folder.folders)):
        return True
    with_images = sum(map(_has_images, subfolders(folder)))
    return with_images > 1 or (with_images == 1 and not _with_expressions(folder))


def _with_expressions(folder: Folder) -> list[Path]:
    """Return the subfolders with class folders that are named for expressions, in splits or not."""
    found = []
    for child in map(_inner, subfolders(folder)):
        parents = [_inner(split) for split in subfolders(child) if split_of(split.path.name)] or [child]
        if any(canonical_emotion(name) for parent in parents for name in parent.folders):
            found.append(child.path)
    return found


def _inner(folder: Folder) -> Folder:
    """Return the folder itself, or the one that it contains alone, and so on."""
    for _ in range(MAX_CHAIN):
        if len(folder.folders) != 1 or canonical_emotion(folder.folders[0]) or split_of(folder.folders[0]):
            break
        inner = list_folder(folder.path / folder.folders[0])
        if inner is None or not inner.folders:
            break
        folder = inner
    return folder


def _has_images(folder: Folder) -> bool:
    return bool(folder.images) or any(is_image_file(folder.path / name) for name in folder.files[:MAX_LOOKED_AT])
