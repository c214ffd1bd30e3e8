"""Run trials and write the record of each as it ends."""

from __future__ import annotations

import logging
import re
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

from fer_bench import records
from fer_bench.core.errors import write_error
from fer_bench.records import kept_models
from fer_bench.records.schema import Epoch, Record, Trial
from fer_bench.records.store import RECORDS_DIR, TEMPORARY_PREFIX
from fer_bench.sweep.budget import Budget, BudgetSpent
from fer_bench.sweep.claims import Claims
from fer_bench.sweep.executors.executor import Executor, TrialResult
from fer_bench.sweep.executors.in_process import run_in_process
from fer_bench.sweep.interrupt import deferred_interrupts
from fer_bench.sweep.options import KeepModels, SweepOptions
from fer_bench.sweep.queue import Admission, TrialQueue, number_trials, with_half_batches
from fer_bench.training.callback import Callback, CallbackList
from fer_bench.training.planned_trial import PlannedTrial

StopReason = Literal["completed", "first_failure", "budget_exhausted"]

# The words of TensorFlow, JAX, Torch and Python, and those for a process that the system has killed.
OUT_OF_MEMORY = re.compile(
    r"^(ResourceExhaustedError|MemoryError|\w*OutOfMemoryError)\b"
    r"|RESOURCE_EXHAUSTED|[Oo]ut of memory|was ended by SIGKILL"
)


def run(
    trials: Sequence[PlannedTrial],
    results: Path,
    callbacks: Iterable[Callback] = (),
    options: SweepOptions | None = None,
    executor: Executor = run_in_process,
    superseded: Mapping[str, str] | None = None,
    budget: Budget | None = None,
) -> StopReason:
    """Run trials and write the record and the predictions of each as it ends.

    A failure is a record like any other. Trials that another sweep on the folder runs are left to it and waited for.

    Args:
        trials: The trials, in the order in which they start.
        results: The results folder.
        callbacks: What follows the sweep, in this order.
        options: `keep_models` and `fail_fast` count here; the executor already has the others.
        executor: Runs the trials.
        superseded: Start times of the records that trials replace, by key. A record with another start time was
            written by another sweep in the meantime, and its trial is not run.
        budget: Stops the sweep at its deadline.

    Returns:
        Why the sweep ended.
    """
    options = options or SweepOptions()
    models_dir = results / RECORDS_DIR / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    stop_reason: str = "error"
    with deferred_interrupts() as check_interrupts, Claims(results) as claims:
        following = [*callbacks, *([budget] if budget else []), _InterruptCheck(check_interrupts)]
        callback = CallbackList(following)
        admission = _Admission(trials, results, claims, callback, superseded or {}, budget)
        queue = TrialQueue(number_trials(trials, results, models_dir, options.keep_models != "none"), admission)
        try:
            for required in {planned.required_key: planned.requires for planned in trials}.values():
                if required:
                    kept_models.keep_for_pretraining(results, required)
            callback.on_sweep_begin(trials)
            with closing(executor(queue, callback)) as trial_results:
                for result in trial_results:
                    planned, record, _ = result
                    if record.status != "finished":
                        check_interrupts()  # an interrupted library may have raised an error of its own
                    if should_retry_with_half_batches(planned, record):
                        callback.on_trial_end(planned, record)
                        queue.requeue(with_half_batches(planned))
                        continue
                    if claims.owns(planned.key):
                        _write(results, result, options.keep_models)
                        admission.on_recorded(planned)
                    else:  # another sweep took it over while this process was suspended, and may leave it again
                        admission.forget(planned)
                        queue.requeue(planned)
                    claims.release(planned.key)
                    callback.on_trial_end(planned, record)
                    callback.on_poll()
                    if options.fail_fast and record.status != "finished":
                        stop_reason = "first_failure"
                        return "first_failure"
            stop_reason = "budget_exhausted" if admission.over_budget else "completed"
        except BudgetSpent:
            stop_reason = "budget_exhausted"
        except KeyboardInterrupt:
            stop_reason = "interrupted"
            raise
        finally:
            callback.on_sweep_end(stop_reason)
            shutil.rmtree(models_dir, ignore_errors=True)
    return "completed" if stop_reason == "completed" else "budget_exhausted"


