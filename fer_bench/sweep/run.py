"""Run a plan: each trial is recorded as it ends."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fer_bench import records
from fer_bench.errors import UserError
from fer_bench.records.store import FOLDER, TEMPORARY
from fer_bench.sweep.executors.executor import Executor, Follower
from fer_bench.sweep.executors.here import here
from fer_bench.sweep.interrupt import noticed
from fer_bench.sweep.plan import Plan, Planned
from fer_bench.trial import Epoch, Predictions, Record

STALE_SECONDS = 24 * 3600  # a half-written record of that age has no living writer


class SweepWatcher(Protocol):
    """Whoever wants to follow a sweep."""

    def trial_begins(self, planned: Planned, number: int, of: int) -> Follower: ...


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


def run(
    missing: list[Planned],
    results: Path,
    watcher: SweepWatcher,
    keep_models: bool = False,
    executor: Executor = here,
) -> None:
    """Run trials and write each one's record and predictions as it ends. A failure is a record like another.

    With `keep_models` the trained model of each that finishes lies beside them.
    """
    models = results / FOLDER / f"{TEMPORARY}{uuid.uuid4().hex}" if keep_models else None
    with noticed() as check:

        def follow(planned: Planned, number: int, of: int) -> Follower:
            return _Stoppable(watcher.trial_begins(planned, number, of), check)

        try:
            with closing(executor(missing, follow, models)) as outcomes:
                for outcome in outcomes:
                    if outcome.record.status != "finished":
                        check()  # a library that was interrupted may have made an error of its own of it
                    _write(results, outcome.record, outcome.predictions, outcome.model_file)
                    outcome.follower.ends(outcome.record)
                    check()
        finally:
            if models is not None:
                shutil.rmtree(models, ignore_errors=True)


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
    """A follower after whose events a Ctrl-C that was lost is raised again."""

    def __init__(self, follower: Follower, check: Callable[[], None]) -> None:
        self._follower, self._check = follower, check

    def step(self, step: int, steps: int, loss: float) -> None:
        self._follower.step(step, steps, loss)
        self._check()

    def epoch(self, epoch: Epoch, epochs: int) -> None:
        self._follower.epoch(epoch, epochs)
        self._check()

    def ends(self, record: Record) -> None:
        self._follower.ends(record)
