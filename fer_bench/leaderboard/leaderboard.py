"""The leaderboard as numbers: one pandas row for each row of trials, best first within its section."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from fer_bench.core.text import plural
from fer_bench.evaluation.metrics import METRICS
from fer_bench.leaderboard.average_ranks import average_ranks_of
from fer_bench.leaderboard.confidence import Uncertainty, uncertainty
from fer_bench.leaderboard.corruption_notes import corruption_accuracy, corruption_notes
from fer_bench.leaderboard.row_labels import names_of
from fer_bench.leaderboard.rows import LeftOut, Row, SeedResult, rows
from fer_bench.records import StoredRecord
from fer_bench.records.schema import EXTERNAL, Record, Trial

SYNTHETIC = "synthetic"
BETWEEN_BADGES = " · "
SELECTION = "selected on validation"  # the only way the training knows
VIEWS = {"1": "1 test view", "flip": "2 test views (flip)", "ten-crop": "10 test views (ten-crop)"}
SECTION = ["dataset", "protocol", "fingerprint"]
SCORES = ("accuracy", "clean_accuracy", "validation_accuracy", *list(METRICS)[1:])
OF_TWINS = ["clean_accuracy", "clean_accuracy_sd", "clean_test_images"]  # only where any row has them
OF_FOLDS = ["fold_accuracy", "fold_accuracy_sd"]  # the same
OF_CORRUPTIONS = ["corruption_accuracy"]  # the same
INTERVAL = ("accuracy_low", "accuracy_high")
COSTS = (  # by their names in a record
    *("images_per_second", "flops", "model_bytes", "latency_p50_seconds", "latency_p95_seconds"),
    *("predict_images_per_second", "predict_batch_size", "peak_memory_bytes"),
)
NUMBERS = (
    *OF_CORRUPTIONS,
    *("parameters", "training_seconds", "seconds_to_60", *COSTS, "epochs", "best_epoch"),
    *("test_images", "clean_test_images", "test_groups", "average_rank"),
)
FLOATS = (*SCORES, *INTERVAL, *OF_FOLDS, *NUMBERS)
FAIR = 0.6  # the validation accuracy that seconds_to_60 waits for


@dataclass(frozen=True)
class View:
    """How tables show a leaderboard: what ranks, what groups, and sentences on that and on what a filter left out."""

    metric: str = "accuracy"
    by: str | None = None
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Board:
    """The leaderboard's numbers, the rows they were computed from by identity, and the records left out.

    notes: by section (dataset, protocol, fingerprint), sentences on its intervals, on what was compared, and on classes
    without test images; ranks: see `average_ranks_of`; view: see `fer_bench.leaderboard.filter`.
    """

    frame: pd.DataFrame
    rows: dict[str, Row]
    left_out: list[LeftOut]
    notes: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    ranks: pd.DataFrame = field(default_factory=pd.DataFrame)
    view: View = View()


def board(stored: Iterable[StoredRecord], left_out: Sequence[LeftOut] = ()) -> Board:
    """Score records and put them in order; `left_out` is what could not even be loaded.

    The frame's index is the row's identity; scores are of a seed's pooled folds, fractions (the log loss in nats), with
    `<name>_sd` beside them (sample standard deviation over seeds, NaN with one seed), times are seconds. A row without
    a finished trial has NaN for its numbers and stands last in its section, with `status` and `reason`.

    `accuracy_low`, `accuracy_high`: 95 % bootstrap interval over test samples, whole subjects where `test_groups` is
    their number. `best_group`: whether the row cannot be told from the best of its section, None where it was not
    compared. `fold_accuracy`: mean of the folds' own accuracies, its standard deviation over folds. `seconds_to_60`:
    see `_seconds_to`. `corruption_accuracy`: see `report.corrupted`. `clean_accuracy` is of the test images without a
    twin in another part of the data. Columns of folds, twins and corruptions are there only where any row has them.
    """
    found, unreadable = rows(stored)
    by_id = {row.id: row for row in found}
    names = names_of(found)
    known, notes = _uncertain(found, names)
    frame = pd.DataFrame([_numbers(row, known.get(row.id)) | names[row.id] for row in found], columns=_columns())
    frame.index = pd.Index(list(by_id), name="row", dtype=str)
    frame = frame.astype({name: float for name in _columns() if name in FLOATS or name.endswith("_sd")})
    frame = in_order(frame, "accuracy")
    ranks, frame["average_rank"] = average_ranks_of(frame)
    for columns in (OF_TWINS, OF_FOLDS, OF_CORRUPTIONS):
        if frame[columns[0]].isna().all():
            frame = frame.drop(columns=columns)
    return Board(frame, {i: by_id[i] for i in frame.index}, [*left_out, *unreadable], notes, ranks)


def in_order(frame: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The frame with each section's rows from the best by a metric to the worst, and `rank` by it."""
    lower = METRICS[metric].lower_is_better
    keys, ascending = [*SECTION, metric, "model", "recipe"], [True, True, True, lower, True, True]
    frame = frame.sort_values(keys, ascending=ascending, na_position="last", kind="stable")
    frame["rank"] = frame.groupby(SECTION)[metric].rank(ascending=lower, method="min").astype("Int64")
    return frame


