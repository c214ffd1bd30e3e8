"""Read image files: many at once, as gray pixels, or one in color."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.file_kind import HEAD_SIZE, identify
from fer_bench.core.text import list_first
from fer_bench.datasets.file_names import split_of
from fer_bench.datasets.image_format import is_avif
from fer_bench.datasets.pillow import read_with_pillow
from fer_bench.datasets.registry import DataConfig, Progress

CHUNK_SIZE = 128  # files per task of a thread
MAX_LISTED = 3  # files in a message
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHECKED_CHUNKS = (b"IHDR", b"PLTE", b"IDAT")

Problems = list[tuple[Path, str]]  # files that cannot be used, and the reasons
_Result = tuple[np.ndarray, tuple[int, int]] | str  # pixels with width and height in the file, or an error


@dataclass(frozen=True)
class ImageBatch:
    """The images that were read from a list of files.

    Attributes:
        pixels: (n, image_size, image_size) uint8.
        indices: (n,) int64 positions in the list.
        skipped: The files that cannot be read, with the reasons.
    """

    pixels: np.ndarray
    indices: np.ndarray
    skipped: Problems


def import_opencv() -> ModuleType:
    """Return the module cv2. Raise UserError that says what to install if the import fails."""
    try:
        import cv2
    except ImportError as error:
        if "libGL" in str(error):
            message = "OpenCV needs the system library libGL.so.1 (Debian/Ubuntu: apt-get install libgl1)."
        else:
            message = f"OpenCV cannot be imported: {error}."
        raise UserError(message) from None
    return cv2


def read_images(
    paths: Sequence[Path],
    image_size: int | None,
    data_config: DataConfig,
    description: str = "images",
    center_crop: bool = False,
) -> ImageBatch:
    """Read image files as gray pixels.

    Color becomes gray, 16 bits become 8, transparency is ignored. Images are reduced by area averages and enlarged
    linearly.

    Args:
        paths: The files.
        image_size: Height and width of the result in pixels; None keeps the size, which must be square and the same
            for all files.
        data_config: Names the progress, and whether files that cannot be read are skipped if others can.
        description: Name of the images in the progress.
        center_crop: Crop images to the largest square in their middle; otherwise they are stretched to a square.

    Returns:
        The pixels, with the files that were skipped.

    Raises:
        UserError: Files cannot be read, or sizes differ without an `image_size`.
    """
    read = partial(_read, image_size, center_crop)
    results = _read_all(paths, read, data_config.progress, f"reading {description}")
    problems = [(path, result) for path, result in zip(paths, results, strict=True) if isinstance(result, str)]
    valid = [(index, *result) for index, result in enumerate(results) if not isinstance(result, str)]
    if problems and not (data_config.skip_invalid and valid):
        raise UserError(
            f"{len(problems):,} of {len(paths):,} images cannot be read: {first_few(problems)}. Replace or remove them"
            + (", or pass --skip-invalid." if valid else ".")
        )
    if image_size is None:
        _check_sizes([(paths[index], size) for index, _, size in valid])
    empty = np.empty((0, image_size or 0, image_size or 0), np.uint8)
    pixels = np.stack([image for _, image, _ in valid]) if valid else empty
    return ImageBatch(pixels, np.array([index for index, _, _ in valid], np.int64), problems)


def center_square(pixels: np.ndarray) -> np.ndarray:
    """Return the largest square in the middle of an image (height, width[, channels])."""
    height, width = pixels.shape[:2]
    size = min(height, width)
    top, left = (height - size) // 2, (width - size) // 2
    return pixels[top : top + size, left : left + size]


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize an image (height, width[, channels]) uint8: reduce by area averages, enlarge linearly."""
    if pixels.shape[:2] == (height, width):
        return pixels
    cv2 = import_opencv()
    interpolation = cv2.INTER_AREA if min(pixels.shape[:2]) >= min(height, width) else cv2.INTER_LINEAR
    return cv2.resize(pixels, (width, height), interpolation=interpolation)


def first_few(problems: Problems) -> str:
    """Return the first few files that cannot be used, with the reasons, and how many more there are."""
    return list_first([f"{path} ({reason})" for path, reason in problems], MAX_LISTED)


def check_skipped_classes(expected: Iterable[str], read: Iterable[str], problems: Problems) -> None:
    """Raise UserError if the skipped files are all files of a class.

    Args:
        expected: The classes that have files, or all classes if a skipped file may belong to any.
        read: The classes of the files that were read.
        problems: The skipped files with the reasons.
    """
    if lost := sorted(set(expected) - set(read)):
        raise UserError(
            f"No image of {' and '.join(lost)} can be used, so the class would be missing: {first_few(problems)}."
        )


