"""Read FER2013 from a csv file: fer2013.csv, icml_face_data.csv, or train.csv without a column for the split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.text import plural
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.datasets.images import skipped_message
from fer_bench.datasets.registry import DataConfig, Progress

IMAGE_SIZE = 48
COLUMNS = ("emotion", "pixels", "usage")
USAGES = {b"Training": 0, b"PublicTest": 1, b"PrivateTest": 2}  # → indices into SPLITS


class Row(NamedTuple):
    """A valid row: its number from 0, its label, its pixels (48, 48) uint8, and its index into SPLITS."""

    number: int
    label: int
    pixels: np.ndarray
    split: int


class RowError(ValueError):
    """The problem with a row."""


def read_csv(path: Path, data_config: DataConfig) -> Dataset:
    """Read and check every row. ids: `fer2013-00000`, by row from 0; the fingerprint stays empty.

    Raises:
        UserError: As `read_rows`.
    """
    rows, problems = read_rows(path, COLUMNS, len(FER2013_CLASSES), data_config)
    notes = []
    if problems:
        skipped, total = skipped_message(len(problems), "row"), len(rows) + len(problems)
        notes.append(f"{skipped} of the {total:,} in {path.name}; the first: {problems[0]}.")
    if path.name == "train.csv" and not any(row.split for row in rows):
        # The challenge did not publish the labels of its test.csv.
        test = " (test.csv has no labels and is not used)" if (path.parent / "test.csv").exists() else ""
        notes.append(
            f"train.csv contains only Training, so there is no official split{test}; "
            "fer2013.csv and icml_face_data.csv also contain PublicTest and PrivateTest."
        )
    return Dataset(
        name="fer2013",
        images=np.stack([row.pixels for row in rows]),
        labels=np.array([row.label for row in rows], np.int64),
        ids=np.array([f"fer2013-{row.number:05d}" for row in rows]),
        classes=FER2013_CLASSES,
        fingerprint="",
        split=np.array([row.split for row in rows], np.int8),
        notes=tuple(notes),
    )


def read_rows(
    path: Path, columns: tuple[str, ...], num_classes: int, data_config: DataConfig
) -> tuple[list[Row], list[str]]:
    """Read and check every row of a csv file.

    Args:
        path: The file. Blank lines, quotes, spaces around fields and the order of columns do not matter.
        columns: emotion, pixels and optionally usage; other columns are ignored. train.csv may lack usage.
        num_classes: Labels are numbers below it.
        data_config: Names the progress, and whether invalid rows are skipped.

    Returns:
        The valid rows, at least one, and the problems of the others with their lines, counted from 1.

    Raises:
        UserError: The file cannot be read, has no valid row, or has an invalid one and `skip_invalid` is not set.
    """
    rows, problems = [], []
    try:
        with path.open("rb") as file:
            positions, num_fields = _parse_header(path, file.readline(), columns)
            lines = _iterate_lines(file, path, path.stat().st_size, data_config.progress)
            for row, (number, line) in enumerate(lines):
                try:
                    rows.append(Row(row, *_parse_row(line, positions, num_fields, num_classes)))
                except RowError as error:
                    truncated = "" if line.endswith(b"\n") else "; the file seems to be truncated there"
                    problems.append(f"line {number}: {error}{truncated}")
                    if not data_config.skip_invalid:
                        raise UserError(f"{path}, {problems[0]}.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not rows and problems:
        raise UserError(f"{path} has no valid row. The first problem: {problems[0]}.")
    if not rows:
        raise UserError(f"{path} has a header but no rows: the file seems to be truncated.")
    return rows, problems


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


def _parse_header(path: Path, header: bytes, columns: tuple[str, ...]) -> tuple[list[int], int]:
    """Return the positions of the columns in a row, and the number of fields."""
    if not header:
        raise UserError(f"{path} is empty.")
    names = [_strip_quotes(name).lower() for name in header.removeprefix(b"\xef\xbb\xbf").split(b",")]
    if path.name == "train.csv" and b"usage" not in names:
        columns = columns[:2]
    if missing := [column for column in columns if column.encode() not in names]:
        raise UserError(
            f"{path}, line 1: the header must name {','.join(columns)}, but has no {' and no '.join(missing)}: "
            f"it is {_shorten(header.strip(), 60)}."
        )
    return [names.index(column.encode()) for column in columns], len(names)


def _parse_row(line: bytes, positions: list[int], num_fields: int, num_classes: int) -> tuple[int, np.ndarray, int]:
    """Return label, pixels and split."""
    fields = line.split(b",")
    if len(fields) != num_fields:
        raise RowError(f"{plural(len(fields), 'field')} instead of {num_fields}")
    emotion, pixels, usage = (*(_strip_quotes(fields[position]) for position in positions), b"Training")[:3]
    if emotion not in [b"%d" % label for label in range(num_classes)]:
        raise RowError(f"unknown label {_shorten(emotion)}: emotion is a number from 0 to {num_classes - 1}")
    if usage not in USAGES:
        raise RowError(f"unknown Usage {_shorten(usage)}: it is Training, PublicTest or PrivateTest")
    return int(emotion), _parse_pixels(pixels), USAGES[usage]


def _parse_pixels(text: bytes) -> np.ndarray:
    """Return (48, 48) uint8 from numbers separated by spaces."""
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
    return values.astype(np.uint8).reshape(IMAGE_SIZE, IMAGE_SIZE)


def _strip_quotes(text: bytes) -> bytes:
    return text.strip().strip(b'"').strip()


def _shorten(text: bytes, max_length: int = 20) -> str:
    """Return bytes for a message: quoted, on one line, shortened."""
    quoted = repr(text.decode("utf-8", errors="replace"))
    return quoted if len(quoted) <= max_length else f"{quoted[: max_length - 1]}…"
