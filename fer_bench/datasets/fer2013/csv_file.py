"""Read FER2013 from a csv file: fer2013.csv, icml_face_data.csv, or train.csv without a column for the split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import plural
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.images import skipped_message
from fer_bench.datasets.registry import Progress

IMAGE_SIZE = 48
COLUMNS = ("emotion", "pixels", "usage")
LABELS = {str(index).encode(): index for index in range(len(FER2013_CLASSES))}
USAGES = {b"Training": 0, b"PublicTest": 1, b"PrivateTest": 2}  # → indices into SPLITS


def read_csv(path: Path, progress: Progress | None = None, skip_invalid: bool = False) -> Dataset:
    """Read and check every row. ids: `fer2013-00000`, by row from 0; the fingerprint stays empty.

    Args:
        path: The csv file.
        progress: Called with the number of bytes that are read.
        skip_invalid: Skip invalid rows and note them.

    Raises:
        UserError: A row is invalid; the message names the line, counted from 1.
    """
    try:
        return _read(path, progress, skip_invalid)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


class RowError(ValueError):
    """The problem with a row."""


@dataclass
class _Rows:
    """The valid rows, and the problems of the others."""

    images: bytearray = field(default_factory=bytearray)
    labels: list[int] = field(default_factory=list)
    split: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)  # of the rows, from 0
    problems: list[str] = field(default_factory=list)


def _read(path: Path, progress: Progress | None, skip_invalid: bool) -> Dataset:
    rows, size = _Rows(), path.stat().st_size
    with path.open("rb") as file:
        columns, num_fields = _parse_header(path, file.readline())
        for row, (number, line) in enumerate(_iterate_lines(file, path, size, progress)):
            try:
                label, pixels, split = _parse_row(line, columns, num_fields)
            except RowError as error:
                truncated = "" if line.endswith(b"\n") else "; the file seems to be truncated there"
                if not skip_invalid:
                    raise UserError(f"{path}, line {number}: {error}{truncated}.") from None
                rows.problems.append(f"line {number}: {error}{truncated}")
                continue
            rows.images += pixels.data
            rows.labels.append(label)
            rows.split.append(split)
            rows.numbers.append(row)
    if not rows.labels and rows.problems:
        raise UserError(f"{path} has no valid row. The first problem: {rows.problems[0]}.")
    if not rows.labels:
        raise UserError(f"{path} has a header but no rows: the file seems to be truncated.")
    return _make_dataset(path, rows)


def _iterate_lines(
    file: Iterable[bytes], path: Path, size: int, progress: Progress | None
) -> Iterator[tuple[int, bytes]]:
    """Yield the lines after the header that are not blank, with their numbers."""
    done = 0
    for number, line in enumerate(file, start=2):
        done += len(line)
        if line.strip():
            yield number, line
        if progress and number % 500 == 0:
            progress(f"reading {path.name}", done, size)
    if progress:
        progress(f"reading {path.name}", size, size)


def _make_dataset(path: Path, rows: _Rows) -> Dataset:
    notes = []
    if rows.problems:
        total = len(rows.labels) + len(rows.problems)
        skipped = skipped_message(len(rows.problems), "row")
        notes.append(f"{skipped} of the {total:,} in {path.name}; the first: {rows.problems[0]}.")
    return Dataset(
        name="fer2013",
        images=np.frombuffer(rows.images, np.uint8).reshape(-1, IMAGE_SIZE, IMAGE_SIZE),
        labels=np.array(rows.labels, np.int64),
        ids=np.array([f"fer2013-{number:05d}" for number in rows.numbers]),
        classes=FER2013_CLASSES,
        fingerprint="",
        split=np.array(rows.split, np.int8),
        notes=(*notes, *_training_only_note(path, rows)),
    )


def _training_only_note(path: Path, rows: _Rows) -> list[str]:
    """Return a note on Kaggle's train.csv: the challenge did not publish the labels of its test.csv."""
    if path.name != "train.csv" or any(rows.split):
        return []
    test = " (test.csv has no labels and is not used)" if (path.parent / "test.csv").exists() else ""
    return [
        f"train.csv contains only Training, so there is no official split{test}; "
        "fer2013.csv and icml_face_data.csv also contain PublicTest and PrivateTest."
    ]


def _parse_header(path: Path, header: bytes) -> tuple[list[int], int]:
    """Return the positions of emotion, pixels and Usage (not in train.csv) in a row, and the number of fields."""
    if not header:
        raise UserError(f"{path} is empty.")
    names = [_strip_quotes(name).lower() for name in header.removeprefix(b"\xef\xbb\xbf").split(b",")]
    columns = COLUMNS[:2] if path.name == "train.csv" and b"usage" not in names else COLUMNS
    missing = [column for column in columns if column.encode() not in names]
    if missing:
        raise UserError(
            f"{path}, line 1: the header must name emotion,pixels,Usage, but has no {' and no '.join(missing)}: "
            f"it is {_shorten(header.strip(), 60)}."
        )
    return [names.index(column.encode()) for column in columns], len(names)


def _parse_row(line: bytes, columns: list[int], num_fields: int) -> tuple[int, np.ndarray, int]:
    """Return label, pixels and split."""
    fields = line.split(b",")
    if len(fields) != num_fields:
        raise RowError(f"{plural(len(fields), 'field')} instead of {num_fields}")
    emotion, pixels, usage = (*(_strip_quotes(fields[column]) for column in columns), b"Training")[:3]
    if emotion not in LABELS:
        raise RowError(f"unknown label {_shorten(emotion)}: emotion is a number from 0 to {len(LABELS) - 1}")
    if usage not in USAGES:
        raise RowError(f"unknown Usage {_shorten(usage)}: it is Training, PublicTest or PrivateTest")
    return LABELS[emotion], parse_pixels(pixels), USAGES[usage]


def parse_pixels(text: bytes) -> np.ndarray:
    """Return (2304,) uint8 from numbers separated by spaces. Raise RowError if there are others."""
    # np.fromstring accepts signs and stops silently at letters, so it gets only digits and spaces; int64, because an
    # overlong number saturates there and wraps around in smaller types.
    if text.translate(None, b"0123456789 "):
        wrong = next(word for word in text.split(b" ") if word and not word.isdigit())
        raise RowError(f"the pixel {_shorten(wrong)} is not a whole number from 0 to 255")
    values = np.fromstring(text, dtype=np.int64, sep=" ") if text else np.empty(0, np.int64)
    if len(values) != IMAGE_SIZE * IMAGE_SIZE:
        raise RowError(f"{len(values)} pixels instead of {IMAGE_SIZE * IMAGE_SIZE} ({IMAGE_SIZE}×{IMAGE_SIZE})")
    if values.max() > 255:
        raise RowError(f"the pixel {values[values > 255][0]} is over 255")
    return values.astype(np.uint8)


def _strip_quotes(text: bytes) -> bytes:
    return text.strip().strip(b'"').strip()


def _shorten(text: bytes, max_length: int = 20) -> str:
    """Return bytes for a message: quoted, on one line, shortened."""
    quoted = repr(text.decode("utf-8", errors="replace"))
    return quoted if len(quoted) <= max_length else f"{quoted[: max_length - 1]}…"
