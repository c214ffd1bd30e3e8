"""What the page tells of one row when it is opened, in few numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fer_bench.evaluation.calibration import reliability
from fer_bench.evaluation.curves import roc
from fer_bench.leaderboard.rows import Row, SeedResult
from fer_bench.records.schema import Predictions, Record

Read = Callable[[SeedResult], Predictions | None]  # the test predictions of a seed, its folds pooled

MISTAKES = 20
MOST_CURVES = 10  # trials whose history is drawn
LONGEST_ID = 120  # characters of a sample's id
GRID = np.linspace(0, 1, 41) ** 2  # false positive rates: closest where curves bend


def described(row: Row, read: Read) -> dict[str, Any]:
    """Curves, confusion, per-class scores, ROC, reliability, mistakes, trials of a row; JSON's types alone.

    Where there are several seeds, scores and ROC curves are means over them (of the curves: true positive rates at the
    same false positive rate), counts are pooled, and mistakes are those of the mean of the probabilities.
    """
    drawn = [record for record in row.records if record.history]
    found: dict[str, Any] = {
        "classes": row.records[0].classes,
        "pooled": len(row.seeds),
        "curves": [_curve(record, len(row.folds) > 1) for record in drawn[:MOST_CURVES]],
        "curves_of": len(drawn),
        "trials": [_trial(record, row) for record in row.records],
        "identity": _identity(row),
    }
    seeds = [read(seed) for seed in row.seeds]
    if seeds and None not in seeds:
        found |= _predicted(row, seeds)
    return found


def _predicted(row: Row, seeds: list[Predictions]) -> dict[str, Any]:
    pooled = [np.concatenate([getattr(p, name) for p in seeds]) for name in ("labels", "probabilities")]
    return {
        "confusion": np.sum([seed.confusion for seed in row.seeds], axis=0).tolist(),
        "per_class": _per_class(row.seeds),
        "roc": {"fpr": _plain(GRID), "tpr": _roc(seeds)},
        "reliability": _reliability(*pooled),
        "mistakes": _mistakes(seeds),
    }


def _per_class(seeds: list[SeedResult]) -> list[dict[str, Any]]:
    found = [seed.of_class for seed in seeds]
    classes = range(len(found[0].support))
    result: list[dict[str, Any]] = [{"images": int(found[0].support[c])} for c in classes]
    for name in ("precision", "recall", "f1", "auc"):
        values = np.stack([getattr(one, name) for one in found])
        for c in classes:
            result[c][name] = number(values[:, c].mean())
            if len(found) > 1 and name != "auc":
                result[c][f"{name}_sd"] = number(values[:, c].std(ddof=1))
    return result


def _roc(seeds: list[Predictions]) -> list[list[float] | None]:
    """True positive rates at GRID, mean over seeds (Fawcett, 2006: vertical averaging); None for a class without."""
    classes = zip(*(roc(p.labels, p.probabilities, GRID) for p in seeds), strict=True)
    # `in` would compare arrays.
    return [None if any(c is None for c in curves) else _plain(np.mean(curves, axis=0)) for curves in classes]


def _reliability(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    found = reliability(labels, probabilities)
    return {
        "confidence": _plain(found.confidence),
        "accuracy": _plain(found.accuracy),
        "count": found.count.tolist(),
        "ece": number(found.ece),
    }


def _mistakes(seeds: list[Predictions]) -> dict[str, Any]:
    """Samples that the mean of the seeds' probabilities gets wrong, the surest first: by id, never by picture."""
    first = seeds[0]
    if any(not np.array_equal(first.ids, p.ids) for p in seeds):
        seeds = seeds[:1]  # seeds that were tested on different samples have no mean
    mean = np.mean([p.probabilities for p in seeds], axis=0)
    mean = mean / mean.sum(axis=1, keepdims=True)
    predicted, sure = mean.argmax(axis=1), mean.max(axis=1)
    wrong = np.flatnonzero(predicted != first.labels)
    by_seed = np.sum([p.probabilities.argmax(axis=1) != first.labels for p in seeds], axis=0)
    surest = wrong[np.argsort(-sure[wrong], kind="stable")][:MISTAKES]
    lines = [
        [str(first.ids[i])[:LONGEST_ID], int(first.labels[i]), int(predicted[i]), number(sure[i]), int(by_seed[i])]
        for i in surest
    ]
    return {"number": len(wrong), "samples": len(first.labels), "seeds": len(seeds), "first": lines}


def _curve(record: Record, folds: bool) -> dict[str, Any]:
    names = ("loss", "validation_loss", "accuracy", "validation_accuracy")
    series = {name: _plain(getattr(epoch, name) for epoch in record.history) for name in names}
    return {"name": _trial_name(record, folds), "best": record.best_epoch or 0, **series}


def _trial(record: Record, row: Row) -> dict[str, Any]:
    scored = {seed.seed: seed.fold_accuracies for seed in row.seeds}.get(record.trial.seed, {})
    return {
        "name": _trial_name(record, len(row.folds) > 1),
        "status": record.status,
        "reason": record.reason,
        "accuracy": number(scored.get(record.trial.fold)) if record.status == "finished" else None,
        "epochs": len(record.history),
        "best_epoch": record.best_epoch,
        "seconds": number(record.wall_clock_seconds),
        "peak_memory": record.costs and record.costs.peak_memory_bytes,
        "started": record.started[:16].replace("T", " "),
        "key": record.trial.key[:12],
    }


def _trial_name(record: Record, folds: bool) -> str:
    return f"seed {record.trial.seed}" + (f", fold {record.trial.fold}" if folds else "")


def _identity(row: Row) -> dict[str, str]:
    trial = row.trial
    return {
        "initial weights": trial.initial_weights,
        "backend": trial.backend,
        "architecture's source": trial.source_digest[:16],
        "data fingerprint": trial.fingerprint[:16],
        "training procedure": str(trial.procedure_version),
        "row": row.id,
    }


def recipe(row: Row) -> dict[str, str]:
    """A recipe in full: dotted names → values as text."""
    return dict(_flat(row.trial.recipe))


def _flat(values: dict[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", "none" if value is None or value == "" else str(value)


def number(value: float | None) -> float | int | None:
    """Six digits are enough for any table; None for what is not known or not finite."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else float(f"{value:.6g}")


def _plain(values: Iterable[float]) -> list[float | None]:
    """Four digits, enough to draw; None where not finite."""
    return [float(f"{v:.4g}") if math.isfinite(v) else None for v in map(float, values)]
