"""Run a plan: one trial after the other in this process, each recorded before the next begins."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fer_bench import records
from fer_bench.errors import UserError
from fer_bench.records.store import FOLDER, MODEL, TEMPORARY
from fer_bench.sweep.interrupt import noticed
from fer_bench.sweep.plan import Plan, Planned
from fer_bench.training.train import Watcher, run_trial
from fer_bench.trial import Epoch, Predictions, Record

STALE_SECONDS = 24 * 3600  # a half-written record of that age has no living writer


class SweepWatcher(Watcher, Protocol):
    """Whoever wants to follow a sweep."""

    def trial_begins(self, planned: Planned, number: int, of: int) -> None: ...

    def trial_ends(self, record: Record) -> None: ...


@dataclass(frozen=True)
class Todo:
    """What of a plan is still to be run, and how many of its trials are done or failed before.

    without_model: how many of those that are done were recorded without their trained model.
    """

    missing: list[Planned]
    finished: int
    failed: int
    without_model: int = 0


def open_results(results: Path) -> None:
    """Make the results folder and see that it can be written. UserError where it cannot."""
    try:
        (results / FOLDER).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results / FOLDER):
            pass
    except OSError as error:
        raise UserError(f"The results folder {results} cannot be written: {os.strerror(error.errno or 0)}.") from None
    for remains in (results / FOLDER).glob(f"{TEMPORARY}*"):
        with suppress(FileNotFoundError):  # its writer has just finished
            if time.time() - remains.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(remains, ignore_errors=True)


def todo(plan: Plan, known: records.Records, overwrite: bool = False, retry_failed: bool = False) -> Todo:
    """Which trials are missing. Failed ones count as done unless they are to be tried again.

    So do those whose model was not kept: to train for hours what is known already is for the user to ask.
    """
    status = {key: stored.record.status for key, stored in known.stored.items()}
    missing, done = [], Counter()
    for planned in plan.trials:
        found = None if overwrite else status.get(planned.key)
        if found is None or (found != "finished" and retry_failed):
            missing.append(planned)
        else:
            done["finished" if found == "finished" else "failed"] += 1
            done["without model"] += found == "finished" and known.stored[planned.key].model_file is None
    return Todo(missing, done["finished"], done["failed"], done["without model"])


def run(missing: list[Planned], results: Path, watcher: SweepWatcher, keep_models: bool = False) -> None:
    """Run trials and write each one's record and predictions as it ends. A failure is a record like another.

    With `keep_models` the trained model of each that finishes lies beside them.
    """
    with noticed() as check:
        stoppable = _Stoppable(watcher, check)
        for number, planned in enumerate(missing, start=1):
            watcher.trial_begins(planned, number, len(missing))
            model_file = results / FOLDER / f"{TEMPORARY}{uuid.uuid4().hex}" / MODEL if keep_models else None
            try:
                record, predictions = run_trial(
                    planned.trial, planned.dataset, planned.fold, planned.weights_file, stoppable, model_file
                )
                if record.status != "finished":
                    check()  # a library that was interrupted may have made an error of its own of it
                _write(results, record, predictions, model_file)
            finally:
                if model_file is not None:
                    shutil.rmtree(model_file.parent, ignore_errors=True)
            watcher.trial_ends(record)
            check()


def _write(results: Path, record: Record, predictions: dict[str, Predictions], model_file: Path | None) -> None:
    kept = model_file is not None and model_file.is_file()  # not of a failed trial, nor of a model that cannot be saved
    try:
        records.write(results, record, predictions, model_file if kept else None)
    except OSError as error:
        raise UserError(
            f"The record of {record.trial} cannot be written below {results}: {error.strerror or error}. "
            "What was recorded before is unharmed; the same command goes on from there."
        ) from None


class _Stoppable:
    """A watcher after whose events a Ctrl-C that was lost is raised again."""

    def __init__(self, watcher: Watcher, check: Callable[[], None]) -> None:
        self._watcher, self._check = watcher, check

    def step(self, step: int, steps: int, loss: float) -> None:
        self._watcher.step(step, steps, loss)
        self._check()

    def epoch(self, epoch: Epoch, epochs: int) -> None:
        self._watcher.epoch(epoch, epochs)
        self._check()