class _Admission:
    """Decides whether a trial may start; see `AdmissionCheck`.

    A trial waits for the record of the pretraining trial that it requires, which this or another sweep writes, and
    does not run if that trial does not fit into the budget. If that trial fails, its own start fails, too.
    """

    def __init__(
        self,
        trials: Sequence[PlannedTrial],
        results: Path,
        claims: Claims,
        callback: Callback,
        superseded: Mapping[str, str],
        budget: Budget | None,
    ) -> None:
        self._results, self._claims, self._callback = results, claims, callback
        self._superseded, self._budget = superseded, budget
        self._awaited = {planned.key for planned in trials} & {planned.required_key for planned in trials}
        self.over_budget: set[str] = set()
        self._started: set[str] = set()
        self._delegated: set[str] = set()

    def __call__(self, planned: PlannedTrial) -> Admission:
        key = planned.key
        if key in self._started:  # it starts once more, with half batches
            return "start"
        if planned.requires and (waiting := self._wait_for(planned.requires, planned.required_key)):
            return waiting
        if not self._claims.claim(key):
            self._delegate(planned)
            return "defer"
        if self._has_new_record(planned.trial, key):
            self._claims.release(key)
            self._delegate(planned)
            return "skip"
        if self._budget and not self._budget.can_finish(planned):
            self._claims.release(key)
            self.over_budget.add(key)
            return "skip"
        self._started.add(key)
        return "start"

    def on_recorded(self, planned: PlannedTrial) -> None:
        """Start the trials that waited for this one."""
        self._awaited.discard(planned.key)

    def forget(self, planned: PlannedTrial) -> None:
        """Decide anew on a trial that has started."""
        self._started.discard(planned.key)

    def _wait_for(self, required: Trial, key: str) -> Admission | None:
        """Return what a trial does because the one that it requires has not ended; None if that has."""
        if key in self.over_budget:
            return "skip"
        if key in self._awaited and self._has_new_record(required, key):  # of another sweep
            self._awaited.discard(key)
        return "defer" if key in self._awaited else None

    def _has_new_record(self, trial: Trial, key: str) -> bool:
        """Whether a trial has a record that was not there when the sweep was planned."""
        return records.start_time(self._results, trial) != self._superseded.get(key)

    def _delegate(self, planned: PlannedTrial) -> None:
        if planned.key not in self._delegated:
            self._delegated.add(planned.key)
            self._callback.on_trial_delegated(planned)


class _InterruptCheck(Callback):
    """Raises an interrupt again that a library swallowed."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._check = check

    def on_poll(self) -> None:
        self._check()

    def on_step_end(self, planned: PlannedTrial, step: int, steps: int, loss: float) -> None:
        self._check()

    def on_epoch_end(self, planned: PlannedTrial, epoch: Epoch) -> None:
        self._check()


def should_retry_with_half_batches(planned: PlannedTrial, record: Record) -> bool:
    """Whether a trial ran out of memory and its recipe allows a second run with half batches."""
    recipe = planned.trial.recipe
    allowed = recipe.get("out_of_memory") == "halve" and recipe["batch_size"] > 1 and planned.accumulate == 1
    return allowed and record.status == "failed" and OUT_OF_MEMORY.search(record.reason) is not None


def _write(results: Path, result: TrialResult, keep: KeepModels) -> None:
    """Write a record, with its model if that is to be kept. A full disk costs the model first."""
    planned, record, predictions = result
    model, info = planned.model_file, None
    if model is not None and not model.is_file():  # the trial failed, or the model cannot be saved
        model = None
    if model is not None:
        reason: kept_models.Reason = "pretraining" if planned.keep_model else "all" if keep == "all" else "best"
        info = kept_models.describe_model(record, predictions, planned.dataset.images.shape[1:], reason)
        if reason == "best" and kept_models.is_surpassed(results, info):
            model.unlink()
            model = info = None
    try:
        try:
            records.write(results, record, predictions, model, info)
        except OSError as error:
            if model is None:
                raise
            model.unlink(missing_ok=True)  # which also makes room for the record
            info = None
            logging.getLogger("fer_bench").warning(
                "fer-bench: warning: the model of %s is not kept: %s", record.trial, error.strerror or error
            )
            records.write(results, record, predictions)
        if info is not None:
            kept_models.remove_surpassed(results, info)
    except OSError as error:
        advice = "Earlier records are unharmed. Free some space; the same command then resumes."
        raise write_error(f"The record of {record.trial} in {results}", error, advice) from None
    if record.status != "failed" and planned.checkpoint_dir:  # a retry of a failed trial resumes from its checkpoint
        shutil.rmtree(planned.checkpoint_dir, ignore_errors=True)
