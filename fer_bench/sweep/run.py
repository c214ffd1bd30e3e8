"""Run what is to be run: each trial is recorded as it ends."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from fer_bench import records
from fer_bench.core.errors import write_error
from fer_bench.records.schema import Epoch, Record
from fer_bench.records.store import FOLDER, TEMPORARY
from fer_bench.sweep.budget import Budget, BudgetSpent
from fer_bench.sweep.claims import Claims
from fer_bench.sweep.executors.executor import Executor, Follower, Outcome
from fer_bench.sweep.executors.in_process import here
from fer_bench.sweep.interrupt import noticed
from fer_bench.sweep.memory import fits_in_halves
from fer_bench.sweep.plan import PlannedTrial
from fer_bench.sweep.queue import Turn, Turns


class SweepWatcher(Protocol):
    """Whoever wants to follow a sweep."""

    def trial_begins(self, planned: PlannedTrial, number: int, of: int) -> Follower: ...

    def elsewhere(self, planned: PlannedTrial) -> None:
        """A trial that another sweep runs, or has recorded, is met."""


@dataclass(frozen=True)
class Ways:
    """How trials are run; nothing of it has a bearing on any outcome.

    replaced: see `Todo`. budget: None: there is all the time it takes.
    """

    executor: Executor = here
    keep_models: bool = False
    fail_fast: bool = False
    replaced: Mapping[str, str] = field(default_factory=dict)
    budget: Budget | None = None


# How a run ended.
Ended = Literal["all had their turn", "at a failure", "in time"]


def run(missing: list[PlannedTrial], results: Path, watcher: SweepWatcher, ways: Ways | None = None) -> Ended:
    """Run trials and write each one's record and predictions as it ends.

    A failure is a record like another; with `fail_fast` it is the last. With `keep_models` the trained model of each
    that finishes lies beside its record. Trials that another sweep on the folder runs are left to it, and waited for.
    """
    ways = ways or Ways()
    models = results / FOLDER / f"{TEMPORARY}{uuid.uuid4().hex}" if ways.keep_models else None
    with noticed() as interrupted, Claims(results) as claims:

        def check() -> None:
            interrupted()
            if ways.budget:
                ways.budget.check()

        def follow(turn: Turn) -> Follower:
            return _Stoppable(watcher.trial_begins(turn.planned, turn.number, turn.of), check)

        gate = _Gate(results, claims, watcher, ways)
        turns = Turns(missing, results, models, gate, check)
        try:
            with closing(ways.executor(turns, follow)) as outcomes:
                for outcome in outcomes:
                    planned = outcome.turn.planned
                    if outcome.record.status != "finished":
                        interrupted()  # a library that was interrupted may have made an error of its own of it
                    if fits_in_halves(outcome.turn, outcome.record):
                        outcome.follower.on_trial_end(outcome.record)
                        turns.again(outcome.turn.in_halves)
                        continue
                    if claims.holds(planned.key):  # else another sweep took it over while this one was asleep
                        _write(results, outcome)
                    claims.let_go(planned.key)
                    outcome.follower.on_trial_end(outcome.record)
                    gate.ended(planned)
                    check()
                    if ways.fail_fast and outcome.record.status != "finished":
                        return "at a failure"
        except BudgetSpent:
            return "in time"
        finally:
            if models is not None:
                shutil.rmtree(models, ignore_errors=True)
    return "in time" if gate.left_out else "all had their turn"


class _Gate:
    """Whether a trial may begin; see `Gate`."""

    def __init__(self, results: Path, claims: Claims, watcher: SweepWatcher, ways: Ways) -> None:
        self._results, self._claims, self._watcher, self._ways = results, claims, watcher, ways
        self._elsewhere: set[str] = set()
        self._began: dict[str, float] = {}
        self.left_out = 0  # trials for which there was no time

    def __call__(self, planned: PlannedTrial) -> Literal["now", "later", "never"]:
        key, budget = planned.key, self._ways.budget
        if key in self._began:  # once more, with half batches
            return "now"
        if not self._claims.claim(key):
            self._tell(planned)
            return "later"
        if records.started(self._results, planned.trial) != self._ways.replaced.get(key):
            self._claims.let_go(key)
            self._tell(planned)
            return "never"
        if budget and not budget.fits(planned):
            self._claims.let_go(key)
            self.left_out += 1
            return "never"
        self._began[key] = time.monotonic()
        return "now"

    def ended(self, planned: PlannedTrial) -> None:
        if self._ways.budget:
            self._ways.budget.ended(planned, time.monotonic() - self._began[planned.key])

    def _tell(self, planned: PlannedTrial) -> None:
        if planned.key not in self._elsewhere:
            self._elsewhere.add(planned.key)
            self._watcher.elsewhere(planned)


def _write(results: Path, outcome: Outcome) -> None:
    record, model_file = outcome.record, outcome.turn.model_file
    kept = model_file is not None and model_file.is_file()  # not of a failed trial, nor of a model that cannot be saved
    try:
        records.write(results, record, outcome.predictions, model_file if kept else None)
    except OSError as error:
        advice = "What was recorded before is unharmed; once there is room, the same command goes on from there."
        raise write_error(f"The record of {record.trial} in {results}", error, advice) from None
    if record.status != "failed":  # what crashed or took too long goes on from there, if it is tried again
        shutil.rmtree(outcome.turn.checkpoint, ignore_errors=True)


class _Stoppable:
    """A follower after whose events a Ctrl-C that was lost is raised again."""

    def __init__(self, follower: Follower, check: Callable[[], None]) -> None:
        self._follower, self._check = follower, check

    def on_step_end(self, step: int, steps: int, loss: float) -> None:
        self._follower.on_step_end(step, steps, loss)
        self._check()

    def on_epoch_end(self, epoch: Epoch, epochs: int) -> None:
        self._follower.on_epoch_end(epoch, epochs)
        self._check()

    def on_trial_end(self, record: Record) -> None:
        self._follower.on_trial_end(record)
