"""Whether the folders of images are classes at all, and whether one of them lost all its images."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.core.text import list_first, plural
from fer_bench.datasets.emotions import canonical_emotion, canonical_label
from fer_bench.datasets.file_names import problem_with_classes
from fer_bench.datasets.folder.layout import CLUTTER, MAX_LISTED, ClassFolder

# Files of folders that are no classes. Other files may have been meant as images.
DOCUMENTS = (
    *(".txt", ".md", ".csv", ".json", ".xml", ".yaml", ".yml", ".html", ".pdf", ".docx", ".xlsx", ".log", ".py"),
    *(".ipynb", ".m", ".sh", ".mat", ".npy", ".npz", ".h5", ".hdf5", ".keras", ".onnx", ".tflite", ".pt", ".pkl"),
    *(".pth", ".pb", ".ckpt", ".zip", ".tar", ".gz", ".7z", ".rar", ".xls", ".pptx"),
)


def check_classes(root: Path, folders: Sequence[ClassFolder], accept_classes: bool) -> list[str]:
    """Return a note if no class is named for an expression.

    Raises:
        UserError: The folders look like persons, recordings or splits, and `accept_classes` is not set.
    """
    stems: dict[str, list[str]] = defaultdict(list)
    for folder in folders:
        stems[folder.name] += [image.stem for image in folder.images]
    if any(map(canonical_emotion, stems)):
        return []
    listed = list_first(sorted(stems), MAX_LISTED)
    problem = problem_with_classes(stems)
    if problem and not accept_classes:
        raise UserError(
            f"{root}: the {len(stems)} folders {listed} would be read as {len(stems)} classes, but they {problem}, and "
            "none is named for an expression. Put the images into one folder per expression (happy/, sad/, …), or pass "
            "--accept-classes if the folders are the classes."
        )
    return [f"No class is named for an expression; the folders are the classes: {listed}."]


def check_vanished(empty: Sequence[ClassFolder], folders: Sequence[ClassFolder]) -> list[str]:
    """Return a note on ignored folders without images.

    Args:
        empty: Folders without images.
        folders: Folders with images.

    Raises:
        UserError: One of the folders without images seems to be a class.
    """
    found = {(one.split, one.key) for one in folders}
    ignored = []
    for folder in empty:
        if any((folder.split, canonical_label(name)) in found for name in folder.levels):
            continue  # such as the empty folder of a subject
        files = _all_files(folder.path)
        is_expression = any(map(canonical_emotion, folder.levels))
        is_required = folder.split in ("", "training") and len(folder.levels) == 1
        if [name for name in files if is_expression or not name.lower().endswith(DOCUMENTS)] or (
            is_required and not files
        ):
            raise UserError(vanished_message(folder.path, files))
        ignored.append(folder.path.name)
    return [f"Folders without images were ignored: {list_first(ignored, MAX_LISTED)}."] if ignored else []


def vanished_message(path: Path, files: Sequence[str]) -> str:
    """Return why a class folder has no images, and what to do."""
    if not files:
        return f"{path} has no images, so its class would be missing. Add images, or remove the folder."
    if all(name.startswith(".") for name in files):
        return f"{path} has only hidden files, such as {files[0]}, so its class would be missing. Remove the first dot."
    return (
        f"{path} has no image that can be read, so its class would be missing. It has {plural(len(files), 'file')}, "
        f"such as {files[0]}. Convert them to PNG or JPEG, or move the folder elsewhere if it is no class."
    )


def _all_files(path: Path) -> list[str]:
    """Return the names of all files in a folder except clutter; hidden ones come last."""
    with os.scandir(path) as entries:
        names = [e.name for e in entries if not e.is_dir() and e.name.lower() not in (*CLUTTER, ".ds_store")]
    return sorted(names, key=lambda name: (name.startswith("."), name))
