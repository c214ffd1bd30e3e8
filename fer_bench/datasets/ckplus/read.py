"""Reading CK+ from any of its layouts into any of its datasets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import cached
from fer_bench.datasets.ckplus.csv_file import read_csv
from fer_bench.datasets.ckplus.layouts import (
    Frame,
    Problems,
    class_folder_frames,
    original_frames,
    sequences_of,
)
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import ORDER
from fer_bench.datasets.expected_counts import differences
from fer_bench.datasets.finding.ckplus import LABELS, ORIGINAL, labels_beside
from fer_bench.datasets.images import Images, left_out, named, read_images, were_left_out
from fer_bench.datasets.registry import DATASETS, DataConfig, require

SIDE = 48
CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "contempt")  # FER2013's order, contempt last
WHOLE_FRAMES = (
    "Unless they were prepared otherwise, the images are the middle squares of whole frames, in which the face is "
    "small, not faces cut out as in CK+48."
)


def load_ckplus(name: str, places: DataConfig) -> Dataset:
    """One of the three datasets, from its cache where that is current."""
    path = require(name, places)
    labels = _labels(path, places)
    source = path if labels is None else [path, labels]

    def read() -> Dataset:
        if path.is_file():
            return read_csv(name, path, _classes(name), places)
        return read_frames(name, path, labels, places)

    return cached(name, source, places.cache_dir, read, skip_bad=places.skip_invalid, refresh=places.refresh)


def originals_of(name: str, places: DataConfig) -> Mapping[str, Path]:
    """The image file of each id; none for ckextended.csv, which holds the pixels itself."""
    path = require(name, places)
    if path.is_file():
        return {}
    labels = _labels(path, places)
    return {frame.id: frame.path for frame in _frames(name, path, labels, [])}


def _classes(name: str) -> tuple[str, ...]:
    return ORDER if name == "ckplus+neutral" else CLASSES


def _labels(path: Path, places: DataConfig) -> Path | None:
    """The Emotion folder of the original tree; the other layouts need none."""
    if path.resolve().name.lower() != ORIGINAL:
        return None
    labels = labels_beside(path, places.data_dir)
    if labels is None:
        raise UserError(f"{path} has no folder {LABELS} beside it: unpack CK+'s emotion labels there.")
    return labels


def read_frames(name: str, root: Path, labels: Path | None, places: DataConfig) -> Dataset:
    """Read images from class folders, or with `labels` from cohn-kanade-images; the fingerprint is left empty.

    ids: `S010_004_00000017`, of sequences `S010_004`. Raises UserError that names what is missing, unreadable or named
    otherwise; with `places.skip_bad` that is left out and told in the notes.
    """
    problems: Problems = []
    frames = _frames(name, root, labels, problems)
    classes = _classes(name)
    strange = [frame for frame in frames if frame.emotion not in classes]
    frames = [frame for frame in frames if frame.emotion in classes]
    groups = sequences_of(frames, problems) if name == "ckplus_sequences" else [[frame] for frame in frames]
    if problems and not (places.skip_invalid and groups):
        raise UserError(f"{len(problems):,} of CK+'s files cannot be used: {named(problems)}.")
    files = [frame.path for group in groups for frame in group]
    images = read_images(files, SIDE, places.progress, "CK+", places.skip_invalid, crop=True)
    dataset = _dataset(name, groups, images, classes)
    notes = [f"{were_left_out(len(strange), 'neutral image')}."] if strange else []
    notes += [WHOLE_FRAMES] if labels is not None else []
    return replace(
        dataset, notes=(*notes, *left_out(problems + images.bad), *differences(dataset, DATASETS.get(name).options))
    )


def _frames(name: str, root: Path, labels: Path | None, problems: Problems) -> list[Frame]:
    if labels is None:
        return class_folder_frames(root, problems)
    return original_frames(root, labels, name == "ckplus+neutral", problems)


def _dataset(name: str, groups: list[list[Frame]], images: Images, classes: tuple[str, ...]) -> Dataset:
    """A sample for each group of frames, of which all were read; one frame makes an image, more a sequence."""
    length = len(groups[0])
    place = np.full(len(groups) * length, -1)
    place[images.kept] = np.arange(len(images.kept))
    place = place.reshape(len(groups), length)
    whole = (place >= 0).all(axis=1)
    if not whole.any():
        raise UserError(f"No sequence is left of which all frames can be read: {named(images.bad)}.")
    groups = [group for group, is_whole in zip(groups, whole, strict=True) if is_whole]
    pixels = images.pixels[place[whole]]
    labels = np.array([classes.index(group[0].emotion) for group in groups], np.int64)
    return Dataset(
        name=name,
        images=pixels[:, 0] if length == 1 else pixels,
        labels=labels,
        ids=np.array([group[0].id if length == 1 else group[0].sequence for group in groups]),
        classes=classes,
        fingerprint="",
        subjects=np.array([group[0].subject for group in groups]),
        sequences=np.array([group[0].sequence for group in groups]) if length == 1 else None,
    )