def leaderboard(stored: Iterable[StoredRecord]) -> pd.DataFrame:
    """The leaderboard's numbers alone; see `board`."""
    return board(stored).frame


def _uncertain(
    found: list[Row], names: dict[str, dict[str, str]]
) -> tuple[dict[str, Uncertainty], dict[tuple[str, str, str], list[str]]]:
    sections: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in found:
        sections[row.section].append(row)
    known: dict[str, Uncertainty] = {}
    notes = {}
    for section, members in sections.items():
        of_rows, notes[section] = uncertainty(members, lambda row: names[row.id]["label"])
        known |= of_rows
        notes[section] += corruption_notes(members)
    return known, notes


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
        remarks = "; ".join(dict.fromkeys(text for text in group["split_notes"] if text))
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
    spread[2:2] = [*INTERVAL, *OF_FOLDS]  # after the accuracy
    return [
        *("rank", "best_group", "label", "model", "dataset", "protocol", "fingerprint", "recipe", "variant", "weights"),
        *("backend", "precision", "tta", "seeds", "folds", "failed", "status", "reason"),
        *spread,
        *NUMBERS,
        *("absent_classes", "split_notes", "badges", "machine"),
    ]


def _numbers(row: Row, known: Uncertainty | None) -> dict[str, Any]:
    trial, finished = row.trial, [r for seed in row.seeds for r in seed.records]
    costs = [r.costs for r in finished if r.costs]
    numbers: dict[str, Any] = {
        "model": trial.architecture,
        "dataset": trial.dataset,
        "protocol": trial.protocol,
        "fingerprint": trial.fingerprint,
        "recipe": trial.recipe_name,
        "weights": row.weights,
        "backend": trial.backend,
        "precision": _precision(trial),
        "tta": str(trial.recipe.get("tta", 1)),
        "seeds": len(row.seeds),
        "folds": len(row.folds),
        "failed": len(row.failed),
        "status": "finished" if row.seeds else row.failed[0].status,
        "reason": "; ".join(dict.fromkeys(r.reason for r in row.failed if r.reason)),
        "corruption_accuracy": corruption_accuracy(row),
        "parameters": _mean(r.num_parameters for r in row.records),
        "training_seconds": _mean(_wall_clock(seed.records) for seed in row.seeds),
        "seconds_to_60": _seconds_to(FAIR, finished),
        "epochs": _mean(len(r.history) or None for r in finished),
        "best_epoch": _mean(r.best_epoch for r in finished),
        "test_images": max((seed.test_images for seed in row.seeds), default=None),
        "clean_test_images": max((seed.clean_images for seed in row.seeds), default=None),
        "absent_classes": ", ".join(_absent(row)),
        "split_notes": "; ".join(row.remarks),
        "badges": BETWEEN_BADGES.join(_badges(row)),
        "machine": " + ".join(dict.fromkeys(machine_text(r.machine) for r in row.records)),
    }
    numbers |= {name: _mean(getattr(c, name) for c in costs) for name in COSTS}
    numbers["best_group"] = known and known.best_group
    if known:
        numbers |= {"accuracy_low": known.low, "accuracy_high": known.high, "test_groups": known.groups}
    if len(row.folds) > 1 and row.seeds:
        folds = _fold_accuracies(row)
        numbers |= {"fold_accuracy": np.mean(folds), "fold_accuracy_sd": np.std(folds, ddof=1) if folds[1:] else None}
    values = np.array([[_score(seed, name) for name in SCORES] for seed in row.seeds])
    if len(values):
        numbers |= dict(zip(SCORES, values.mean(axis=0).tolist(), strict=True))
    if len(values) > 1:
        numbers |= {f"{name}_sd": sd for name, sd in zip(SCORES, values.std(axis=0, ddof=1).tolist(), strict=True)}
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


