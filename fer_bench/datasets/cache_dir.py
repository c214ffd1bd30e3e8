"""The cache folder: where it is, and how processes take turns in it. Imports no NumPy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fer_bench.core.errors import write_error

CACHE_VARIABLE = "FER_BENCH_CACHE"


def default_cache_dir() -> Path:
    """Return FER_BENCH_CACHE, else XDG_CACHE_HOME/fer-bench, else ~/.cache/fer-bench."""
    if folder := os.environ.get(CACHE_VARIABLE):
        return Path(folder).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fer-bench"


@contextmanager
def locked(file: Path) -> Iterator[bool]:
    """Wait until no other process holds the lock file; yield False if the file system has no locks."""
    from filelock import FileLock

    lock = FileLock(file, mode=0o666)  # users may share a cache folder
    try:
        lock.acquire()
    except (OSError, NotImplementedError):  # as on some network file systems
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def report_write_errors(cache_dir: Path) -> Iterator[None]:
    """Raise a UserError that names the cache folder in place of an OSError."""
    try:
        yield
    except OSError as error:
        raise write_error(f"The cache folder {cache_dir}", error, f"Name another in {CACHE_VARIABLE}.") from None
