"""Which trials of a plan still have to run. Imports no Keras, so that a finished sweep answers at once."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fer_bench import records
from fer_bench.core.errors import write_error
from fer_bench.records.schema import BENCHMARK_VERSION
from fer_bench.records.store import RECORDS_DIR, TEMPORARY_PREFIX, model_file, record_dir
from fer_bench.records.writing import recover_interrupted_writes
from fer_bench.sweep.options import SweepOptions
from fer_bench.sweep.plan import Plan
from fer_bench.sweep.queue import CHECKPOINTS_DIR
from fer_bench.training.planned_trial import PlannedTrial

STALE_SECONDS = 24 * 3600  # after which the writer of a half-written record is taken to have ended


@dataclass(frozen=True)
class PendingTrials:
    """The trials of a plan that have to run, and how many are recorded already.

    Attributes:
        trials: The trials to run.
        num_finished: Number of trials that are recorded as finished.
        num_failed: Number of trials that are recorded as failed or diverged.
        without_saved_model: Number of finished trials without a saved model.
        unreadable: Number of trials to run whose record cannot be read.
        outdated: Number of trials to run that are recorded for another benchmark version.
        without_needed_model: Pretraining trials to run again because others start from a model that was not saved.
        model_bytes: Size of a recorded model by architecture.
        superseded: Start times of the records that trials replace, by key. A record with a later start time was
            written by another sweep in the meantime.
    """

    trials: list[PlannedTrial]
    num_finished: int = 0
    num_failed: int = 0
    without_saved_model: int = 0
    unreadable: int = 0
    outdated: int = 0
    without_needed_model: tuple[PlannedTrial, ...] = ()
    superseded: dict[str, str] = field(default_factory=dict)
    model_bytes: dict[str, int] = field(default_factory=dict)


def open_results(results: Path) -> None:
    """Create the results folder and check that it is writable. Raises UserError if it is not."""
    try:
        (results / RECORDS_DIR).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results / RECORDS_DIR):
            pass
    except OSError as error:
        raise write_error(f"The results folder {results}", error, "Name another with --results-dir.") from None
    recover_interrupted_writes(results)
    for temporary in (results / RECORDS_DIR).glob(f"{TEMPORARY_PREFIX}*"):
        with suppress(FileNotFoundError):  # its writer has finished at this moment
            if time.time() - temporary.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(temporary, ignore_errors=True)


def clear_checkpoints(results: Path, known: records.Records, pending: Sequence[PlannedTrial]) -> None:
    """Remove the checkpoints of finished trials: a sweep that was killed could not do so."""
    folders = {folder.name: folder for folder in (results / CHECKPOINTS_DIR).glob("*")}
    if not folders:
        return
    finished = {stored.path.name for stored in known if stored.record.status == "finished"}
    needed = {record_dir(results, planned.trial).name for planned in pending}
    for name in folders.keys() & finished - needed:
        shutil.rmtree(folders[name], ignore_errors=True)


def find_pending(plan: Plan, known: records.Records, options: SweepOptions | None = None) -> PendingTrials:
    """Find the trials that have to run.

    Failed trials run again only with `retry_failed`, and finished ones only with `overwrite`, also if `keep_models`
    asks for a model that was not saved. A pretraining trial without a saved model runs again if others need the model.

    Args:
        plan: The plan.
        known: The records of the results folder.
        options: `overwrite` and `retry_failed` count here.
    """
    options = options or SweepOptions()
    recorded = {} if options.overwrite else known.stored
    outdated = {key for key, stored in recorded.items() if stored.record.benchmark_version != BENCHMARK_VERSION}
    recorded = {key: stored for key, stored in recorded.items() if key not in outdated}
    status = {planned.key: recorded[planned.key].record.status for planned in plan.trials if planned.key in recorded}
    finished = [key for key, value in status.items() if value == "finished"]
    done = set(status if not options.retry_failed else finished)
    without_model = _without_needed_model(plan, known, done, finished)
    done -= {planned.key for planned in without_model}
    pending = [planned for planned in plan.trials if planned.key not in done]
    superseded = {p.key: known.stored[p.key].record.started for p in pending if p.key in known.stored}
    unreadable_folders = {path.name: path.parent.parent for path, _ in known.skipped}
    unreadable = 0
    for planned in pending:
        if results := unreadable_folders.get(record_dir(Path(), planned.trial).name):
            unreadable += 1
            if started := records.start_time(results, planned.trial):
                superseded[planned.key] = started
    return PendingTrials(
        trials=pending,
        num_finished=len(done.intersection(finished)),
        num_failed=len(done.difference(finished)),
        without_saved_model=sum(known.stored[key].model_file is None for key in finished),
        unreadable=unreadable,
        outdated=sum(planned.key in outdated for planned in pending),
        without_needed_model=without_model,
        superseded=superseded,
        model_bytes={
            stored.record.trial.architecture: stored.record.costs.model_bytes
            for stored in known
            if stored.record.costs and stored.record.costs.model_bytes
        },
    )


def _without_needed_model(
    plan: Plan, known: records.Records, done: Container[str], finished: Iterable[str]
) -> tuple[PlannedTrial, ...]:
    """Return the finished trials from whose models others start that have to run, and whose models were not saved."""
    needed = {planned.required_key for planned in plan.trials if planned.key not in done}
    return tuple(
        planned
        for planned in plan.trials
        if planned.key in needed.intersection(finished)
        and known.stored[planned.key].record.status == "finished"
        and not model_file(known.stored[planned.key].path.parents[1], planned.trial).is_file()
    )


def find_corrupt(plan: Plan, known: records.Records) -> PendingTrials:
    """Find the trials whose predictions cannot be read, to run them again.

    This reads all predictions, so it is called only when all else is done.
    """
    stored = {p.key: known.stored[p.key] for p in plan.trials if p.key in known.stored}
    broken = {key for key, record in stored.items() if record.corrupt}
    broken |= {p.key for p in _without_needed_model(plan, known, stored.keys() - broken, stored)}
    corrupt = [planned for planned in plan.trials if planned.key in broken]
    return PendingTrials(corrupt, superseded={p.key: stored[p.key].record.started for p in corrupt})
