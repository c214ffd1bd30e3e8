"""Which images a model gets: a dataset's cached ones, or those of its image files if the model takes larger images."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets import DATASETS, DataConfig
from fer_bench.datasets.class_selection import split_classes
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.face_crop.load import ImageFiles, load_cropped, load_originals
from fer_bench.datasets.face_crop.spec import DEFAULT_IMAGE_SIZE, SEPARATOR, split_name
from fer_bench.datasets.images import center_square, read_color, read_gray
from fer_bench.datasets.subset import Subset
from fer_bench.inference.formats.classifier import ImageSource
from fer_bench.inference.preprocessing.preprocessing import Preprocessing
from fer_bench.protocols.registry import ARROW, source_datasets

ImageArray = np.ndarray | Subset

MAX_SAMPLED = 32  # files whose size and color are looked up
MIN_COLOR = 2  # mean difference between the channels of a color image; JPEG colors gray a little
GRAY_NOTE = "gray images in three channels"


@dataclass(frozen=True)
class ModelImages:
    """The images of a dataset for one model.

    Attributes:
        images: One per sample, as `predict_outputs` takes them.
        preprocessing: How they are preprocessed; files are reduced by area averages unless something else is stated.
        notes: What a reader of the row must know, as short notes.
        digest: Of the files of the predicted images; empty if the dataset's fingerprint covers the images.
    """

    images: ImageSource
    preprocessing: Preprocessing
    notes: tuple[str, ...] = ()
    digest: str = ""


@dataclass(frozen=True)
class _File:
    path: Path
    center_crop: bool  # whether the dataset consists of the middle squares of its files


class FileImages(Sequence[np.ndarray]):
    """Images of any size, each read when it is accessed by a number; an array of numbers selects images."""

    def __init__(self, files: Sequence[_File | None], cached: ImageArray, color_mode: str) -> None:
        """Take one file per image, and the cached images for those without a file."""
        self.files, self.cached, self.color_mode = files, cached, color_mode

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, key):
        if np.ndim(key):
            return FileImages([self.files[i] for i in key], self.cached[key], self.color_mode)
        file = self.files[key]
        if file is None:
            image = self.cached[key]
            return image if self.color_mode == "grayscale" else np.repeat(image[..., None], 3, axis=-1)
        pixels = read_gray(file.path) if self.color_mode == "grayscale" else read_color(file.path, self.color_mode)
        if isinstance(pixels, str):
            raise UserError(f"{file.path} cannot be read as an image: {pixels}. Read the dataset again with --refresh.")
        return center_square(pixels) if file.center_crop else pixels


def select_images(
    data: Dataset, preprocessing: Preprocessing, indices: np.ndarray, data_config: DataConfig
) -> ModelImages:
    """Return the images that a model gets.

    Image files are read if the model takes larger images than the cached ones and any file is larger, or if the model
    takes color and any file has color. Labels, ids and splits are the same in both cases.

    Args:
        data: The dataset.
        preprocessing: What the model takes.
        indices: The images that will be predicted, whose files the digest covers.
        data_config: Where the files are.

    Raises:
        UserError: A file is missing or cannot be read.
    """
    wanted, cached = preprocessing.read_size, data.images.shape[1:3]
    is_enlarged = any(a > b for a, b in zip(wanted, cached, strict=True))
    if not is_enlarged and preprocessing.channels == 1:
        return ModelImages(data.images, preprocessing)
    if SEPARATOR in split_classes(data.name)[0] and ARROW not in data.name:
        return _select_crops(data, preprocessing, is_enlarged, data_config)
    files = _find_files(data, data_config)
    scored = [files[index] for index in indices]
    sizes, has_color = _look_up([file for file in scored if file])
    use_color = has_color and preprocessing.color_mode != "grayscale"
    is_gray = not use_color and (has_color or preprocessing.color_mode != "grayscale")
    notes = (GRAY_NOTE,) if is_gray else ()
    enlarged = (f"enlarged from {_size_text(cached)} to {_size_text(wanted)}",) if is_enlarged else ()
    if not use_color and not (is_enlarged and max(sizes, default=0) > min(cached)):
        return ModelImages(data.images, preprocessing, (*notes, *enlarged))
    chosen = preprocessing.model_copy(update={"interpolation": preprocessing.interpolation or "area"})
    some = tuple(f"some {note}" for note in enlarged if None in scored)
    images = FileImages(files, data.images, preprocessing.color_mode if use_color else "grayscale")
    return ModelImages(images, chosen, (_read_note(wanted, sizes, use_color), *some, *notes), _digest(scored))


def _select_crops(
    data: Dataset, preprocessing: Preprocessing, is_enlarged: bool, data_config: DataConfig
) -> ModelImages:
    """Return cropped faces at the model's size, unless the dataset's name states a size."""
    base, spec = split_name(data.name)
    wanted, cached = preprocessing.read_size, data.images.shape[1:3]
    notes = (GRAY_NOTE,) if preprocessing.color_mode != "grayscale" else ()
    is_stated = spec is None or spec.image_size != DEFAULT_IMAGE_SIZE or wanted[0] != wanted[1]
    if is_enlarged and not is_stated and isinstance(load_originals(replace(data, name=base), data_config), ImageFiles):
        assert spec is not None
        larger = load_cropped(base, spec.model_copy(update={"image_size": wanted[0]}), data_config)
        positions = {name: position for position, name in enumerate(larger.ids.tolist())}
        images = Subset(larger.images, np.array([positions[name] for name in data.ids.tolist()]))
        return ModelImages(images, preprocessing, (f"read at {_size_text(wanted)}", *notes), larger.fingerprint)
    enlarged = (f"enlarged from {_size_text(cached)} to {_size_text(wanted)}",) if is_enlarged else ()
    return ModelImages(data.images, preprocessing, (*notes, *enlarged))


def _find_files(data: Dataset, data_config: DataConfig) -> list[_File | None]:
    """Return the file of each image; None for images without one."""
    if ARROW not in data.name:
        return _files_of_source(data, data_config)
    found: dict[str, _File | None] = {}
    for source in source_datasets(data.name):
        ids = [name for name in data.ids.tolist() if name.startswith(f"{source}/")]
        part = replace(data, name=source, ids=np.array([name.removeprefix(f"{source}/") for name in ids]))
        if SEPARATOR not in split_classes(source)[0]:
            found |= zip(ids, _files_of_source(part, data_config), strict=True)
    return [found.get(name) for name in data.ids.tolist()]


def _files_of_source(data: Dataset, data_config: DataConfig) -> list[_File | None]:
    name, _ = split_classes(data.name)
    originals = load_originals(data, data_config) if name in DATASETS else None
    if not isinstance(originals, ImageFiles):
        return [None] * len(data.ids)
    reader = import_module(f"{DATASETS.get(name).module}.read")
    return [_File(path, getattr(reader, "CENTER_CROP", False)) for path in originals.files]


def _look_up(files: list[_File]) -> tuple[list[int], bool]:
    """Return the shorter sides of some files, and whether any has color."""
    step = -(-len(files) // MAX_SAMPLED) or 1
    images = [read_color(file.path, "bgr") for file in files[::step]]
    pixels = [image for image in images if not isinstance(image, str)]
    return [min(image.shape[:2]) for image in pixels], any(
        np.ptp(image, axis=-1).mean() > MIN_COLOR for image in pixels
    )


def _digest(files: list[_File | None]) -> str:
    """Return the SHA-256 of some files, in order."""
    digest = hashlib.sha256()
    for file in files:
        if file is not None:
            try:
                digest.update(hashlib.sha256(file.path.read_bytes()).digest())
            except OSError as error:
                raise UserError(f"Cannot read {file.path}: {error.strerror or error}.") from None
    return digest.hexdigest()


def _read_note(wanted: tuple[int, int], sizes: list[int], use_color: bool) -> str:
    """Return a note on images that are read from files, whose shorter sides are `sizes`."""
    usual, color = sorted(sizes)[len(sizes) // 2], " in color" if use_color else ""
    if usual < min(wanted):
        return f"read from files of {usual} px{color}, enlarged to {_size_text(wanted)}"
    return f"read at {_size_text(wanted)}{color}"


def _size_text(size: Sequence[int]) -> str:
    height, width = size
    return f"{height} px" if height == width else f"{width}×{height} px"
