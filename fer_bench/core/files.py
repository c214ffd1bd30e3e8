"""Atomic writing: readers see a complete file or none."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from fer_bench.core.errors import write_error


@contextmanager
def atomic_write(path: Path, sync: bool = False) -> Iterator[BinaryIO]:
    """Open a temporary file that replaces `path` when the block ends without an exception.

    Missing folders are created. After an exception the earlier file is unchanged and the temporary one is removed.

    Args:
        path: The file to write.
        sync: Whether to force the content to the disk before the replacement, so that it survives a power cut.

    Yields:
        The temporary file, open for binary writing.

    Raises:
        OSError: The file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file's content in one step, text as UTF-8. Raises OSError as `atomic_write`."""
    with atomic_write(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def write_output(path: Path, content: str | bytes, advice: str = "") -> None:
    """Write a file that the user requested, as `write_atomically`. Raises UserError with the advice if it fails."""
    try:
        write_atomically(path, content)
    except OSError as error:
        raise write_error(path, error, advice) from None
