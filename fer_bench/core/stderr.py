"""Suppress what native libraries write to standard error."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def suppress_stderr(show_on_error: bool = True) -> Iterator[None]:
    """Keep file descriptor 2 silent; on an exception, show what was written to it, unless that is not wanted.

    TensorFlow logs its start-up from C++ before it reads any setting, so only the file descriptor can be redirected.
    """
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as captured:
        os.dup2(captured.fileno(), 2)
        try:
            yield
        except BaseException:
            captured.seek(0)
            if show_on_error:
                os.write(original, captured.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
