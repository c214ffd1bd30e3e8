"""The columns of the leaderboard's tables: what each shows of a row of the frame."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from fer_bench.core.text import (
    UNKNOWN,
    decimal,
    decimal_interval,
    duration,
    interval,
    mean_count,
    megabytes,
    millions,
    milliseconds,
    operations,
    percent,
    rate,
)
from fer_bench.evaluation.metrics import accuracy_half_width

Values = Mapping[str, Any]  # a row of the frame, by column
Cell = Callable[[Values], str]

INTERVAL = "95 % interval"
NO_SHARES = ("kappa", "log_loss")  # not shown in per cent
ABBREVIATED = {
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "macro_auc": "macro AUC",
    "weighted_auc": "weighted AUC",
    "top2_accuracy": "top-2 accuracy",
    "ece": "ECE",
}
ALIKE = "≈"  # before the rank of a row that cannot be told from the best


def score(name: str, spread: bool = True) -> Cell:
    """A score in per cent with its standard deviation."""
    return lambda row: percent(row[name], row[f"{name}_sd"] if spread else float("nan"))


def rank(row: Values) -> str:
    """`≈ 2`: the second of its table, and not told from the first of its section."""
    if pd.isna(row["rank"]):
        return UNKNOWN
    place = row.get("group_rank", row["rank"])
    return f"{ALIKE} {place}" if row["best_group"] is True and row["rank"] > 1 else str(place)


def _recipe(row: Values) -> str:
    return f"{row['recipe']} ({row['variant']})" if row["variant"] else row["recipe"]


def _text(name: str) -> Cell:
    return lambda row: str(row[name])


def _number(name: str, shown: Callable[[float], str]) -> Cell:
    return lambda row: shown(row[name])


def _decimal(name: str) -> Cell:
    return lambda row: decimal(row[name], row[f"{name}_sd"])


def header(metric: str) -> str:
    """What the tables call a metric."""
    return ABBREVIATED.get(metric, metric.replace("_", " "))


def of_metric(metric: str) -> Cell:
    """A metric in per cent where it is a share, with its standard deviation."""
    return _decimal(metric) if metric in NO_SHARES else score(metric)


def interval_of(metric: str) -> Cell:
    """The 95 % interval of a metric."""
    shown = decimal_interval if metric in NO_SHARES else interval
    return lambda row: shown(row[f"{metric}_low"], row[f"{metric}_high"])


WHICH: dict[str, Cell] = {
    "rank": rank,
    "model": _text("model"),
    "recipe": _recipe,
    "weights": _text("weights"),
}
SCORES: dict[str, Cell] = WHICH | {
    "seeds": _text("seeds"),
    "failed": _text("failed"),
    "accuracy": score("accuracy"),
    INTERVAL: interval_of("accuracy"),
    "clean accuracy": score("clean_accuracy"),
    "mean of folds": score("fold_accuracy"),
    "validation accuracy": score("validation_accuracy"),
    "macro precision": score("macro_precision"),
    "macro recall": score("macro_recall"),
    "macro F1": score("macro_f1"),
    "weighted precision": score("weighted_precision"),
    "weighted recall": score("weighted_recall"),
    "weighted F1": score("weighted_f1"),
    "macro AUC": score("macro_auc"),
    "top-2 accuracy": score("top2_accuracy"),
    "kappa": _decimal("kappa"),
    "log loss": _decimal("log_loss"),
    "ECE": score("ece"),
    "badges": _text("badges"),
}
COSTS: dict[str, Cell] = WHICH | {
    "under corruptions": _number("corruption_accuracy", percent),
    "parameters": _number("parameters", millions),
    "FLOPs": _number("flops", operations),
    "size": _number("model_bytes", megabytes),
    "training time": _number("training_seconds", duration),
    "to 60 %": _number("seconds_to_60", duration),
    "images/s": _number("images_per_second", rate),
    "latency p50": _number("latency_p50_seconds", milliseconds),
    "latency p95": _number("latency_p95_seconds", milliseconds),
    "predicted images/s": _number("predict_images_per_second", rate),
    "batch": _number("predict_batch_size", mean_count),
    "peak memory": _number("peak_memory_bytes", megabytes),
    "epochs": _number("epochs", mean_count),
    "best epoch": _number("best_epoch", mean_count),
}
LEFT = {"model", "recipe", "weights", "badges"}

# Shown only where a row of the section has something in that column of the frame.
WHERE_KNOWN = {
    "clean accuracy": "clean_accuracy",
    "mean of folds": "fold_accuracy",
    "under corruptions": "corruption_accuracy",
    "FLOPs": "flops",
    "size": "model_bytes",
    "to 60 %": "seconds_to_60",
    "latency p50": "latency_p50_seconds",
    "latency p95": "latency_p95_seconds",
    "predicted images/s": "predict_images_per_second",
    "batch": "predict_batch_size",
    "peak memory": "peak_memory_bytes",
}


def with_something(columns: dict[str, Any], group: pd.DataFrame) -> dict[str, Any]:
    """The columns without those that are empty in the whole section."""
    empty = {name for name, of in WHERE_KNOWN.items() if of not in group or group[of].isna().all()}
    return {name: column for name, column in columns.items() if name not in empty}


def of_ranking(metric: str, frame: pd.DataFrame) -> dict[str, Cell]:
    """The columns of a metric that ranks in place of the accuracy, with its interval where the frame has one."""
    if metric == "accuracy":
        return {}
    interval = {INTERVAL: interval_of(metric)} if f"{metric}_low" in frame else {}
    return {header(metric): of_metric(metric)} | interval


def put_first(columns: dict[str, Any], first: dict[str, Any]) -> dict[str, Any]:
    """The columns with some others, or the same, as the first scores."""
    names = list(columns)
    which = {name: columns[name] for name in names[: names.index("accuracy")]}
    return which | first | {name: column for name, column in columns.items() if name not in which | first}


def half_width(scored: pd.DataFrame) -> tuple[int, float]:
    """The number of test images, and half the 95 % binomial interval of the best accuracy in points."""
    images = int(scored["test_images"].max())
    return images, 100 * accuracy_half_width(scored["accuracy"].max(), images)
