"""How much of the disk the models take that a sweep keeps, for its announcement."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from fer_bench.core.text import megabytes, plural
from fer_bench.registry.architectures import describe
from fer_bench.sweep.options import KeepModels
from fer_bench.training.planned_trial import PlannedTrial

BYTES_PER_PARAMETER = 4


def disk_use_line(
    trials: Sequence[PlannedTrial], keep: KeepModels, known_bytes: Mapping[str, int], results: Path
) -> str | None:
    """Return a sentence on the models that trials leave and their size; None if they leave none.

    Args:
        trials: The trials that have to run.
        keep: Which models are kept.
        known_bytes: Size of a recorded model by architecture; others are computed from the registry.
        results: The results folder.
    """
    architectures = {
        planned.key if keep == "all" or planned.keep_model else planned.trial.row_id: planned.trial.architecture
        for planned in trials
        if keep != "none" or planned.keep_model
    }
    if not architectures:
        return None
    sizes = [known_bytes.get(name) or _registered_bytes(name) for name in architectures.values()]
    size, unknown = sum(size or 0 for size in sizes), sum(size is None for size in sizes)
    total = f"about {megabytes(size)}" + (f" without {plural(unknown, 'model')} of unknown size" if unknown else "")
    if unknown == len(sizes):
        total = "of unknown size"
    what = {"best": "the best model of each row", "all": "each model", "none": "models that others start from"}[keep]
    free = _free_bytes(results)
    line = f"Keeps {what} (--keep-models {keep}): {plural(len(sizes), 'file')}, {total}."
    if free < size:
        line += f" [yellow]Only {megabytes(free)} are free[/]: models that do not fit are not kept."
    return line


def _registered_bytes(architecture: str) -> int | None:
    parameters = describe(architecture).num_parameters
    return None if parameters is None else parameters * BYTES_PER_PARAMETER


def _free_bytes(folder: Path) -> float:
    """Return the free bytes of the disk that holds a folder, which need not exist; infinity if unknown."""
    existing = next((path for path in (folder, *folder.absolute().parents) if path.exists()), folder)
    try:
        return shutil.disk_usage(existing).free
    except OSError:
        return float("inf")
