"""FER2013, from the `emotion,pixels,Usage` file of its Kaggle challenge."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fer_bench.datasets.cache import cached
from fer_bench.datasets.catalogue import Places, Progress, register_dataset, require
from fer_bench.datasets.dataset import FER2013_CLASSES, Dataset
from fer_bench.errors import UserError

SIDE = 48
COLUMNS = ("emotion", "pixels", "usage")
LABELS = {str(index).encode(): index for index in range(len(FER2013_CLASSES))}
USAGES = {b"Training": 0, b"PublicTest": 1, b"PrivateTest": 2}  # → indices into SPLITS


@register_dataset(
    "fer2013",
    title="FER2013",
    source="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    files=("fer2013.csv",),
    samples=35887,
    classes=7,
    split="official",
)
def fer2013(places: Places) -> Dataset:
    """48×48 grey faces found by web search, seven classes, with the challenge's official split.

    images: (35887, 48, 48) uint8; Training → training, PublicTest → validation, PrivateTest → test.
    Goodfellow et al., "Challenges in Representation Learning", ICONIP 2013.
    """
    path = require("fer2013", places)
    return cached("fer2013", path, places.cache_dir, lambda: read_fer2013(path, places.progress))


def read_fer2013(path: Path, progress: Progress | None = None) -> Dataset:
    """Read and check every row; the fingerprint is left empty. ids: `fer2013-00000`, by row from 0.

    Raises UserError with the file and the line, counted from 1, of the first thing that is wrong.
    """
    try:
        return _read(path, progress)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


class _RowError(ValueError):
    """What is wrong with a row, as the second half of a sentence."""


def _read(path: Path, progress: Progress | None) -> Dataset:
    images, labels, split = bytearray(), [], []
    size, done = path.stat().st_size, 0
    with path.open("rb") as file:
        header = file.readline()
        places, count = _columns(path, header)
        done += len(header)
        for number, line in enumerate(file, start=2):
            done += len(line)
            if not line.strip():
                continue
            try:
                label, pixels, usage = _row(line, places, count)
            except _RowError as error:
                cut = "" if line.endswith(b"\n") else "; the file seems to be cut off there"
                raise UserError(f"{path}, line {number}: {error}{cut}.") from None
            images += pixels.data
            labels.append(label)
            split.append(usage)
            if progress and number % 500 == 0:
                progress(f"reading {path.name}", done, size)
    if not labels:
        raise UserError(f"{path} has a header but no rows: the file seems to be cut off.")
    if progress:
        progress(f"reading {path.name}", size, size)
    return Dataset(
        name="fer2013",
        images=np.frombuffer(images, np.uint8).reshape(-1, SIDE, SIDE),
        labels=np.array(labels, np.int64),
        ids=np.array([f"fer2013-{row:05d}" for row in range(len(labels))]),
        classes=FER2013_CLASSES,
        fingerprint="",
        split=np.array(split, np.int8),
    )


def _columns(path: Path, header: bytes) -> tuple[list[int], int]:
    """Where emotion, pixels and Usage stand in a row, and how many fields a row has."""
    if not header:
        raise UserError(f"{path} is empty.")
    names = [_unquoted(field).lower() for field in header.removeprefix(b"\xef\xbb\xbf").split(b",")]
    missing = [column for column in COLUMNS if column.encode() not in names]
    if missing:
        raise UserError(
            f"{path}, line 1: the header must name emotion,pixels,Usage, but has no {' and no '.join(missing)}: "
            f"it reads {_shown(header.strip(), 60)}."
        )
    return [names.index(column.encode()) for column in COLUMNS], len(names)


def _row(line: bytes, places: list[int], count: int) -> tuple[int, np.ndarray, int]:
    fields = line.split(b",")
    if len(fields) != count:
        raise _RowError(f"{len(fields)} {'field' if len(fields) == 1 else 'fields'} instead of {count}")
    emotion, pixels, usage = (_unquoted(fields[place]) for place in places)
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
