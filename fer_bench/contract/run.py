"""Running the contract: on the backend of this process, or on any in a process of its own."""

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

from fer_bench.core.errors import UserError
from fer_bench.registry.architectures import ARCHITECTURES

ROOT = Path(__file__).resolve().parent.parent.parent
BACKENDS = ("tensorflow", "jax", "torch")
OUTCOME, DONE = "outcome ", "done "  # how lines begin by which a process reports to its parent


@dataclass(frozen=True)
class Outcome:
    """One check of one architecture. `complaint` says what is wrong and what to do; None where nothing is."""

    architecture: str
    check: str
    complaint: str | None
    seconds: float
    skipped: bool = False  # it needs a model, and none could be built


def installed_backends() -> list[str]:
    """The backends of Keras that can be imported here."""
    return [backend for backend in BACKENDS if importlib.util.find_spec(backend)]


def check(name: str, only: Sequence[str] | None = None, quick: bool = False) -> Iterator[Outcome]:
    """Hold an architecture against the contract, or some checks of it, on the backend of this process.

    `quick` builds it at the smallest of its input sizes and at its default one alone.
    """
    import keras

    from fer_bench.contract.checks import CHECKS, described
    from fer_bench.contract.model_under_test import ModelUnderTest

    ARCHITECTURES.get(name)  # UserError for one that there is not
    subject = ModelUnderTest(name, quick)
    unbuilt = False
    for title, function in CHECKS.items():
        if only is not None and title not in only:
            continue
        if unbuilt:
            yield Outcome(name, title, None, 0.0, skipped=True)
            continue
        began = time.perf_counter()
        try:
            with warnings.catch_warnings():  # what a warning says, such as a missing gradient, a check says better
                warnings.simplefilter("ignore")
                complaint = function(subject)
        except Exception as error:  # an author's mistake may raise anything
            complaint = described(error)
        unbuilt = title == "builds" and complaint is not None
        yield Outcome(name, title, complaint, time.perf_counter() - began)
    del subject
    keras.backend.clear_session()
    gc.collect()


def check_on(backend: str, names: Sequence[str], outside: Sequence[Path] = ()) -> Iterator[Outcome]:
    """The same on any backend, in a process of its own.

    An architecture that brings the process down has a complaint that says so, and the next one gets a new process.
    UserError where the process cannot work at all.
    """
    left = list(names)
    while left:
        with tempfile.TemporaryFile("w+") as log:
            status = yield from _process(backend, left, outside, log)
            if left and status >= 0:
                log.seek(0)
                words = (log.read().strip().splitlines() or [f"status {status}"])[-1]
                raise UserError(f"The checks on the backend '{backend}' cannot go on: {words}")
            if left:
                yield Outcome(left.pop(0), "survives", _fault(backend, status), 0.0)


def _process(backend: str, left: list[str], outside: Sequence[Path], log: IO[str]) -> Generator[Outcome, None, int]:
    """Outcomes of a new process, which takes the names that it is done with from the list. Its exit status."""
    command = [sys.executable, "-m", "fer_bench.contract", *left, *(f"--extra-architectures={path}" for path in outside)]
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith(DONE):
                    left.remove(line.removeprefix(DONE).strip())
                elif line.startswith(OUTCOME):  # an architecture may print
                    yield Outcome(**json.loads(line.removeprefix(OUTCOME)))
        except GeneratorExit:
            process.kill()
            raise
    return process.returncode


def _fault(backend: str, status: int) -> str:
    name = signal.Signals(-status).name
    return (
        f"it brings the process down ({name}, in native code of the backend '{backend}' or for want of memory): "
        "find the layer that does and build it in another way"
    )
