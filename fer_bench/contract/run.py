"""Run the contract on the backend of this process, or on any backend in a subprocess."""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fer_bench.core.backend import BACKENDS
from fer_bench.core.bundled import PACKAGE_DIR
from fer_bench.core.errors import UserError
from fer_bench.registry.architectures import ARCHITECTURES

RESULT_PREFIX, DONE_PREFIX = "result ", "done "  # of the lines that a subprocess prints for its parent


@dataclass(frozen=True)
class CheckResult:
    """The result of one check of one architecture."""

    architecture: str
    check: str
    problem: str | None  # what is wrong and what to do; None if the check passed or was skipped
    seconds: float
    skipped: bool = False  # because no model could be built


def installed_backends() -> list[str]:
    """Return the Keras backends that are installed."""
    return [backend for backend in BACKENDS if importlib.util.find_spec(backend)]


def run_checks(name: str, only: Sequence[str] | None = None, quick: bool = False) -> Iterator[CheckResult]:
    """Check a registered architecture against the contract, on the backend of this process.

    Args:
        name: Name of the architecture.
        only: Names of the checks to run; None runs all.
        quick: Whether to build the model only at its smallest and its default input size.
    """
    import keras

    from fer_bench.contract.checks import CHECKS, format_exception
    from fer_bench.contract.model_under_test import ModelUnderTest

    ARCHITECTURES.get(name)
    tested = ModelUnderTest(name, quick)
    skip_rest = False
    for check, function in CHECKS.items():
        if only is not None and check not in only:
            continue
        if skip_rest:
            yield CheckResult(name, check, None, 0.0, skipped=True)
            continue
        start = time.perf_counter()
        try:
            with warnings.catch_warnings():  # the checks report what Keras warns about, such as a missing gradient
                warnings.simplefilter("ignore")
                problem = function(tested)
        except Exception as error:  # the code under test may raise anything
            problem = format_exception(error)
        skip_rest = check == "builds" and problem is not None
        yield CheckResult(name, check, problem, time.perf_counter() - start)
    del tested
    keras.backend.clear_session()
    gc.collect()


def run_checks_on_backend(
    backend: str, names: Sequence[str], extra_architectures: Sequence[Path] = ()
) -> Iterator[CheckResult]:
    """Check architectures against the contract in a subprocess on a backend.

    An architecture that crashes the subprocess fails the check "survives"; the next one runs in a new subprocess.

    Raises:
        UserError: The subprocess fails for a reason other than an architecture, such as a broken backend.
    """
    pending = list(names)
    while pending:
        with tempfile.TemporaryFile("w+") as log:
            status = yield from _run_process(backend, pending, extra_architectures, log)
            if pending and status >= 0:
                log.seek(0)
                reason = (log.read().strip().splitlines() or [f"exit status {status}"])[-1]
                raise UserError(f"The checks on the backend '{backend}' stopped: {reason}")
            if pending:
                yield CheckResult(pending.pop(0), "survives", _crash_message(backend, status), 0.0)


def _run_process(
    backend: str, pending: list[str], extra_architectures: Sequence[Path], log: IO[str]
) -> Generator[CheckResult, None, int]:
    """Yield the results of a new subprocess, remove completed names from `pending`, and return the exit status."""
    extra = [f"--extra-architectures={path}" for path in extra_architectures]
    command = [sys.executable, "-m", "fer_bench.contract", *pending, *extra]
    path = os.pathsep.join([str(PACKAGE_DIR.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=log, text=True, errors="replace", env=environment
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:  # an architecture may print other lines
                if line.startswith(DONE_PREFIX):
                    pending.remove(line.removeprefix(DONE_PREFIX).strip())
                elif line.startswith(RESULT_PREFIX):
                    yield CheckResult(**json.loads(line.removeprefix(RESULT_PREFIX)))
        except GeneratorExit:
            process.kill()
            raise
    return process.returncode


def _crash_message(backend: str, status: int) -> str:
    name = signal.Signals(-status).name
    return (
        f"it crashes the process ({name}, from native code of the backend '{backend}' or from too little memory): "
        "find the layer that crashes and replace it"
    )
