"""Ctrl-C that is not lost."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def noticed() -> Iterator[Callable[[], None]]:
    """Yields a check that raises KeyboardInterrupt once Ctrl-C was pressed.

    Python raises it by itself, wherever the program is just then. Within a finaliser, which a collection of garbage may
    start at any time, it is lost: the check, made after each step, raises it again. Of the loss nothing is printed.
    """
    pressed = threading.Event()

    def handle(signum, frame):
        pressed.set()
        raise KeyboardInterrupt

    def check() -> None:
        if pressed.is_set():
            raise KeyboardInterrupt

    def report(lost) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            hook(lost)

    before, hook = signal.getsignal(signal.SIGINT), sys.unraisablehook
    # A shell's background job ignores Ctrl-C, and another program's handler is its own; threads cannot set one.
    ours = before is signal.default_int_handler and threading.current_thread() is threading.main_thread()
    if ours:
        signal.signal(signal.SIGINT, handle)
        sys.unraisablehook = report
    try:
        yield check
    finally:
        if ours:
            signal.signal(signal.SIGINT, before)
            sys.unraisablehook = hook
