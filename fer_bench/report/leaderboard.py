"""The leaderboard as numbers: one pandas row for each row of trials, best first within its section."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from fer_bench.evaluation.metrics import METRICS
from fer_bench.records import Stored
from fer_bench.report.rows import LeftOut, Row, SeedResult, rows
from fer_bench.trial import Record, Trial

SYNTHETIC = "synthetic"
SELECTION = "selected on validation"  # the only way the training knows
VIEWS = {"1": "1 test view", "flip": "2 test views (flip)", "ten-crop": "10 test views (ten-crop)"}
SECTION = ["dataset", "protocol", "fingerprint"]
SCORES = ("accuracy", "clean_accuracy", "validation_accuracy", *METRICS[1:])
OF_TWINS = ["clean_accuracy", "clean_accuracy_sd", "clean_test_images"]  # only where any row has them
NUMBERS = (
    *("parameters", "training_seconds", "images_per_second", "epochs", "best_epoch", "test_images"),
    "clean_test_images",
)
FLOATS = (*SCORES, *NUMBERS)
LONGEST_VARIANT = 40  # characters; beyond, a digest tells two recipes apart
LONGEST_RECIPE = 60  # characters in a label, and so in the name of a figure's file; beyond, the same


@dataclass(frozen=True)
class Board:
    """The leaderboard's numbers, the rows they were computed from by identity, and the records left out."""

    frame: pd.DataFrame
    rows: dict[str, Row]
    left_out: list[LeftOut]


def board(stored: Iterable[Stored], left_out: Sequence[LeftOut] = ()) -> Board:
    """Score records and put them in order; `left_out` is what could not even be loaded.

    The frame's index is the row's identity; scores are fractions with `<name>_sd` beside them (sample standard
    deviation over seeds, NaN with one seed), times are seconds. A row without a finished trial has NaN for its numbers
    and stands last in its section, with `status` and `reason`. `clean_accuracy` is of the test images without a twin in
    another part of the data; its columns are there only where a test set has images with one.
    """
    found, unreadable = rows(stored)
    by_id = {row.id: row for row in found}
    names = _names(found)
    frame = pd.DataFrame([_numbers(row) | names[row.id] for row in found], columns=_columns())
    frame.index = pd.Index(list(by_id), name="row", dtype=str)
    frame = frame.astype({name: float for name in _columns() if name in FLOATS or name.endswith("_sd")})
    frame = frame.sort_values(
        [*SECTION, "accuracy", "model", "recipe"],
        ascending=[True, True, True, False, True, True],
        na_position="last",
        kind="stable",
    )
    frame["rank"] = frame.groupby(SECTION)["accuracy"].rank(ascending=False, method="min").astype("Int64")
    if frame["clean_accuracy"].isna().all():
        frame = frame.drop(columns=OF_TWINS)
    return Board(frame, {i: by_id[i] for i in frame.index}, [*left_out, *unreadable])


def leaderboard(stored: Iterable[Stored]) -> pd.DataFrame:
    """The leaderboard's numbers alone; see `board`."""
    return board(stored).frame


def section_name(dataset: str, protocol: str, fingerprint: str = "", remarks: str = "") -> str:
    """How a section is headed: drawn faces are never taken for a benchmark, nor a leaky split for a sound one.

    A fingerprint is given where it matters.
    """
    shown = f"{SYNTHETIC} (drawn faces, not a benchmark result)" if dataset == SYNTHETIC else dataset
    data = f" (data {fingerprint[:8]})" if fingerprint else ""
    return f"{shown}, protocol {protocol}{data}" + (f" ({remarks})" if remarks else "")


def sections(frame: pd.DataFrame) -> Iterable[tuple[str, str, pd.DataFrame]]:
    """(Heading, file name stem, rows) of each section, in the frame's order."""
    datas = frame.groupby(["dataset", "protocol"])["fingerprint"].nunique()
    for (dataset, protocol, fingerprint), group in frame.groupby(SECTION, sort=False):
        told = fingerprint if datas[dataset, protocol] > 1 else ""
        stem = f"{dataset}-{protocol}" + (f"-{told[:8]}" if told else "")
        remarks = "; ".join(dict.fromkeys(text for text in group["remarks"] if text))
        yield section_name(dataset, protocol, told, remarks), stem, group


def machine_text(machine: dict[str, Any]) -> str:
    """One line on a machine: processor, cores, memory in GiB, accelerator, library versions."""
    cores, memory = machine.get("cores"), machine.get("memory_bytes")
    accelerator, versions = machine.get("accelerator"), machine.get("versions") or {}
    parts = [
        str(machine.get("processor") or "unknown processor"),
        plural(cores, "core") if isinstance(cores, int) else "cores unknown",
        f"{memory / 2**30:.1f} GiB memory" if isinstance(memory, int) else "memory unknown",
        accelerator if accelerator not in (None, "", "none") else "no accelerator",
    ]
    return ", ".join(parts) + ("; " + ", ".join(f"{k} {v}" for k, v in sorted(versions.items())) if versions else "")


def _columns() -> list[str]:
    spread = [column for name in SCORES for column in (name, f"{name}_sd")]
    return [
        *("rank", "label", "model", "dataset", "protocol", "fingerprint", "recipe", "variant", "weights", "backend"),
        *("precision", "test_views", "seeds", "folds", "failed", "status", "reason"),
        *spread,
        *NUMBERS,
        *("remarks", "badges", "machine"),
    ]


