"""Reading many image files at once, as grey pixels."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.faces import opencv
from fer_bench.datasets.registry import Progress

CHUNK = 128  # files in one thread's turn
NAMED = 3  # bad files that a message names

Read = tuple[np.ndarray, tuple[int, int]] | str  # pixels and the size in the file, or what is wrong with it


@dataclass(frozen=True)
class Images:
    """What was read of a list of files.

    pixels: (n, side, side) uint8; kept: (n,) int64 indices into the list; bad: each file left out, and why.
    """

    pixels: np.ndarray
    kept: np.ndarray
    bad: list[tuple[Path, str]]


def read_images(
    paths: Sequence[Path],
    side: int | None,
    progress: Progress | None = None,
    what: str = "images",
    skip_bad: bool = False,
    crop: bool = False,
) -> Images:
    """Read image files as grey pixels, `side` pixels a side; None keeps their size, which must be one and square.

    Colour is weighed into grey, 16 bits become 8, transparency is ignored. Resizing takes area means downwards and
    is linear upwards; a picture that is not square is stretched, or with `crop` cut to its middle. Raises UserError
    that names unreadable files, unless `skip_bad` leaves them out, and for sizes that differ without a `side`.
    """
    results = _read_all(paths, partial(_read, opencv(), side, crop), progress, f"reading {what}")
    bad = [(path, read) for path, read in zip(paths, results, strict=True) if isinstance(read, str)]
    kept = [index for index, read in enumerate(results) if not isinstance(read, str)]
    if bad and not (skip_bad and kept):
        raise UserError(f"{len(bad):,} of {len(paths):,} images cannot be read: {named(bad)}.")
    if side is None and kept:
        _check_sizes([(paths[index], results[index][1]) for index in kept])
    pixels = np.stack([results[index][0] for index in kept]) if kept else np.empty((0, side or 0, side or 0), np.uint8)
    return Images(pixels, np.array(kept, np.int64), bad)


def named(bad: Sequence[tuple[Path, str]]) -> str:
    """The first few of the files that cannot be used, each with the reason, and how many more there are."""
    more = f" and {len(bad) - NAMED:,} more" if len(bad) > NAMED else ""
    return ", ".join(f"{path} ({why})" for path, why in bad[:NAMED]) + more


def left_out(bad: Sequence[tuple[Path, str]]) -> tuple[str, ...]:
    """The note of a dataset on the files left out, without the folders of this machine; none where there are none."""
    short = [(Path(*path.parts[-2:]), why) for path, why in bad]
    return (f"{were_left_out(len(bad), 'file')}: {named(short)}.",) if bad else ()


def were_left_out(count: int, what: str) -> str:
    """`1 file was left out`, `2 files were left out`."""
    return f"{count:,} {what} was left out" if count == 1 else f"{count:,} {what}s were left out"


def _read_all(paths: Sequence[Path], read: Callable[[Path], Read], progress: Progress | None, doing: str) -> list[Read]:
    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    results: list[Read] = []
    with _quiet(opencv()), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for part in threads.map(lambda chunk: [read(path) for path in chunk], chunks):
            results += part
            if progress:
                progress(doing, len(results), len(paths))
    return results


def _read(cv2: ModuleType, side: int | None, crop: bool, path: Path) -> Read:
    try:
        with open(path, "rb") as file:  # and not cv2.imread, which takes no odd names on Windows
            data = file.read()
    except OSError as error:
        return error.strerror or str(error)
    if not data:
        return "0 bytes"
    if _cut_jpeg(data):
        return "a JPEG that is cut off"
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        pixels = None
    if pixels is None:
        return "not an image that OpenCV reads"
    pixels = _middle(pixels) if crop else pixels
    return _resized(cv2, pixels, side), (pixels.shape[1], pixels.shape[0])


def _middle(pixels: np.ndarray) -> np.ndarray:
    """The largest square in the middle."""
    height, width = pixels.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _resized(cv2: ModuleType, pixels: np.ndarray, side: int | None) -> np.ndarray:
    if side is None or pixels.shape == (side, side):
        return pixels
    interpolation = cv2.INTER_AREA if min(pixels.shape) >= side else cv2.INTER_LINEAR
    return cv2.resize(pixels, (side, side), interpolation=interpolation)


def _cut_jpeg(data: bytes) -> bool:
    """Whether a JPEG ends before its end marker: decoders fill the rest with grey and only warn."""
    return data.startswith(b"\xff\xd8\xff") and data.find(b"\xff\xd9", max(0, data.rfind(b"\xff\xda"))) < 0


def _check_sizes(sizes: list[tuple[Path, tuple[int, int]]]) -> None:
    first, (width, height) = sizes[0]
    for path, size in sizes:
        if size != (width, height):
            raise UserError(
                f"The images are not of one size: {first} is {width}×{height} pixels, {path} is {size[0]}×{size[1]}."
            )
    if width != height:
        raise UserError(f"{first} is {width}×{height} pixels: images must be square, or resized to a side.")


@contextmanager
def _quiet(cv2: ModuleType) -> Iterator[None]:
    """Without OpenCV's own warnings: what is wrong with a file is told in our words."""
    level = cv2.getLogLevel()
    cv2.setLogLevel(0)  # silent
    try:
        yield
    finally:
        cv2.setLogLevel(level)
