"""The details of a row: curves, confusion matrix, scores per class, mistakes, trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from fer_bench.core.text import flatten
from fer_bench.evaluation.calibration import reliability
from fer_bench.evaluation.curves import roc_curves
from fer_bench.leaderboard.rows import LeaderboardRow, SeedResult
from fer_bench.records.schema import Predictions, Record

# Returns the test predictions of a seed, pooled over its folds; None if they cannot be read.
PredictionReader = Callable[[SeedResult], Predictions | None]

MAX_MISTAKES = 20
MAX_CURVES = 10
MAX_ID_LENGTH = 120
FPR_GRID = np.linspace(0, 1, 41) ** 2  # false positive rates, dense where ROC curves bend


def row_details(row: LeaderboardRow, read_predictions: PredictionReader) -> dict[str, Any]:
    """Return the details of a row as JSON types.

    With several seeds, scores and ROC curves are means over seeds, counts are pooled, and mistakes are those of the
    averaged probabilities.
    """
    with_history = [record for record in row.records if record.history]
    result: dict[str, Any] = {
        "classes": row.records[0].classes,
        "num_seeds": len(row.seeds),
        "curves": [_curve(record, len(row.folds) > 1) for record in with_history[:MAX_CURVES]],
        "num_curves": len(with_history),
        "trials": [_trial(record, row) for record in row.records],
        "provenance": _provenance(row),
    }
    predictions = [read_predictions(seed) for seed in row.seeds]
    readable = [of_seed for of_seed in predictions if of_seed is not None]
    if readable and len(readable) == len(predictions):
        result |= _prediction_details(row, readable)
    return result


def _prediction_details(row: LeaderboardRow, predictions: list[Predictions]) -> dict[str, Any]:
    labels, probabilities = (
        np.concatenate([getattr(p, name) for p in predictions]) for name in ("labels", "probabilities")
    )
    return {
        "confusion": np.sum([seed.confusion for seed in row.seeds], axis=0).tolist(),
        "per_class": _per_class(row.seeds),
        "roc": {"fpr": _round_curve(FPR_GRID), "tpr": _roc(predictions)},
        "reliability": _reliability(labels, probabilities),
        "mistakes": _mistakes(predictions),
    }


def _per_class(seeds: list[SeedResult]) -> list[dict[str, Any]]:
    per_seed = [seed.per_class for seed in seeds]
    result: list[dict[str, Any]] = [{"images": int(images)} for images in per_seed[0].support]
    for name in ("precision", "recall", "f1", "auc"):
        values = np.stack([getattr(scores, name) for scores in per_seed])
        for index, scores in enumerate(result):
            scores[name] = round_number(values[:, index].mean())
            if len(per_seed) > 1 and name != "auc":
                scores[f"{name}_sd"] = round_number(values[:, index].std(ddof=1))
    return result


def _roc(predictions: list[Predictions]) -> list[list[float | None] | None]:
    """Return true positive rates at FPR_GRID, averaged over seeds (vertical averaging: Fawcett, 2006).

    None for a class without samples.
    """
    by_class = zip(*(roc_curves(p.labels, p.probabilities, FPR_GRID) for p in predictions), strict=True)
    # `None in curves` would compare arrays.
    return [None if any(c is None for c in curves) else _round_curve(np.mean(curves, axis=0)) for curves in by_class]


def _reliability(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    bins = reliability(labels, probabilities)
    return {
        "confidence": _round_curve(bins.confidence),
        "accuracy": _round_curve(bins.accuracy),
        "count": bins.count.tolist(),
        "ece": round_number(bins.ece),
    }


def _mistakes(predictions: list[Predictions]) -> dict[str, Any]:
    """Return the mistakes of the averaged probabilities, the most confident first; ids only, no images."""
    first = predictions[0]
    if any(not np.array_equal(first.ids, p.ids) for p in predictions):
        predictions = predictions[:1]  # probabilities of different samples cannot be averaged
    mean = np.mean([p.probabilities for p in predictions], axis=0)
    mean = mean / mean.sum(axis=1, keepdims=True)
    predicted, confidence = mean.argmax(axis=1), mean.max(axis=1)
    wrong = np.flatnonzero(predicted != first.labels)
    num_wrong_seeds = np.sum([p.probabilities.argmax(axis=1) != first.labels for p in predictions], axis=0)
    most_confident = wrong[np.argsort(-confidence[wrong], kind="stable")][:MAX_MISTAKES]
    lines = [
        [
            str(first.ids[i])[:MAX_ID_LENGTH],
            int(first.labels[i]),
            int(predicted[i]),
            round_number(confidence[i]),
            int(num_wrong_seeds[i]),
        ]
        for i in most_confident
    ]
    return {"count": len(wrong), "samples": len(first.labels), "seeds": len(predictions), "most_confident": lines}


def _curve(record: Record, folds: bool) -> dict[str, Any]:
    names = ("loss", "validation_loss", "accuracy", "validation_accuracy")
    series = {name: _round_curve(getattr(epoch, name) for epoch in record.history) for name in names}
    return {"name": _trial_name(record, folds), "best_epoch": record.best_epoch or 0, **series}


def _trial(record: Record, row: LeaderboardRow) -> dict[str, Any]:
    fold_accuracies = {seed.seed: seed.fold_accuracies for seed in row.seeds}.get(record.trial.seed, {})
    return {
        "name": _trial_name(record, len(row.folds) > 1),
        "status": record.status,
        "reason": record.reason,
        "accuracy": round_number(fold_accuracies.get(record.trial.fold)) if record.status == "finished" else None,
        "epochs": len(record.history),
        "best_epoch": record.best_epoch,
        "seconds": round_number(record.wall_clock_seconds),
        "peak_memory": record.costs and record.costs.peak_memory_bytes,
        "started": record.started[:16].replace("T", " "),
        "key": record.trial.key[:12],
    }


def _trial_name(record: Record, folds: bool) -> str:
    return f"seed {record.trial.seed}" + (f", fold {record.trial.fold}" if folds else "")


def _provenance(row: LeaderboardRow) -> dict[str, str]:
    trial = row.trial
    return {
        "initial weights": trial.initial_weights,
        "backend": trial.backend,
        "source digest": trial.source_digest[:16],
        "data fingerprint": trial.fingerprint[:16],
        "benchmark version": str(row.benchmark_version),
        "procedure version": str(trial.procedure_version),
        "row": row.id,
    }


def flat_recipe(row: LeaderboardRow) -> dict[str, str]:
    """Return the complete recipe: dotted keys and values as text."""
    return {key: "none" if value in (None, "") else str(value) for key, value in flatten(row.trial.recipe).items()}


def round_number(value: float | None) -> float | int | None:
    """Round to six digits, enough for any table; None if unknown or not finite."""
    if value is None or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else float(f"{value:.6g}")


def _round_curve(values: Iterable[float]) -> list[float | None]:
    """Round to four digits, enough for a chart; None if not finite."""
    return [float(f"{v:.4g}") if math.isfinite(v) else None for v in map(float, values)]
