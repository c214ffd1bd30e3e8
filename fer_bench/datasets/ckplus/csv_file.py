"""Read CK+ from ckextended.csv, which has one image per sequence and no subjects."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import EMOTIONS
from fer_bench.datasets.fer2013.csv_file import read_rows
from fer_bench.datasets.images import skipped_message
from fer_bench.datasets.registry import DataConfig

CSV_COUNTS = dict(zip(EMOTIONS, (45, 59, 25, 69, 28, 83, 593, 18), strict=True))
NO_SUBJECTS_NOTE = (
    "ckextended.csv has one image per sequence and does not name subjects: its splits may share subjects. Its column "
    "Usage, which does not split by subject either, is not used."
)


def read_csv(name: str, path: Path, classes: tuple[str, ...], data_config: DataConfig) -> Dataset:
    """Read the rows of some classes and note how many rows are skipped; the fingerprint stays empty.

    ids: `ckextended-000`, by row from 0. The column emotion has indices into EMOTIONS: 6 is neutral, 7 contempt.

    Raises:
        UserError: As `read_rows`, or if there are no rows of the classes.
    """
    rows, problems = read_rows(path, ("emotion", "pixels"), EMOTIONS, data_config)
    selected = [row for row in rows if EMOTIONS[row.label] in classes]
    if not selected:
        raise UserError(f"{path} has no rows of {', '.join(classes)}.")
    notes = [NO_SUBJECTS_NOTE]
    if num_neutral := len(rows) - len(selected):
        notes.append(f"{skipped_message(num_neutral, 'neutral row')}.")
    if problems:
        notes.append(f"{skipped_message(len(problems), 'invalid row')}; the first: {problems[0]}.")
    return Dataset(
        name=name,
        images=np.stack([row.pixels for row in selected]),
        labels=np.array([classes.index(EMOTIONS[row.label]) for row in selected], np.int64),
        ids=np.array([f"ckextended-{row.number:03d}" for row in selected]),
        classes=classes,
        fingerprint="",
        notes=tuple(notes),
    )