def skipped_note(problems: Problems) -> tuple[str, ...]:
    """Return a dataset's note on skipped files, without the folders of this machine; empty if there are none."""
    relative = [(Path(*path.parts[-2:]), reason) for path, reason in problems]
    return (f"{skipped_message(len(problems), 'file')}: {first_few(relative)}.",) if problems else ()


def own_splits_note(root: Path, paths: Sequence[Path]) -> tuple[str, ...]:
    """Return a note on folders that are named for splits, in a dataset whose authors published none."""
    below = [path.relative_to(root).parts for path in paths]
    folders = sorted({parts[0] for parts in below if len(parts) > 2 and split_of(parts[0])})
    if not folders:
        return ()
    return (f"The folders {list_first(folders, MAX_LISTED)} are no official splits: they are read as one dataset.",)


def skipped_message(count: int, noun: str) -> str:
    """Return `1 file was skipped`, `2 files were skipped`."""
    return f"{count:,} {noun} was skipped" if count == 1 else f"{count:,} {noun}s were skipped"


def _read_all(
    paths: Sequence[Path], read: Callable[[Path], _Result], progress: Progress | None, description: str
) -> list[_Result]:
    chunks = [paths[start : start + CHUNK_SIZE] for start in range(0, len(paths), CHUNK_SIZE)]
    results: list[_Result] = []
    with silent(), ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for chunk_results in threads.map(lambda chunk: [read(path) for path in chunk], chunks):
            results += chunk_results
            if progress:
                progress(description, len(results), len(paths))
    return results


def read_gray(path: Path) -> np.ndarray | str:
    """Return the gray pixels (height, width) uint8 of an image file, or why it cannot be read."""
    cv2 = import_opencv()
    try:
        data = path.read_bytes()  # cv2.imread fails for some file names on Windows
    except OSError as error:
        return error.strerror or str(error)
    if not data:
        return "0 bytes"
    if _is_truncated_jpeg(data):
        return "a truncated JPEG"
    if data.startswith(PNG_SIGNATURE) and not _has_valid_checksums(data):
        return "a damaged PNG"
    if is_avif(data) and not isinstance(upright := read_with_pillow(data, path.suffix), str):
        return upright  # OpenCV ignores the orientation
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    except cv2.error:
        pixels = None
    if pixels is not None:
        return pixels
    kind = identify(data[:HEAD_SIZE])
    return kind.name if kind and not kind.name.endswith("image") else read_with_pillow(data, path.suffix)


def read_color(path: Path, color_mode: str) -> np.ndarray | str:
    """Return the pixels (height, width, 3) uint8 of an image file in the order rgb or bgr, or why it cannot be read."""
    cv2 = import_opencv()
    try:
        pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    except (OSError, cv2.error):
        pixels = None
    if pixels is None:  # what only Pillow reads, in gray
        gray = read_gray(path)
        return gray if isinstance(gray, str) else np.repeat(gray[..., None], 3, axis=-1)
    return pixels if color_mode == "bgr" else np.ascontiguousarray(pixels[..., ::-1])


def _read(image_size: int | None, crop: bool, path: Path) -> _Result:
    pixels = read_gray(path)
    if isinstance(pixels, str):
        return pixels
    pixels = center_square(pixels) if crop else pixels
    return resize(pixels, image_size, image_size) if image_size else pixels, (pixels.shape[1], pixels.shape[0])


def _is_truncated_jpeg(data: bytes) -> bool:
    """Return whether a JPEG lacks its end marker: decoders fill the rest with gray and only warn."""
    return data.startswith(b"\xff\xd8\xff") and data.find(b"\xff\xd9", max(0, data.rfind(b"\xff\xda"))) < 0


def _has_valid_checksums(data: bytes) -> bool:
    """Return whether the checksums of a PNG's header, palette and pixels are right: OpenCV does not check all."""
    start = len(PNG_SIGNATURE)
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4])
        chunk = data[start + 4 : end]
        if chunk[:4] in CHECKED_CHUNKS and zlib.crc32(chunk) != int.from_bytes(data[end : end + 4]):
            return False
        start = end + 4
    return True


def _check_sizes(sizes: list[tuple[Path, tuple[int, int]]]) -> None:
    """Raise UserError unless all images are square and have the same size."""
    for path, (width, height) in sizes:
        if (width, height) != sizes[0][1]:
            first, (first_width, first_height) = sizes[0]
            raise UserError(
                f"The images have different sizes: {first} is {first_width}×{first_height} pixels, "
                f"{path} is {width}×{height}."
            )
        if width != height:
            raise UserError(f"{path} is {width}×{height} pixels. Images must be square.")


@contextmanager
def silent() -> Iterator[None]:
    """Suppress OpenCV's own warnings: our messages name the files."""
    cv2 = import_opencv()
    level = cv2.getLogLevel()
    cv2.setLogLevel(0)
    try:
        yield
    finally:
        cv2.setLogLevel(level)
