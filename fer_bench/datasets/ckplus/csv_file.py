"""Read CK+ from ckextended.csv, which has one image per sequence and no subjects."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import EMOTIONS, count_notes
from fer_bench.datasets.fer2013.csv_file import IMAGE_SIZE, parse_pixels
from fer_bench.datasets.images import skipped_message
from fer_bench.datasets.registry import DataConfig

COUNTS = {
    "angry": 45,
    "disgust": 59,
    "fear": 25,
    "happy": 69,
    "sad": 28,
    "surprise": 83,
    "neutral": 593,
    "contempt": 18,
}
NO_SUBJECTS_NOTE = (
    "ckextended.csv has one image per sequence and does not name subjects: its splits may share subjects. Its column "
    "Usage, which does not split by subject either, is not used."
)


def read_csv(name: str, path: Path, classes: tuple[str, ...], data_config: DataConfig) -> Dataset:
    """Read the rows of some classes and note the number of others; the fingerprint stays empty.

    ids: `ckextended-000`, by row from 0.

    Args:
        name: Name of the dataset.
        path: The csv file. Its column emotion has indices into EMOTIONS: 6 is neutral, 7 contempt.
        classes: Names in EMOTIONS.
        data_config: Names the progress, and whether invalid rows are skipped and noted.

    Raises:
        UserError: A row is invalid; the message names the line.
    """
    rows, problems = _read_rows(path, data_config)
    if problems and not (data_config.skip_invalid and rows):
        raise UserError(f"{path}, {problems[0]}.")
    if not rows:
        raise UserError(f"{path} has a header but no rows: the file seems to be truncated.")
    selected = [(number, emotion, pixels) for number, emotion, pixels in rows if emotion in classes]
    if not selected:
        raise UserError(f"{path} has no rows of {', '.join(classes)}.")
    labels = np.array([classes.index(emotion) for _, emotion, _ in selected], np.int64)
    notes = [NO_SUBJECTS_NOTE]
    if len(rows) > len(selected):
        notes.append(f"{skipped_message(len(rows) - len(selected), 'neutral row')}.")
    if problems:
        notes.append(f"{skipped_message(len(problems), 'invalid row')}; the first: {problems[0]}.")
    return Dataset(
        name=name,
        images=np.stack([pixels for _, _, pixels in selected]).reshape(-1, IMAGE_SIZE, IMAGE_SIZE),
        labels=labels,
        ids=np.array([f"ckextended-{number:03d}" for number, _, _ in selected]),
        classes=classes,
        fingerprint="",
        notes=(*notes, *count_notes(labels, classes, [COUNTS[emotion] for emotion in classes])),
    )


def _read_rows(path: Path, data_config: DataConfig) -> tuple[list[tuple[int, str, np.ndarray]], list[str]]:
    """Return number, class and pixels of the valid rows, and the problems of the others with their lines."""
    rows, problems = [], []
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            table = csv.DictReader(file, skipinitialspace=True)
            table.fieldnames = [name.strip().lower() for name in table.fieldnames or ()]
            if not {"emotion", "pixels"} <= set(table.fieldnames):
                raise UserError(f"{path}, line 1: the header must name emotion and pixels.")
            for number, row in enumerate(table):
                try:
                    rows.append(
                        (number, _parse_emotion(row["emotion"]), parse_pixels((row["pixels"] or "").strip().encode()))
                    )
                except ValueError as error:
                    problems.append(f"line {table.line_num}: {error}")
    except (OSError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if data_config.progress:
        data_config.progress(f"reading {path.name}", len(rows), len(rows))
    return rows, problems


def _parse_emotion(text: str | None) -> str:
    text = (text or "").strip()
    if not text.isdecimal() or int(text) >= len(EMOTIONS):
        raise ValueError(f"unknown expression code {text[:20]!r}, not 0 to {len(EMOTIONS) - 1}")
    return EMOTIONS[int(text)]
