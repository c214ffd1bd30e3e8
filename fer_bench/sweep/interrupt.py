"""Ctrl-C that is not lost, and SIGTERM that is heard as it is."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Terminated(KeyboardInterrupt):
    """SIGTERM, of which all that holds for Ctrl-C holds but the exit status."""

    exit_status = 128 + signal.SIGTERM


@contextmanager
def noticed() -> Iterator[Callable[[], None]]:
    """Yields a check that raises KeyboardInterrupt once Ctrl-C was pressed, and Terminated once SIGTERM came.

    Python raises them by itself, wherever the program is just then. Within a finaliser, which a collection of garbage
    may start at any time, they are lost: the check, made after each step, raises them again. Of the loss nothing is
    printed. A second signal ends the program at once; its processes notice that they are alone.
    """
    pressed: list[type[KeyboardInterrupt]] = []

    def handle(signum, frame):
        if pressed:
            os._exit(128 + signum)
        pressed.append(Terminated if signum == signal.SIGTERM else KeyboardInterrupt)
        raise pressed[0]

    def check() -> None:
        if pressed:
            raise pressed[0]

    def report(lost) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            hook(lost)

    # A shell's background job ignores Ctrl-C, and another program's handler is its own; threads cannot set one.
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    main = threading.current_thread() is threading.main_thread()
    ours = [number for number, before in usual.items() if main and signal.getsignal(number) is before]
    hook = sys.unraisablehook
    for number in ours:
        signal.signal(number, handle)
    if ours:
        sys.unraisablehook = report
    try:
        yield check
    finally:
        for number in ours:
            signal.signal(number, usual[number])
        if ours:
            sys.unraisablehook = hook
