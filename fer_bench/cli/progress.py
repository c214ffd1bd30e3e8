"""A bar for what takes a while before training, such as a first read."""

from __future__ import annotations

import sys
import time

WIDTH = 24
EVERY = 0.1  # seconds
ERASE = "\r\033[K"


class ProgressBar:
    """One line on standard error that is drawn over and at last erased; nothing where that is no terminal.

    The cursor waits at the line's beginning, so that an error message takes its place.
    """

    def __init__(self) -> None:
        self._drawn = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        if not sys.stderr.isatty():
            return
        if done >= total:
            print(ERASE, end="", file=sys.stderr, flush=True)
        elif time.monotonic() - self._drawn > EVERY:
            full = WIDTH * done // total
            line = f"{what}  {'━' * full}{'─' * (WIDTH - full)} {done / total:4.0%}"
            print(f"{ERASE}{line}\r", end="", file=sys.stderr, flush=True)
            self._drawn = time.monotonic()
