"""The values of one row of the leaderboard, by column of its frame."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, median
from typing import Any

import numpy as np

from fer_bench.core.text import plural
from fer_bench.evaluation.metrics import METRICS
from fer_bench.leaderboard.column import BADGE_SEPARATOR, WARNING_SEPARATOR, reached_key
from fer_bench.leaderboard.columns import COLUMNS, TIME_TO_TARGET
from fer_bench.leaderboard.confidence import AccuracyInterval
from fer_bench.leaderboard.corruption_notes import mean_corruption_accuracy
from fer_bench.leaderboard.row_warnings import row_warnings, suspicion, training_accuracy
from fer_bench.leaderboard.rows import SYNTHETIC, LeaderboardRow, SeedResult, absent_classes
from fer_bench.records.schema import EXTERNAL, Costs, Record, Trial
from fer_bench.records.time_to_target import seconds_to_target, target_name

SELECTION = "selected on validation"  # the only selection that training offers
TEST_VIEWS = {"1": "1 test view", "flip": "2 test views (flip)", "ten-crop": "10 test views (ten-crop)"}
METRIC_KEYS = [column.key for column in COLUMNS if column.key in METRICS]
COST_KEYS = [column.key for column in COLUMNS if column.key in Costs.model_fields]


def row_values(
    row: LeaderboardRow, interval: AccuracyInterval | None, targets: Iterable[float], machines: Sequence[str]
) -> dict[str, Any]:
    """Return a row's values; columns that do not apply are missing.

    Args:
        row: The row.
        interval: Its interval; None without a finished trial.
        targets: The validation accuracies of the times to target.
        machines: All machines of the leaderboard, as `machine_text` describes them.
    """
    of_row = list(count_machines(row.records))
    trial, finished = row.trial, [record for seed in row.seeds for record in seed.records]
    costs = [record.costs for record in finished if record.costs]
    return {
        "model": trial.architecture,
        "dataset": trial.dataset,
        "protocol": trial.protocol,
        "fingerprint": trial.fingerprint,
        "benchmark_version": row.benchmark_version,
        "recipe": trial.recipe_name,
        "weights": row.weights,
        "backend": trial.backend,
        "precision": _precision(trial),
        "tta": str(trial.recipe.get("tta", 1)),
        "seeds": len(row.seeds),
        "folds": len(row.folds),
        "machine_numbers": _numbers(of_row, machines) if len(machines) > 1 else None,
        "failed": len(row.failed),
        "status": "finished" if row.seeds else row.failed[0].status,
        "reason": "; ".join(dict.fromkeys(record.reason for record in row.failed if record.reason)),
        "suspicion": suspicion(row) or None,
        "warnings": WARNING_SEPARATOR.join(row_warnings(row)) or None,
        **_scores(row, interval),
        "corruption_accuracy": mean_corruption_accuracy(row),
        "parameters": _mean(record.num_parameters for record in row.records),
        "training_seconds": _mean(_wall_clock_seconds(seed.records) for seed in row.seeds),
        **_times_to_targets(finished, targets),
        **{key: _mean(getattr(cost, key) for cost in costs) for key in COST_KEYS},
        "epochs": _mean(len(record.history) or None for record in finished),
        "best_epoch": _mean(record.best_epoch for record in finished),
        "test_images": max((seed.test_images for seed in row.seeds), default=None),
        "dedup_test_images": max(
            (seed.dedup_test_images for seed in row.seeds if not np.isnan(seed.dedup_accuracy)), default=None
        ),
        "absent_classes": ", ".join(_absent_classes(row)),
        "split_notes": "; ".join(row.split_notes),
        "badges": BADGE_SEPARATOR.join(_badges(row)),
        "machine": " + ".join(of_row),
    }


def count_machines(records: Iterable[Record]) -> Counter[str]:
    """Return the number of trials by machine, most used first."""
    return Counter(dict(Counter(machine_text(record.machine) for record in records).most_common()))


def machine_text(machine: Mapping[str, Any]) -> str:
    """Return one line on a machine: processor, cores, memory in GiB, accelerator, library versions."""
    cores, memory = machine.get("cores"), machine.get("memory_bytes")
    accelerator, versions = machine.get("accelerator"), machine.get("versions") or {}
    parts = [
        str(machine.get("processor") or "unknown processor"),
        plural(cores, "core") if isinstance(cores, int) else "cores unknown",
        f"{memory / 2**30:.1f} GiB memory" if isinstance(memory, int) else "memory unknown",
        accelerator if accelerator not in (None, "", "none") else "no accelerator",
    ]
    return ", ".join(parts) + ("; " + ", ".join(f"{k} {v}" for k, v in sorted(versions.items())) if versions else "")


def _numbers(of_row: Iterable[str], machines: Sequence[str]) -> str:
    return ", ".join(str(number) for number in sorted(1 + machines.index(text) for text in of_row))


def _scores(row: LeaderboardRow, interval: AccuracyInterval | None) -> dict[str, Any]:
    """Return means over seeds with `<name>_sd`, the sample standard deviation over seeds if there are several."""
    values: dict[str, Any] = {"tied": interval and interval.tied}
    if interval:
        values |= {"accuracy_low": interval.low, "accuracy_high": interval.high, "test_groups": interval.num_groups}
    by_name: dict[str, list[float]] = {key: [seed.scores[key] for seed in row.seeds] for key in METRIC_KEYS}
    by_name["dedup_accuracy"] = [seed.dedup_accuracy for seed in row.seeds]
    by_name["validation_accuracy"] = [seed.validation_accuracy for seed in row.seeds]
    by_name["training_accuracy"] = [] if (accuracy := training_accuracy(row)) is None else [accuracy]
    if len(row.folds) > 1:
        by_name["fold_accuracy"] = _fold_accuracies(row.seeds)
    for name, numbers in by_name.items():
        values[name] = float(np.mean(numbers)) if numbers else None
        values[f"{name}_sd"] = float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None
    return values


def _precision(trial: Trial) -> str:
    return str(trial.recipe.get("precision", "unknown precision"))  # a record written by hand must not stop the report


def _mean(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return fmean(known) if known else float("nan")


def _wall_clock_seconds(folds: list[Record]) -> float | None:
    """Return seconds over all folds of a seed; None if one was not measured."""
    seconds = [record.wall_clock_seconds for record in folds]
    return None if None in seconds else sum(second for second in seconds if second is not None)


def _times_to_targets(trials: Iterable[Record], targets: Iterable[float]) -> dict[str, Any]:
    """Return the median time to each target, infinite for a miss, and how many trials reached it: `2 of 3`."""
    trained = [record for record in trials if record.history]
    values: dict[str, Any] = {}
    for target in targets if trained else ():
        times = [seconds_to_target(record, target) for record in trained]
        key = f"{TIME_TO_TARGET}{target_name(target)}"
        values[key] = median(times)
        values[reached_key(key)] = f"{sum(map(math.isfinite, times))} of {len(times)}"
    return values


def _fold_accuracies(seeds: list[SeedResult]) -> list[float]:
    """Return the accuracy of each fold, mean over the seeds that have the fold."""
    folds: dict[int, list[float]] = defaultdict(list)
    for seed in seeds:
        for fold, accuracy in seed.fold_accuracies.items():
            folds[fold].append(accuracy)
    return [fmean(values) for values in folds.values()]


def _absent_classes(row: LeaderboardRow) -> list[str]:
    """Return the classes without a test image in any seed."""
    if not row.seeds:
        return []
    support = np.max([seed.per_class.support for seed in row.seeds], axis=0)
    return absent_classes(row.seeds[0].records[0].classes, support)


def _badges(row: LeaderboardRow) -> list[str]:
    trial, tta = row.trial, str(row.trial.recipe.get("tta", 1))
    views = TEST_VIEWS.get(tta, f"test views: {tta}")
    badges = [SYNTHETIC] if trial.dataset == SYNTHETIC else []
    badges += [trial.protocol, *row.split_notes]
    if trial.ensemble:
        badges.append(_ensemble_badge(row))
    if trial.external:  # its weights, seeds, selection and precision are unknown
        badges += [EXTERNAL, *filter(None, [suspicion(row)]), *row.model_notes, views, trial.backend]
    else:
        badges += [*row.model_notes, trial.start, views, _seeds_badge(row), SELECTION, _precision(trial)]
        badges.append(trial.backend)
    concurrent = max((record.costs.concurrent_trials for record in row.records if record.costs), default=1)
    if concurrent > 1:
        badges.append(f"timed with {concurrent} concurrent trials")
    if len(row.folds) > 1:
        badges.append(f"{len(row.folds)} folds pooled" if row.complete else "folds missing")
    return badges


def _seeds_badge(row: LeaderboardRow) -> str:
    """Return how many seeds the scores are a mean over, or how many seeds vote together in an ensemble."""
    voting = max((len({member.seed for member in record.members}) for record in row.records), default=0)
    return f"members of {voting} seeds" if voting > 1 else plural(len(row.seeds), "seed")


def _ensemble_badge(row: LeaderboardRow) -> str:
    """Return how many distinct trials vote; a greedy selection may differ between seeds and folds."""
    sizes = sorted({len(record.members) for record in row.records})
    return f"ensemble of {sizes[0]}" + (f" to {sizes[-1]}" if sizes[1:] else "")