def _numbers(row: Row) -> dict[str, Any]:
    trial, finished = row.trial, [r for seed in row.seeds for r in seed.records]
    numbers: dict[str, Any] = {
        "model": trial.architecture,
        "dataset": trial.dataset,
        "protocol": trial.protocol,
        "fingerprint": trial.fingerprint,
        "recipe": trial.recipe_name,
        "weights": row.weights,
        "backend": trial.backend,
        "precision": _precision(trial),
        "test_views": str(trial.recipe.get("test_views", 1)),
        "seeds": len(row.seeds),
        "folds": len(row.folds),
        "failed": len(row.failed),
        "status": "finished" if row.seeds else row.failed[0].status,
        "reason": "; ".join(dict.fromkeys(r.reason for r in row.failed if r.reason)),
        "parameters": _mean(r.parameters for r in row.records),
        "training_seconds": _mean(_wall_clock(seed.records) for seed in row.seeds),
        "images_per_second": _mean(r.costs and r.costs.images_per_second for r in finished),
        "epochs": _mean(len(r.history) for r in finished),
        "best_epoch": _mean(r.best_epoch for r in finished),
        "test_images": max((seed.test_images for seed in row.seeds), default=None),
        "clean_test_images": max((seed.clean_images for seed in row.seeds), default=None),
        "remarks": "; ".join(row.remarks),
        "badges": " · ".join(_badges(row)),
        "machine": " + ".join(dict.fromkeys(machine_text(r.machine) for r in row.records)),
    }
    for name in SCORES:
        values = [_score(seed, name) for seed in row.seeds]
        numbers[name] = float(np.mean(values)) if values else float("nan")
        numbers[f"{name}_sd"] = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
    return numbers


def _precision(trial: Trial) -> str:
    return str(trial.recipe.get("precision", "unknown precision"))  # a record written by hand must not stop the report


def _score(seed: SeedResult, name: str) -> float:
    return seed.scores[name] if name in seed.scores else getattr(seed, name)


def _mean(values: Iterable[float | None]) -> float:
    known = [v for v in values if v is not None]
    return fmean(known) if known else float("nan")


def _wall_clock(folds: list[Record]) -> float | None:
    """Seconds over all folds of a seed; None where one was not measured, since a part is not the whole."""
    seconds = [r.wall_clock_seconds for r in folds]
    return None if None in seconds else sum(seconds)


def _badges(row: Row) -> list[str]:
    trial, views = row.trial, str(row.trial.recipe.get("test_views", 1))
    badges = [
        trial.protocol,
        *row.remarks,
        f"{row.weights} weights",
        VIEWS.get(views, f"test views: {views}"),
        plural(len(row.seeds), "seed"),
        SELECTION,
        _precision(trial),
        trial.backend,
    ]
    if len(row.folds) > 1:
        badges.append(f"{len(row.folds)} folds pooled" if row.complete else "folds missing")
    return [SYNTHETIC, *badges] if trial.dataset == SYNTHETIC else badges


def plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _names(found: list[Row]) -> dict[str, dict[str, str]]:
    """By identity: the shortest name that no other row of the section has (label), and in what equal names differ."""
    models: dict[tuple, list[Row]] = defaultdict(list)
    for row in found:
        models[(*row.section, row.trial.architecture)].append(row)
    return {row.id: _name(row, alike) for alike in models.values() for row in alike}


def _name(row: Row, model: list[Row]) -> dict[str, str]:
    alike = [r for r in model if r.trial.recipe_name == row.trial.recipe_name]
    variant = _variant(row, alike)
    recipe = "" if len(alike) == len(model) else told_apart([r.trial.recipe_name for r in model])[row.trial.recipe_name]
    if len(recipe) > LONGEST_RECIPE:
        recipe = f"{recipe.partition(',')[0][:LONGEST_RECIPE]} … {row.id[:6]}"
    named = f"{row.trial.architecture} {recipe}".rstrip()
    return {"variant": variant, "label": f"{named} ({variant})" if variant else named}


def told_apart(recipes: Iterable[str]) -> dict[str, str]:
    """Recipes' names → the same without the departures that all of them share."""
    parts = {recipe: recipe.split(", ") for recipe in recipes}
    shared = set.intersection(*(set(departures) for _, *departures in parts.values()))
    return {recipe: ", ".join([name, *(d for d in rest if d not in shared)]) for recipe, (name, *rest) in parts.items()}


def _variant(row: Row, alike: list[Row]) -> str:
    """In what a row differs from those of its model and recipe name; empty where it is the only one."""
    if len(alike) == 1:
        return ""
    fields, mine = [_fields(r) for r in alike], _fields(row)
    text = ", ".join(value for key, value in mine.items() if len({f.get(key) for f in fields}) > 1)
    return text if 0 < len(text) <= LONGEST_VARIANT else f"row {row.id[:6]}"


def _fields(row: Row) -> dict[str, str]:
    """All in which two rows can differ, each as it is shown."""
    trial = row.trial
    return {
        "weights": trial.initial_weights.replace(":", " ")[:15],
        "backend": trial.backend,
        "source": f"source {trial.source[:6]}",
        "procedure": f"procedure {trial.procedure}",
        **{f"recipe.{key}": f"{key}={value}" for key, value in trial.recipe.items()},
    }
