"""Records as a pandas frame: one row per record, flat columns, no scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fer_bench.core.splits import SPLITS
from fer_bench.records.schema import Costs, Record
from fer_bench.records.time_to_target import parse_targets, seconds_to_target, target_name

TRIAL = ("architecture", "dataset", "protocol", "fold", "seed", "recipe_name", "initial_weights", "backend")
COSTS = tuple(Costs.model_fields)
COUNTS = ("num_parameters", "best_epoch", *(f"{split}_images" for split in SPLITS))
COLUMNS = (
    *(*TRIAL, "status", "reason", "split_notes", "num_parameters", "epochs", "best_epoch", "best_validation_accuracy"),
    *("wall_clock_seconds", *COSTS, *(f"{split}_images" for split in SPLITS)),
    *("members", "started", "processor", "key", "path"),
)


def to_frame(records: Iterable[tuple[Record, Path]], targets: Sequence[float] = ()) -> pd.DataFrame:
    """Return one row per record and its folder; the columns are always COLUMNS, then one per target.

    Names and units are those of `Record` and `Costs`; NaN if not measured. `epochs` counts the epochs that ran,
    `best_validation_accuracy` is from the training history, and `members` is 0 for a trial that is no ensemble.
    `seconds_to_60`, of the target 0.6, is infinite if no epoch reached it.
    """
    times = {f"seconds_to_{target_name(target)}": target for target in parse_targets(targets)} if targets else {}
    rows = [
        _row(record, path) | {key: seconds_to_target(record, target) for key, target in times.items()}
        for record, path in records
    ]
    frame = pd.DataFrame(rows, columns=[*COLUMNS, *times])
    floats = dict.fromkeys((*COSTS, "wall_clock_seconds", "best_validation_accuracy", *times), float)
    return frame.astype(floats | dict.fromkeys(COUNTS, "Int64"))


def _row(record: Record, path: Path) -> dict[str, Any]:
    best = [epoch.validation_accuracy for epoch in record.history if epoch.epoch == record.best_epoch]
    return {
        **{name: getattr(record.trial, name) for name in TRIAL},
        **{name: getattr(record, name) for name in ("status", "reason", "num_parameters", "best_epoch", "started")},
        "split_notes": "; ".join(record.split_notes),
        "epochs": len(record.history),
        "best_validation_accuracy": best[0] if best else None,
        "wall_clock_seconds": record.wall_clock_seconds,
        **(record.costs.model_dump() if record.costs else {}),
        **{f"{split}_images": record.samples.get(split) for split in SPLITS},
        "members": len(record.members),
        "processor": record.machine.get("processor"),
        "key": record.trial.key,
        "path": str(path),
    }
