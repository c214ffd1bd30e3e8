"""Read any of CK+'s datasets from any of its layouts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import cached_files
from fer_bench.datasets.ckplus.csv_file import CSV_COUNTS, read_csv
from fer_bench.datasets.ckplus.layouts import Frame, group_by_sequence, list_frames
from fer_bench.datasets.ckplus.locate import LABELS, ORIGINAL, locate_labels
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import EMOTIONS, canonical_label
from fer_bench.datasets.images import (
    ImageBatch,
    Problems,
    check_skipped_classes,
    first_few,
    own_splits_note,
    read_images,
    skipped_message,
    skipped_note,
)
from fer_bench.datasets.registry import DataConfig, require

IMAGE_SIZE = 48
CENTER_CROP = True  # the middle squares of the images
NEUTRAL_NAME = "ckplus+neutral"
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "contempt")  # FER2013's order, contempt last
FULL_FRAMES_NOTE = (
    "Unless faces were cropped, the images are the middle squares of full frames, in which the face is small, unlike "
    "the cropped faces of CK+48."
)


def load(name: str, data_config: DataConfig) -> Dataset:
    """Return one of the three datasets, from its cache if that is current."""
    path, classes = require(name, data_config), EMOTIONS if name == NEUTRAL_NAME else CLASSES
    if path.is_file():
        return cached_files(
            name, path, data_config, lambda: read_csv(name, path, classes, data_config), counts=CSV_COUNTS
        )
    labels = _find_labels(path, data_config)
    source = path if labels is None else [path, labels]
    return cached_files(name, source, data_config, lambda: _read_frames(name, path, labels, classes, data_config))


def load_originals(name: str, data_config: DataConfig) -> Mapping[str, Path]:
    """Return id → image file; empty for ckextended.csv, which contains the pixels itself."""
    path = require(name, data_config)
    if path.is_file():
        return {}
    frames = list_frames(path, _find_labels(path, data_config), name == NEUTRAL_NAME, [])
    return {frame.id: frame.path for frame in frames}


def _read_frames(
    name: str, root: Path, labels: Path | None, classes: tuple[str, ...], data_config: DataConfig
) -> Dataset:
    """Read images from class folders, or from the original tree with its folder of labels.

    ids: `S010_004_00000017`, of sequences `S010_004`.
    """
    problems: Problems = []
    frames = list_frames(root, labels, name == NEUTRAL_NAME, problems)
    selected = [frame for frame in frames if frame.emotion in classes]
    groups = group_by_sequence(selected, problems) if name == "ckplus_sequences" else [[frame] for frame in selected]
    if problems and not (data_config.skip_invalid and groups):
        raise UserError(f"{len(problems):,} of CK+'s files cannot be used: {first_few(problems)}.")
    if not groups:
        raise UserError(f"{root} has no images of {', '.join(classes)}.")
    paths = [frame.path for group in groups for frame in group]
    images = read_images(paths, IMAGE_SIZE, data_config, "CK+", center_crop=CENTER_CROP)
    num_neutral = len(frames) - len(selected)
    notes = [f"{skipped_message(num_neutral, 'neutral image')}."] if num_neutral else []
    notes += [FULL_FRAMES_NOTE] if labels is not None else own_splits_note(root, paths)
    notes += skipped_note(problems + images.skipped)
    data = _make_dataset(name, groups, images, classes, notes)
    expected = {frame.emotion for frame in selected} | {canonical_label(path.parent.name) for path, _ in problems}
    if problems and labels is not None:
        expected = set(classes)  # a label that cannot be read may be any
    check_skipped_classes(expected & set(classes), [classes[label] for label in data.labels], problems + images.skipped)
    return data


def _find_labels(path: Path, data_config: DataConfig) -> Path | None:
    """Return the Emotion folder of the original tree; None for the other layouts, which need none."""
    if path.resolve().name.lower() != ORIGINAL:
        return None
    labels = locate_labels(path, data_config.data_dir)
    if labels is None:
        raise UserError(f"{path} has no folder {LABELS} next to it. Unpack CK+'s emotion labels there.")
    return labels


def _make_dataset(
    name: str, groups: list[list[Frame]], images: ImageBatch, classes: tuple[str, ...], notes: list[str]
) -> Dataset:
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
        notes=tuple(notes),
    )
