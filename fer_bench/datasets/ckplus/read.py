"""Read any of CK+'s datasets from any of its layouts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import cached_files
from fer_bench.datasets.ckplus.csv_file import read_csv
from fer_bench.datasets.ckplus.layouts import (
    Frame,
    group_by_sequence,
    list_class_folder_frames,
    list_original_frames,
)
from fer_bench.datasets.ckplus.locate import LABELS, ORIGINAL, locate_labels
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import EMOTIONS
from fer_bench.datasets.expected_counts import count_mismatches
from fer_bench.datasets.images import ImageBatch, Problems, first_few, read_images, skipped_message, skipped_note
from fer_bench.datasets.registry import DATASETS, DataConfig, require

IMAGE_SIZE = 48
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "contempt")  # FER2013's order, contempt last
FULL_FRAMES_NOTE = (
    "Unless faces were cropped, the images are the middle squares of full frames, in which the face is small, unlike "
    "the cropped faces of CK+48."
)


def load(name: str, data_config: DataConfig) -> Dataset:
    """Return one of the three datasets, from its cache if that is current."""
    path = require(name, data_config)
    labels = _find_labels(path, data_config)

    def read() -> Dataset:
        if path.is_file():
            return read_csv(name, path, _classes(name), data_config)
        return read_frames(name, path, labels, data_config)

    return cached_files(name, path if labels is None else [path, labels], data_config, read)


def load_originals(name: str, data_config: DataConfig) -> Mapping[str, Path]:
    """Return id → image file; empty for ckextended.csv, which contains the pixels itself."""
    path = require(name, data_config)
    if path.is_file():
        return {}
    labels = _find_labels(path, data_config)
    return {frame.id: frame.path for frame in _list_frames(name, path, labels, [])}


def read_frames(name: str, root: Path, labels: Path | None, data_config: DataConfig) -> Dataset:
    """Read images from class folders or the original tree. ids: `S010_004_00000017`, of sequences `S010_004`.

    Args:
        name: Name of the dataset.
        root: The folder of the class folders, or cohn-kanade-images.
        labels: The folder Emotion of the original tree; None for class folders.
        data_config: Names the progress, and whether invalid files are skipped and noted.

    Returns:
        The dataset; the fingerprint stays empty.

    Raises:
        UserError: Files are missing, unreadable or have unexpected names.
    """
    problems: Problems = []
    frames = _list_frames(name, root, labels, problems)
    classes = _classes(name)
    selected = [frame for frame in frames if frame.emotion in classes]
    groups = group_by_sequence(selected, problems) if name == "ckplus_sequences" else [[frame] for frame in selected]
    if problems and not (data_config.skip_invalid and groups):
        raise UserError(f"{len(problems):,} of CK+'s files cannot be used: {first_few(problems)}.")
    if not groups:
        raise UserError(f"{root} has no images of {', '.join(classes)}.")
    paths = [frame.path for group in groups for frame in group]
    images = read_images(paths, IMAGE_SIZE, data_config.progress, "CK+", data_config.skip_invalid, center_crop=True)
    dataset = _make_dataset(name, groups, images, classes)
    num_neutral = len(frames) - len(selected)
    notes = [f"{skipped_message(num_neutral, 'neutral image')}."] if num_neutral else []
    notes += [FULL_FRAMES_NOTE] if labels is not None else []
    mismatches = count_mismatches(dataset, DATASETS.get(name).options) or ()
    return replace(dataset, notes=(*notes, *skipped_note(problems + images.skipped), *mismatches))


def _classes(name: str) -> tuple[str, ...]:
    return EMOTIONS if name == "ckplus+neutral" else CLASSES


def _find_labels(path: Path, data_config: DataConfig) -> Path | None:
    """Return the Emotion folder of the original tree; None for the other layouts, which need none."""
    if path.resolve().name.lower() != ORIGINAL:
        return None
    labels = locate_labels(path, data_config.data_dir)
    if labels is None:
        raise UserError(f"{path} has no folder {LABELS} next to it. Unpack CK+'s emotion labels there.")
    return labels


def _list_frames(name: str, root: Path, labels: Path | None, problems: Problems) -> list[Frame]:
    if labels is None:
        return list_class_folder_frames(root, problems)
    return list_original_frames(root, labels, name == "ckplus+neutral", problems)


def _make_dataset(name: str, groups: list[list[Frame]], images: ImageBatch, classes: tuple[str, ...]) -> Dataset:
    """Return one sample per group of which all frames were read: an image for one frame, a sequence for several."""
    length = len(groups[0])
    positions = np.full(len(groups) * length, -1)
    positions[images.indices] = np.arange(len(images.indices))
    by_group = positions.reshape(len(groups), length)
    complete = np.flatnonzero((by_group >= 0).all(axis=1))
    if not len(complete):
        raise UserError(f"No sequence has frames that can all be read: {first_few(images.skipped)}.")
    groups = [groups[index] for index in complete]
    pixels = images.pixels[by_group[complete]]
    return Dataset(
        name=name,
        images=pixels[:, 0] if length == 1 else pixels,
        labels=np.array([classes.index(group[0].emotion) for group in groups], np.int64),
        ids=np.array([group[0].id if length == 1 else group[0].sequence for group in groups]),
        classes=classes,
        fingerprint="",
        subjects=np.array([group[0].subject for group in groups]),
        sequences=np.array([group[0].sequence for group in groups]) if length == 1 else None,
    )
