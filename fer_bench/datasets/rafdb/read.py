"""Read RAF-DB from its label file or its class folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.splits import SPLITS
from fer_bench.datasets.archives import list_archives, unpack
from fer_bench.datasets.cache import cached_files
from fer_bench.datasets.codes import LabelParser
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.images import Problems, check_skipped_classes, first_few, read_images, skipped_note
from fer_bench.datasets.rafdb.locate import NAME
from fer_bench.datasets.registry import DataConfig, require
from fer_bench.datasets.table import open_lines, shorten
from fer_bench.datasets.tree import list_folder, list_images, require_folder

IMAGE_SIZE = 48
CODES = dict(enumerate(("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"), start=1))
SPLIT_FOLDERS = {"train": "training", "test": "test"}


@dataclass(frozen=True, order=True)
class _LabeledFile:
    id: str  # train_00001
    emotion: str
    path: Path

    @property
    def split(self) -> str:
        return SPLIT_FOLDERS[self.id.split("_")[0]]


def load(data_config: DataConfig) -> Dataset:
    """Return the dataset, from its cache if that is current."""
    path = require("rafdb", data_config)
    source = [path, _find_aligned(path, data_config)] if path.is_file() else path
    return cached_files("rafdb", source, data_config, lambda: read_rafdb(path, data_config))


def load_originals(name: str, data_config: DataConfig) -> Mapping[str, Path]:
    """Return id → aligned image file, 100×100 pixels."""
    return {file.id: file.path for file in _list_files(require(name, data_config), data_config, [])}


def read_rafdb(path: Path, data_config: DataConfig) -> Dataset:
    """Read from the label file or the folder of numbered class folders; the fingerprint stays empty.

    ids: `train_00001`, sorted, so that the test split comes first.

    Raises:
        UserError: Lines or images cannot be used, and `data_config.skip_invalid` is not set.
    """
    problems: Problems = []
    files = _list_files(path, data_config, problems)
    if problems and not (data_config.skip_invalid and files):
        raise UserError(f"{len(problems):,} of RAF-DB's labels or images cannot be used: {first_few(problems)}.")
    if not files:
        raise UserError(f"{path} names no images.")
    for one, other in pairwise(files):
        if one.id == other.id:
            raise UserError(f"{one.id} is labeled twice, {one.emotion} and {other.emotion}.")
    paths = [file.path for file in files]
    images = read_images(paths, IMAGE_SIZE, data_config, "RAF-DB")
    expected = set(CODES.values()) if problems else {file.emotion for file in files}
    files = [files[index] for index in images.indices]
    problems += images.skipped
    check_skipped_classes(expected, [file.emotion for file in files], problems)
    return Dataset(
        name="rafdb",
        images=images.pixels,
        labels=np.array([FER2013_CLASSES.index(file.emotion) for file in files], np.int64),
        ids=np.array([file.id for file in files]),
        classes=FER2013_CLASSES,
        fingerprint="",
        split=np.array([SPLITS.index(file.split) for file in files], np.int8),
        notes=skipped_note(problems),
    )


def _list_files(path: Path, data_config: DataConfig, problems: Problems) -> list[_LabeledFile]:
    if path.is_file():
        return sorted(_read_label_file(path, _find_aligned(path, data_config), problems))
    return sorted(_list_class_folders(path, problems))


def _find_aligned(path: Path, data_config: DataConfig) -> Path:
    """Return the folder of aligned images that belongs to a label file; aligned.zip is unpacked into the cache."""
    places = [root / folder for root in (path.parent.parent, path.parent) for folder in ("Image", ".")]
    for place in places:
        if (place / "aligned").is_dir():
            return place / "aligned"
    for archive in list_archives(filter(None, map(list_folder, places))):
        if archive.name.lower().startswith("aligned"):
            root = unpack(archive, data_config.cache_dir, data_config.progress)
            return next((root / name for name in ("aligned", "Image/aligned") if (root / name).is_dir()), root)
    raise UserError(f"{path} has no images: there is no folder {path.parent.parent / 'Image' / 'aligned'}.")


def _read_label_file(path: Path, folder: Path, problems: Problems) -> list[_LabeledFile]:
    """Return the files in `folder` that a label file names with lines like `train_00001.jpg 5`."""
    files, labels = [], LabelParser(path, CODES)
    with open_lines(path) as lines:
        for number, line in enumerate(lines, start=1):
            words = line.decode("utf-8", errors="replace").removeprefix("\ufeff").split()
            source = Path(f"{path}, line {number}")
            name = NAME.fullmatch(Path(words[0]).stem) if len(words) == 2 else None
            if name and (emotion := labels.parse(words[1], f"line {number}")):
                stem = name[1].lower()
                files.append(_LabeledFile(stem, emotion, folder / f"{stem}_aligned.jpg"))
            elif name:
                problems.append((source, f"unknown expression code {shorten(words[1])}, not {labels.expected}"))
            elif words:
                text = shorten(" ".join(words), 40)
                problems.append((source, f"{text} is not a name and a code from 1 to 7, like 'train_00001.jpg 5'"))
    labels.check()
    return files


def _list_class_folders(root: Path, problems: Problems) -> list[_LabeledFile]:
    """Return the files in train/ and test/, in class folders named 1 to 7."""
    files = []
    for split in SPLIT_FOLDERS:
        _check_folder_names(root / split)
        for code, emotion in CODES.items():
            folder = root / split / str(code)
            paths = list_images(folder)
            if not paths:
                raise UserError(f"{folder} has no images. RAF-DB has images of every class in {split}.")
            for path in paths:
                name = NAME.fullmatch(path.stem)
                if name is None:
                    problems.append((path, "not named like train_00001_aligned.jpg"))
                elif name[2].lower() != split:
                    problems.append((path, f"an image of {name[2].lower()} in {split}"))
                else:
                    files.append(_LabeledFile(name[1].lower(), emotion, path))
    return files


def _check_folder_names(folder: Path) -> None:
    """Raise UserError if a class folder has a number that is no code: the folders may be counted from 0."""
    labels = LabelParser(folder, CODES)
    for name in require_folder(folder).folders:
        labels.parse(name, f"folder {name}")
    labels.check()