def _seconds_to(accuracy: float, trials: list[Record]) -> float:
    """Training and validation until a validation accuracy was first reached, mean over trials; NaN where one never was.

    Seconds of a trial's epochs, to the end of the one that reached it.
    """
    times = []
    for record in trials:
        seconds = np.cumsum([e.train_seconds + e.validation_seconds for e in record.history])
        reached = [i for i, epoch in enumerate(record.history) if epoch.validation_accuracy >= accuracy]
        if not reached:
            return float("nan")
        times.append(float(seconds[reached[0]]))
    return _mean(times)


def _fold_accuracies(row: Row) -> list[float]:
    """Accuracy of each fold on its own, mean over the seeds that have it."""
    folds: dict[int, list[float]] = defaultdict(list)
    for seed in row.seeds:
        for fold, accuracy in seed.fold_accuracies.items():
            folds[fold].append(accuracy)
    return [fmean(values) for values in folds.values()]


def _absent(row: Row) -> list[str]:
    """Classes without a test image in any seed."""
    if not row.seeds:
        return []
    support = np.max([seed.per_class.support for seed in row.seeds], axis=0)
    return [name for name, images in zip(row.seeds[0].records[0].classes, support, strict=True) if not images]


def _badges(row: Row) -> list[str]:
    trial, views = row.trial, str(row.trial.recipe.get("tta", 1))
    shown = VIEWS.get(views, f"test views: {views}")
    if trial.external:  # of its weights, seeds, selection and precision nothing is known
        badges = [trial.protocol, *row.remarks, EXTERNAL, shown, trial.backend]
    else:
        badges = [trial.protocol, *row.remarks, f"{row.weights} weights", shown, _seeds_of(row)]
        badges += [SELECTION, _precision(trial), trial.backend]
    if trial.ensemble:
        badges.insert(1 + len(row.remarks), _ensemble_of(row))
    beside = max((record.costs.concurrent_trials for record in row.records if record.costs), default=1)
    if beside > 1:
        badges.append(f"timed {beside} trials side by side")
    if len(row.folds) > 1:
        badges.append(f"{len(row.folds)} folds pooled" if row.complete else "folds missing")
    return [SYNTHETIC, *badges] if trial.dataset == SYNTHETIC else badges


def _seeds_of(row: Row) -> str:
    """How many seeds the scores are a mean over; of a vote across seeds, how many seeds vote together."""
    voting = max((len({member.seed for member in record.members}) for record in row.records), default=0)
    return f"members of {voting} seeds" if voting > 1 else plural(len(row.seeds), "seed")


def _ensemble_of(row: Row) -> str:
    """How many distinct trials vote; a selection may have chosen more of them in one seed or fold than in another."""
    sizes = sorted({len(record.members) for record in row.records})
    return f"ensemble of {sizes[0]}" + (f" to {sizes[-1]}" if sizes[1:] else "")
