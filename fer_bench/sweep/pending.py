"""What of a plan is still to be run. Without Keras: where nothing is, nobody waits for its import."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fer_bench import records
from fer_bench.core.errors import write_error
from fer_bench.records.store import FOLDER, TEMPORARY, folder_of
from fer_bench.records.writing import mend
from fer_bench.sweep.plan import Plan, PlannedTrial
from fer_bench.sweep.queue import CHECKPOINTS

STALE_SECONDS = 24 * 3600  # a half-written record of that age has no living writer


@dataclass(frozen=True)
class Todo:
    """What of a plan is still to be run, and how many of its trials are done or failed before.

    without_model: how many of those that are done were recorded without their trained model. broken: how many of the
    missing have a record that cannot be read. replaced: of the missing
    ones that have a record, to be replaced or damaged, by key, when they began: a later one is another sweep's.
    """

    missing: list[PlannedTrial]
    finished: int
    failed: int
    without_model: int = 0
    broken: int = 0
    replaced: dict[str, str] = field(default_factory=dict)


def open_results(results: Path) -> None:
    """Make the results folder and see that it can be written. UserError where it cannot."""
    try:
        (results / FOLDER).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=results / FOLDER):
            pass
    except OSError as error:
        raise write_error(f"The results folder {results}", error, "Name another with --results-dir.") from None
    mend(results)
    for remains in (results / FOLDER).glob(f"{TEMPORARY}*"):
        with suppress(FileNotFoundError):  # its writer has just finished
            if time.time() - remains.stat().st_mtime > STALE_SECONDS:
                shutil.rmtree(remains, ignore_errors=True)


def clear_checkpoints(results: Path, known: records.Records, missing: list[PlannedTrial]) -> None:
    """Remove those of trials that have finished: whoever ran them was killed before it could."""
    there = {folder.name: folder for folder in (results / CHECKPOINTS).glob("*")}
    if not there:
        return
    finished = {stored.path.name for stored in known if stored.record.status == "finished"}
    wanted = {folder_of(results, planned.trial).name for planned in missing}
    for name in there.keys() & finished - wanted:
        shutil.rmtree(there[name], ignore_errors=True)


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
    replaced = {planned.key: known.stored[planned.key].record.started for planned in missing if planned.key in status}
    broken = {path.name: path.parent.parent for path, _ in known.left_out}
    for planned in missing:
        if results := broken.get(folder_of(Path(), planned.trial).name):
            done["broken"] += 1
            if began := records.started(results, planned.trial):
                replaced[planned.key] = began
    return Todo(missing, done["finished"], done["failed"], done["without model"], done["broken"], replaced)


def damaged(plan: Plan, known: records.Records) -> Todo:
    """The trials whose predictions cannot be read, to be run again.

    To find them all predictions are read, which takes as long as all else together: where there is time for it.
    """
    found = [planned for planned in plan.trials if (one := known.stored.get(planned.key)) and one.damaged]
    return Todo(found, 0, 0, replaced={planned.key: known.stored[planned.key].record.started for planned in found})
