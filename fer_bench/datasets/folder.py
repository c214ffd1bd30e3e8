"""Images of one's own, in a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import cached
from fer_bench.datasets.dataset import SPLITS, Dataset
from fer_bench.datasets.emotions import ORDER, canonical
from fer_bench.datasets.finding.folder import parts_of
from fer_bench.datasets.images import left_out, read_images
from fer_bench.datasets.registry import DataConfig, Progress, register_dataset, require
from fer_bench.datasets.tree import Folder, is_image, look

VERSION = 1
SIDE = 48
CLUTTER = ("thumbs.db", "desktop.ini")  # what file managers leave


@register_dataset(
    "folder",
    title="A folder of images",
    source="your own pictures",
    finder="folder:find",
    layouts=(
        "folder/<class>/<images>",
        "folder/train/<class>/<images> with folder/test/<class>/<images> and, if there are any, folder/val/",
    ),
)
def folder(places: DataConfig) -> Dataset:
    """Your own images, in a folder for each class, of any size and colour: read grey and resized to 48×48.

    images: (samples, 48, 48) uint8; classes are the names of the folders, or the usual names of expressions where all
    of them are such; split from train/, val/ and test/ where there are those, else none.
    """
    path = require("folder", places)
    return cached(
        "folder",
        path,
        places.cache_dir,
        lambda: read_folder(path, places.progress, places.skip_invalid),
        VERSION,
        places.skip_invalid,
        places.refresh,
    )


@dataclass(frozen=True)
class _Listed:
    """An image file, with the part it lies in and its class, by one name however its folders write it."""

    part: str
    key: str
    path: Path


def read_folder(root: Path, progress: Progress | None = None, skip_bad: bool = False) -> Dataset:
    """Read the images below `root`; the fingerprint is left empty. ids: paths below `root`, such as happy/1.png.

    Raises UserError for fewer than two classes, classes that training lacks, and images that cannot be read, which
    `skip_bad` leaves out and tells in a note.
    """
    here = _look(root)
    parts = parts_of(here)
    notes: list[str] = []
    if others := [name for name in here.folders if parts and name not in parts.values()]:
        notes.append(f"{', '.join(others)} beside {parts['training']}/ is no part and was left alone.")
    listed = [
        one
        for part in (sorted(parts, key=SPLITS.index) or [""])
        for one in _part(part, _look(root / parts[part]) if parts else here, notes)
    ]
    keys = _keys(root, listed, notes)
    read = read_images([one.path for one in listed], SIDE, progress, what=f"images in {root.name}", skip_bad=skip_bad)
    notes += left_out(read.bad)
    kept = [listed[index] for index in read.kept]
    if lost := [key for key in keys if key not in {one.key for one in kept}]:
        raise UserError(f"None of the images of {' and '.join(lost)} in {root} can be read.")
    return Dataset(
        name="folder",
        images=read.pixels,
        labels=np.array([keys.index(one.key) for one in kept], np.int64),
        ids=np.array([one.path.relative_to(root).as_posix() for one in kept]),
        classes=_names(keys, listed),
        fingerprint="",
        split=np.array([SPLITS.index(one.part) for one in kept], np.int8) if parts else None,
        notes=tuple(notes),
    )


def originals(name: str, places: DataConfig) -> Mapping[str, Path]:
    """The image file of each id."""
    root = require(name, places)
    files = (Path(folder, name) for folder, _, names in os.walk(root, followlinks=True) for name in names)
    return {path.relative_to(root).as_posix(): path for path in files if is_image(path.name)}


def _part(part: str, folder: Folder, notes: list[str]) -> Iterable[_Listed]:
    """The images of one part, in the order of their classes and names; `notes` are added to."""
    if loose := [name for name in folder.files if is_image(name)]:
        raise UserError(f"{folder.path / loose[0]} lies in no class folder.")
    seen: dict[str, str] = {}
    for key, name in sorted((canonical(name) or name.strip().lower(), name) for name in folder.folders):
        inside = _look(folder.path / name)
        if key in seen:
            raise UserError(f"{folder.path} has two folders for {key}, {seen[key]} and {name}.")
        seen[key] = name
        if inside.folders:
            raise UserError(f"{inside.path / inside.folders[0]} is a folder within a class: images lie in it directly.")
        strange = [file for file in inside.files if not is_image(file) and file.lower() not in CLUTTER]
        more = f" and {len(strange) - 3:,} more" if len(strange) > 3 else ""
        if strange:
            notes.append(f"No images, and left out, in {folder.path.name}/{name}: {', '.join(strange[:3])}{more}.")
        yield from (_Listed(part, key, inside.path / file) for file in inside.files if is_image(file))


def _keys(root: Path, listed: list[_Listed], notes: list[str]) -> list[str]:
    """The classes in order: that of FER2013 for expressions, the alphabet for others. `notes` are added to."""
    if not listed:
        raise UserError(f"{root} has no images in class folders.")
    by_part: dict[str, set[str]] = {}
    for one in listed:
        by_part.setdefault(one.part, set()).add(one.key)
    keys = sorted(
        set().union(*by_part.values()), key=lambda key: (ORDER.index(key) if key in ORDER else len(ORDER), key)
    )
    if len(keys) < 2:
        raise UserError(
            f"{root} has images of one class alone, {keys[0]}: there must be a folder for each of two or more."
        )
    for part, own in by_part.items():
        missing = [key for key in keys if key not in own]
        if missing and part == "training":
            raise UserError(f"The training part of {root} has no images of {' and '.join(missing)}, unlike others.")
        if missing:
            notes.append(f"The {part} part has no images of {' and '.join(missing)}.")
    return keys


def _names(keys: list[str], listed: list[_Listed]) -> tuple[str, ...]:
    """What the classes are called: as the first of their folders, unless all are expressions with a usual name."""
    if all(key in ORDER for key in keys):
        return tuple(keys)
    first: dict[str, str] = {}
    for one in listed:
        first.setdefault(one.key, one.path.parent.name.strip())
    return tuple(first[key] for key in keys)


def _look(path: Path) -> Folder:
    folder = look(path, most=None)
    if folder is None:
        raise UserError(f"The folder {path} cannot be read.")
    return folder
