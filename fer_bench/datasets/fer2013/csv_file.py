"""FER2013 from a csv file: fer2013.csv, icml_face_data.csv, or train.csv without a column for the split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.images import were_left_out
from fer_bench.datasets.registry import Progress

SIDE = 48
COLUMNS = ("emotion", "pixels", "usage")
LABELS = {str(index).encode(): index for index in range(len(FER2013_CLASSES))}
USAGES = {b"Training": 0, b"PublicTest": 1, b"PrivateTest": 2}  # → indices into SPLITS


def read_csv(path: Path, progress: Progress | None = None, skip_bad: bool = False) -> Dataset:
    """Read and check every row; the fingerprint is left empty. ids: `fer2013-00000`, by row from 0.

    Raises UserError with the file and the line, counted from 1, of the first thing that is wrong; with `skip_bad`
    such rows are left out and told in a note.
    """
    try:
        return _read(path, progress, skip_bad)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


class _RowError(ValueError):
    """What is wrong with a row, as the second half of a sentence."""


@dataclass
class _Rows:
    """What was read of the rows so far."""

    images: bytearray = field(default_factory=bytearray)
    labels: list[int] = field(default_factory=list)
    split: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)  # of the row, from 0
    bad: list[str] = field(default_factory=list)


def _read(path: Path, progress: Progress | None, skip_bad: bool) -> Dataset:
    rows, size = _Rows(), path.stat().st_size
    with path.open("rb") as file:
        header = file.readline()
        places, count = _columns(path, header)
        for row, (number, line) in enumerate(_lines(file, path, size, progress)):
            try:
                label, pixels, usage = _row(line, places, count)
            except _RowError as error:
                cut = "" if line.endswith(b"\n") else "; the file seems to be cut off there"
                if not skip_bad:
                    raise UserError(f"{path}, line {number}: {error}{cut}.") from None
                rows.bad.append(f"line {number}: {error}{cut}")
                continue
            rows.images += pixels.data
            rows.labels.append(label)
            rows.split.append(usage)
            rows.numbers.append(row)
    if not rows.labels and rows.bad:
        raise UserError(f"{path} has no good row; the first is bad: {rows.bad[0]}.")
    if not rows.labels:
        raise UserError(f"{path} has a header but no rows: the file seems to be cut off.")
    return _dataset(path, rows)


def _lines(file: Iterator[bytes], path: Path, size: int, progress: Progress | None) -> Iterator[tuple[int, bytes]]:
    """The lines after the first that are not blank, with their numbers."""
    done = 0
    for number, line in enumerate(file, start=2):
        done += len(line)
        if line.strip():
            yield number, line
        if progress and number % 500 == 0:
            progress(f"reading {path.name}", done, size)
    if progress:
        progress(f"reading {path.name}", size, size)


def _dataset(path: Path, rows: _Rows) -> Dataset:
    notes = []
    if rows.bad:
        of = len(rows.labels) + len(rows.bad)
        notes.append(f"{were_left_out(len(rows.bad), 'row')} of the {of:,} in {path.name}; the first: {rows.bad[0]}.")
    return Dataset(
        name="fer2013",
        images=np.frombuffer(rows.images, np.uint8).reshape(-1, SIDE, SIDE),
        labels=np.array(rows.labels, np.int64),
        ids=np.array([f"fer2013-{number:05d}" for number in rows.numbers]),
        classes=FER2013_CLASSES,
        fingerprint="",
        split=np.array(rows.split, np.int8),
        notes=(*notes, *_training_only(path, rows)),
    )


def _training_only(path: Path, rows: _Rows) -> list[str]:
    """What must be known of Kaggle's train.csv: the challenge kept the labels of its test.csv."""
    if path.name != "train.csv" or any(rows.split):
        return []
    test = " (test.csv beside it has no labels and is not used)" if (path.parent / "test.csv").exists() else ""
    return [
        f"train.csv holds Training alone, so that there is no official split{test}; "
        "fer2013.csv and icml_face_data.csv hold PublicTest and PrivateTest too."
    ]


def _columns(path: Path, header: bytes) -> tuple[list[int], int]:
    """Where emotion, pixels and, but in train.csv, Usage stand in a row, and how many fields a row has."""
    if not header:
        raise UserError(f"{path} is empty.")
    names = [_unquoted(field).lower() for field in header.removeprefix(b"\xef\xbb\xbf").split(b",")]
    columns = COLUMNS[:2] if path.name == "train.csv" and b"usage" not in names else COLUMNS
    missing = [column for column in columns if column.encode() not in names]
    if missing:
        raise UserError(
            f"{path}, line 1: the header must name emotion,pixels,Usage, but has no {' and no '.join(missing)}: "
            f"it reads {_shown(header.strip(), 60)}."
        )
    return [names.index(column.encode()) for column in columns], len(names)


def _row(line: bytes, places: list[int], count: int) -> tuple[int, np.ndarray, int]:
    fields = line.split(b",")
    if len(fields) != count:
        raise _RowError(f"{len(fields)} {'field' if len(fields) == 1 else 'fields'} instead of {count}")
    emotion, pixels, usage = (*(_unquoted(fields[place]) for place in places), b"Training")[:3]
    if emotion not in LABELS:
        raise _RowError(f"unknown label {_shown(emotion)}: emotion is a number from 0 to {len(LABELS) - 1}")
    if usage not in USAGES:
        raise _RowError(f"unknown Usage {_shown(usage)}: it is Training, PublicTest or PrivateTest")
    return LABELS[emotion], _pixels(pixels), USAGES[usage]


def _pixels(text: bytes) -> np.ndarray:
    """(2304,) uint8 from numbers between spaces."""
    # NumPy's reader takes signs and stops without a word at letters, so it gets digits and spaces only; int64,
    # because an overlong number stops at its limit there and wraps round in smaller types.
    if text.translate(None, b"0123456789 "):
        wrong = next(word for word in text.split(b" ") if word and not word.isdigit())
        raise _RowError(f"the pixel {_shown(wrong)} is not a whole number from 0 to 255")
    values = np.fromstring(text, dtype=np.int64, sep=" ") if text else np.empty(0, np.int64)
    if len(values) != SIDE * SIDE:
        raise _RowError(f"{len(values)} pixels instead of {SIDE * SIDE} ({SIDE}×{SIDE})")
    if values.max() > 255:
        raise _RowError(f"the pixel {values[values > 255][0]} is over 255")
    return values.astype(np.uint8)


def _unquoted(field: bytes) -> bytes:
    return field.strip().strip(b'"').strip()


def _shown(text: bytes, length: int = 20) -> str:
    """Bytes as a user may see them: quoted, one line, not too long."""
    shown = repr(text.decode("utf-8", errors="replace"))
    return shown if len(shown) <= length else f"{shown[: length - 1]}…"
