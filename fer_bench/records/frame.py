"""Records as a pandas frame: a row for each, flat columns, nothing that needs the predictions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from fer_bench.records.schema import Costs, Record

TRIAL = ("architecture", "dataset", "protocol", "fold", "seed", "recipe_name", "initial_weights", "backend")
PARTS = ("training", "validation", "test")
COSTS = tuple(Costs.model_fields)
COLUMNS = (
    *(*TRIAL, "status", "reason", "split_notes", "parameters", "epochs", "best_epoch", "best_validation_accuracy"),
    *("wall_clock_seconds", *COSTS, *(f"{part}_images" for part in PARTS)),
    *("members", "started", "processor", "key", "path"),
)


def to_frame(records: Iterable[tuple[Record, Path]]) -> pd.DataFrame:
    """A row for each record, with its folder; columns are COLUMNS, whatever is there.

    Seconds, bytes and fractions as in `Record` and `Costs`, whose names are the columns'; NaN where not measured.
    `epochs`: how many were run; `best_validation_accuracy`: as the training saw it, in its best epoch; `members`: how
    many voted, 0 for what is no ensemble.
    """
    return pd.DataFrame([_row(record, path) for record, path in records], columns=list(COLUMNS)).astype(
        dict.fromkeys((*COSTS, "wall_clock_seconds", "best_validation_accuracy"), float)
        | dict.fromkeys(("parameters", "best_epoch", *(f"{part}_images" for part in PARTS)), "Int64")
    )


def _row(record: Record, path: Path) -> dict[str, Any]:
    best = [e.validation_accuracy for e in record.history if e.epoch == record.best_epoch]
    return {
        **{name: getattr(record.trial, name) for name in TRIAL},
        "status": record.status,
        "reason": record.reason,
        "split_notes": "; ".join(record.split_notes),
        "parameters": record.num_parameters,
        "epochs": len(record.history),
        "best_epoch": record.best_epoch,
        "best_validation_accuracy": best[0] if best else None,
        "wall_clock_seconds": record.wall_clock_seconds,
        **(record.costs.model_dump() if record.costs else {}),
        **{f"{part}_images": record.samples.get(part) for part in PARTS},
        "members": len(record.members),
        "started": record.started,
        "processor": record.machine.get("processor"),
        "key": record.trial.key,
        "path": str(path),
    }
