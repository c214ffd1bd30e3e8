"""Atomic writing: readers see a complete file or none."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fer_bench.core.errors import UserError, write_error

# A path with one of these suffixes is meant as a file.
FILE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".svg", ".pdf", ".mp4", ".avi", ".mov", ".csv", ".json", ".md", ".zip"),
    *(".onnx", ".tflite", ".keras", ".h5"),
)


@contextmanager
def atomic_path(path: Path, keep_on_interrupt: bool = False, suffix: str = ".tmp") -> Iterator[Path]:
    """Yield the path of a temporary file that replaces `path` when the block ends without an exception.

    Missing folders are created. After an exception the earlier file is unchanged and the temporary one is removed. The
    file must be closed at the end of the block; a block that writes no file replaces nothing.

    Args:
        path: The file to write.
        keep_on_interrupt: Whether the file is also complete if the block ends with KeyboardInterrupt.
        suffix: Suffix of the temporary file, for writers that choose the format by it.

    Raises:
        OSError: The file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # "File exists" would say the opposite of what is wrong
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent)) from None
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}{suffix}")
    is_complete = False
    try:
        yield temporary
        is_complete = True
    except KeyboardInterrupt:
        is_complete = keep_on_interrupt
        raise
    finally:
        try:
            if is_complete and temporary.exists():
                temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink()


@contextmanager
def atomic_write(path: Path, sync: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path`, see `atomic_path`.

    Args:
        path: The file to write.
        sync: Whether to force the content to the disk before the replacement, so that it survives a power cut.

    Yields:
        The temporary file, open for binary writing.

    Raises:
        OSError: The file cannot be written.
    """
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        yield file
        if sync:
            file.flush()
            os.fsync(file.fileno())


@contextmanager
def writing(path: Path, advice: str = "") -> Iterator[None]:
    """Raise UserError that the file cannot be written, with the advice, instead of an OSError."""
    try:
        yield
    except OSError as error:
        raise write_error(path, error, advice) from None


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file's content in one step, text as UTF-8. Raises OSError as `atomic_write`."""
    with atomic_write(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_output(path: Path, content: str | bytes, advice: str = "") -> None:
    """Write a file that the user requested, as `write_atomically`. Raises UserError with the advice if it fails."""
    with writing(path, advice):
        write_atomically(path, content)


def check_output_folder(folder: Path, option: str) -> None:
    """Raise UserError if the folder of an option is a file, or is named like one and does not exist."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{option} {folder} is a file. Name a folder.")
    if folder.suffix.lower() in FILE_SUFFIXES and not folder.exists():
        raise UserError(f"{option} {folder} looks like a file. Name a folder, such as {folder.with_suffix('')}.")


def unique_name(stem: str, suffix: str, used: set[str]) -> str:
    """Return STEM.SUFFIX, or STEM-2.SUFFIX and so on if that is used already, and add it to the used names."""
    name, number = f"{stem}{suffix}", 1
    while name.lower() in used:
        number += 1
        name = f"{stem}-{number}{suffix}"
    used.add(name.lower())
    return name
