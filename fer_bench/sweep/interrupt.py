"""Ctrl-C and SIGTERM that no library can swallow."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Terminated(KeyboardInterrupt):
    """SIGTERM: handled like Ctrl-C, with another exit status."""

    exit_status = 128 + signal.SIGTERM


@contextmanager
def deferred_interrupts() -> Iterator[Callable[[], None]]:
    """Yield a check that raises KeyboardInterrupt after a Ctrl-C, and Terminated after a SIGTERM.

    Python raises them by itself, wherever the program is at that moment. In a finalizer, which a garbage collection
    may start at any time, they are lost. The check, called after each step, raises them again; the message about the
    lost exception is not printed. A second signal ends the program at once; its worker processes end with it.
    """
    received: list[type[KeyboardInterrupt]] = []

    def handle(signum: int, frame: FrameType | None) -> None:
        if received:
            os._exit(128 + signum)
        received.append(Terminated if signum == signal.SIGTERM else KeyboardInterrupt)
        raise received[0]

    def check() -> None:
        if received:
            raise received[0]

    hook = sys.unraisablehook

    def report(lost: sys.UnraisableHookArgs) -> None:
        if not issubclass(lost.exc_type, KeyboardInterrupt):
            hook(lost)

    # A background job of a shell ignores Ctrl-C, and another program may have its own handler: both stay as they are.
    # Only the main thread can set handlers.
    defaults: dict[signal.Signals, Any] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    main_thread = threading.current_thread() is threading.main_thread()
    replaced = [number for number, default in defaults.items() if main_thread and signal.getsignal(number) is default]
    for number in replaced:
        signal.signal(number, handle)
    if replaced:
        sys.unraisablehook = report
    try:
        yield check
    finally:
        for number in replaced:
            signal.signal(number, defaults[number])
        if replaced:
            sys.unraisablehook = hook
