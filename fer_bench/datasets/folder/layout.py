"""Which of the folders above an image is its class, its split and its subject.

The folders from the root to an image are levels: train/happy/1.png has a level of splits and a level of classes. A
level that is the same for all images, such as images/, says nothing.
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.core.text import list_first
from fer_bench.datasets.emotions import canonical_emotion, canonical_label
from fer_bench.datasets.file_names import kind_of_folders, split_of
from fer_bench.datasets.image_format import is_image_file
from fer_bench.datasets.tree import MAX_DEPTH, Folder, require_folder

MAX_LISTED = 3  # names in a message
CLUTTER = ("thumbs.db", "desktop.ini")  # written by file managers
PERSONS = "persons"


@dataclass(frozen=True)
class ClassFolder:
    """A folder of images of one class, or one that lacks images.

    Attributes:
        path: The folder.
        levels: The names of the folders from the root to this one that are no splits.
        images: Its image files, sorted by name.
        split: Of SPLITS; empty without splits.
        name: The name of the folder of the class.
        subject: The name of the folder of the subject; empty without such folders.
    """

    path: Path
    levels: tuple[str, ...]
    images: tuple[Path, ...]
    split: str = ""
    name: str = ""
    subject: str = ""

    @property
    def key(self) -> str:
        """The class, which is the same for all spellings."""
        return canonical_label(self.name)


def read_layout(root: Path, notes: list[str]) -> tuple[list[ClassFolder], list[ClassFolder]]:
    """Return the folders with images, sorted by split, class and name, and the innermost folders without images.

    `notes` gets a sentence on what is ignored.

    Raises:
        UserError: An image is in no class folder, or folders are nested in an unknown way.
    """
    folders = _take_splits(root, list(_innermost(require_folder(root), (), notes)), notes)
    with_images = [folder for folder in folders if folder.images]
    if with_images:
        with_images = _drop_constant_levels(with_images)
        class_level, subject_level = _find_levels(root, with_images)
        with_images = [
            replace(
                folder,
                name=_normalize(folder.levels[class_level]),
                subject="" if subject_level is None else folder.levels[subject_level],
            )
            for folder in with_images
        ]
    _check_spellings(with_images)
    order = sorted(with_images, key=lambda one: (one.split, one.key, one.name, one.subject, one.path))
    return order, [folder for folder in folders if not folder.images]


def _innermost(folder: Folder, levels: tuple[str, ...], notes: list[str]) -> Iterator[ClassFolder]:
    """Yield the folders below the root that have images, and those that have no subfolders."""
    candidates = folder.files if levels else [path.name for path in folder.images]
    images = [name for name in sorted(candidates, key=_normalize) if is_image_file(folder.path / name)]
    subfolders = folder.folders if len(levels) < MAX_DEPTH else ()
    below = [
        found for name in subfolders for found in _innermost(require_folder(folder.path / name), (*levels, name), notes)
    ]
    inner = [found for found in below if found.images]
    if images and (not levels or (inner and (split_of(levels[-1]) or canonical_emotion(inner[0].levels[-1])))):
        raise UserError(f"{folder.path / images[0]} is not in a class folder. Move it into one, or to another place.")
    if images and inner:
        raise UserError(_nested(inner[0].path))
    others = sorted({name for name in candidates if name.lower() not in CLUTTER} - set(images))
    if images and others:
        place = f"{folder.path.parent.name}/{folder.path.name}"
        notes.append(f"Files in {place} that are no images were skipped: {list_first(others, MAX_LISTED)}.")
    yield from below
    if levels and (images or not below):
        yield ClassFolder(folder.path, levels, tuple(folder.path / name for name in images))


def _normalize(name: str) -> str:
    """Return a name in one unicode form, so that the order of files is the same on all systems."""
    return unicodedata.normalize("NFC", name)


def _take_splits(root: Path, folders: list[ClassFolder], notes: list[str]) -> list[ClassFolder]:
    """Return the folders with their splits, if the first or the last level names splits, one of them for training."""
    deep = [folder for folder in folders if len(folder.levels) > 1]
    for level in (0, -1):
        names = {folder.levels[level] for folder in deep if folder.images or level == 0}
        splits = {name: split for name in names if (split := split_of(name))}
        if "training" not in splits.values() or (level == -1 and len(splits) < len(names)):
            continue
        _check_splits(root, splits)
        top_names = {folder.levels[0]: folder for folder in folders}
        if level == 0:
            for name, folder in top_names.items():
                if split_of(name) and folder.images and len(folder.levels) == 1:
                    raise UserError(f"{folder.images[0]} is not in a class folder. Move it into one.")
            training = next(name for name, split in splits.items() if split == "training")
            if others := sorted(name for name in top_names if not split_of(name)):
                notes.append(f"{', '.join(others)} next to {training}/ is no split and was ignored.")
        return [
            replace(
                folder,
                levels=folder.levels[1:] if level == 0 else folder.levels[:-1],
                split=splits[folder.levels[level]],
            )
            for folder in deep
            if folder.levels[level] in splits
        ]
    return folders


def _check_splits(root: Path, splits: dict[str, str]) -> None:
    """Raise UserError if two folders are the same split."""
    by_split: dict[str, str] = {}
    for name, split in sorted(splits.items()):
        if other := by_split.get(split):
            raise UserError(f"{root} has two folders for the {split} split, {other} and {name}. Rename one of them.")
        by_split[split] = name


def _drop_constant_levels(folders: list[ClassFolder]) -> list[ClassFolder]:
    """Remove the levels that are the same for all images of a split, unless they name expressions.

    The splits keep the same number of levels: a test split may have a single subject.
    """
    by_split: dict[str, list[ClassFolder]] = defaultdict(list)
    for folder in folders:
        by_split[folder.split].append(folder)
    constant = {split: _constant_levels(members) for split, members in by_split.items()}
    if len({len(folder.levels) for folder in folders}) == 1 and len(set(map(len, constant.values()))) > 1:
        constant = dict.fromkeys(constant, set.intersection(*constant.values()))
    return [
        replace(folder, levels=tuple(name for i, name in enumerate(folder.levels) if i not in constant[folder.split]))
        for folder in folders
    ]


def _constant_levels(folders: list[ClassFolder]) -> set[int]:
    """Return the levels that are the same for all folders and name no expression, but never all levels."""
    depth = min(len(folder.levels) for folder in folders)
    names = [{folder.levels[level] for folder in folders} for level in range(depth)]
    constant = {i for i, own in enumerate(names) if len(own) == 1 and not any(map(canonical_emotion, own))}
    is_all = len(constant) == max(len(folder.levels) for folder in folders)
    return constant - {depth - 1} if is_all else constant  # a single class folder


def _find_levels(root: Path, folders: list[ClassFolder]) -> tuple[int, int | None]:
    """Return the level of the classes, and that of the subjects or None."""
    depths = {len(folder.levels) for folder in folders}
    if depths == {1}:
        return 0, None
    deepest = max(folders, key=lambda folder: len(folder.levels)).path
    if depths != {2}:
        raise UserError(_nested(deepest))
    outer, inner = (sorted({folder.levels[level] for folder in folders}) for level in (0, 1))
    outer_named, inner_named = (any(map(canonical_emotion, names)) for names in (outer, inner))
    outer_kind, inner_kind = kind_of_folders(outer), kind_of_folders(inner)
    if inner_kind == PERSONS and not inner_named and (outer_named or outer_kind != PERSONS):
        return 0, 1
    if outer_kind == PERSONS and not outer_named and (inner_named or inner_kind != PERSONS):
        return 1, 0
    if inner_named and not outer_named:
        raise UserError(_unknown_outer(root, outer))
    if not outer_named and outer_kind:
        listed = list_first(outer, MAX_LISTED)
        raise UserError(
            f"{root}: {listed} look like {outer_kind}, and no folder is named for an expression. Put the images into "
            "one folder per expression, such as happy/ and sad/."
        )
    raise UserError(_nested(deepest))


def _unknown_outer(root: Path, names: list[str]) -> str:
    listed = list_first(names, MAX_LISTED)
    if all(map(split_of, names)):
        return f"{root} has class folders in {listed}, but none for training. Rename one of them to train."
    return (
        f"{root} has class folders in {listed}. If these are splits, rename them to train, val and test; if they are "
        "persons, to subject_1, subject_2 and so on; otherwise name one of them with --data-dir."
    )


def _nested(path: Path) -> str:
    return (
        f"{path} is a folder within a class. Put the images directly into the class folders; or if the inner folders "
        "are persons, name them subject_1, subject_2 and so on."
    )


def _check_spellings(folders: list[ClassFolder]) -> None:
    """Raise UserError if two folders beside each other are spellings of one class."""
    seen: dict[tuple[str, str, str], ClassFolder] = {}
    for one in sorted(folders, key=lambda one: one.name):
        other = seen.setdefault((one.split, one.key, one.subject), one)
        if other.name != one.name:
            raise UserError(f"{one.path.parent} has two folders for {one.key}, {other.name} and {one.name}.")
