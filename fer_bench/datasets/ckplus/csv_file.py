"""CK+ from ckextended.csv, which holds one image of each sequence and tells nobody's number."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import ORDER, count_notes
from fer_bench.datasets.images import were_left_out
from fer_bench.datasets.registry import DataConfig

SIDE = 48
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
NO_SUBJECTS = (
    "ckextended.csv holds one image of each sequence and does not say who is in it: no split of it can keep a person "
    "out of two parts, and its column Usage, which is no split by person either, is not used."
)


def read_csv(name: str, path: Path, classes: tuple[str, ...], places: DataConfig) -> Dataset:
    """Read the rows of `classes`, the others are left out with a note; the fingerprint is left empty.

    emotion is an index into ORDER: 6 is neutral, 7 contempt. ids: `ckextended-000`, by row from 0. Raises UserError
    with the first line that is wrong; with `places.skip_bad` such rows are left out and told in a note.
    """
    rows, bad = _rows(path, places)
    if bad and not (places.skip_invalid and rows):
        raise UserError(f"{path}, {bad[0]}.")
    if not rows:
        raise UserError(f"{path} has a header but no rows: the file seems to be cut off.")
    kept = [(number, emotion, pixels) for number, emotion, pixels in rows if emotion in classes]
    if not kept:
        raise UserError(f"{path} has no rows of {', '.join(classes)}.")
    emotions = [emotion for _, emotion, _ in kept]
    labels = np.array([classes.index(emotion) for emotion in emotions], np.int64)
    notes = [NO_SUBJECTS]
    notes += [f"{were_left_out(len(rows) - len(kept), 'neutral row')}."] if len(rows) > len(kept) else []
    notes += [f"{were_left_out(len(bad), 'bad row')}; the first: {bad[0]}."] if bad else []
    return Dataset(
        name=name,
        images=np.stack([pixels for _, _, pixels in kept]),
        labels=labels,
        ids=np.array([f"ckextended-{number:03d}" for number, _, _ in kept]),
        classes=classes,
        fingerprint="",
        notes=(*notes, *count_notes(labels, classes, [COUNTS[emotion] for emotion in classes])),
    )


def _rows(path: Path, places: DataConfig) -> tuple[list[tuple[int, str, np.ndarray]], list[str]]:
    """Row, class and pixels of the good rows; line and reason of the bad ones."""
    rows, bad = [], []
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            table = csv.DictReader(file, skipinitialspace=True)
            table.fieldnames = [name.strip().lower() for name in table.fieldnames or ()]
            if not {"emotion", "pixels"} <= set(table.fieldnames):
                raise UserError(f"{path}, line 1: the header must name emotion and pixels.")
            for number, row in enumerate(table):
                try:
                    rows.append((number, _emotion(row["emotion"]), _pixels(row["pixels"])))
                except ValueError as error:
                    bad.append(f"line {table.line_num}: {error}")
    except (OSError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if places.progress:
        places.progress(f"reading {path.name}", len(rows), len(rows))
    return rows, bad


def _emotion(text: str | None) -> str:
    text = (text or "").strip()
    if not text.isdecimal() or int(text) >= len(ORDER):
        raise ValueError(f"unknown expression code {text[:20]!r}, not one from 0 to {len(ORDER) - 1}")
    return ORDER[int(text)]


def _pixels(text: str | None) -> np.ndarray:
    """(48, 48) uint8 from numbers between spaces."""
    words = (text or "").split()
    if len(words) != SIDE * SIDE:
        raise ValueError(f"{len(words):,} pixels instead of {SIDE * SIDE:,} ({SIDE}×{SIDE})")
    if wrong := [word for word in words if not word.isdecimal() or int(word) > 255]:
        raise ValueError(f"the pixel {wrong[0][:20]!r} is not a whole number from 0 to 255")
    return np.array(words, np.int64).astype(np.uint8).reshape(SIDE, SIDE)
