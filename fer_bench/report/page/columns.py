"""The columns of the page's tables: what each is called, how its numbers are shown, what they mean."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd


@dataclass(frozen=True)
class Column:
    """One column of the leaderboard's frame, where scores are fractions and times seconds.

    kind: a format of script/format.js, or "interval". first: shown at once; the others with "all columns". better: the
    end that a first click on the header brings to the top.
    """

    key: str
    label: str
    kind: str
    help: str
    first: bool = False
    better: str = "low"


def _score(key: str, label: str, text: str, kind: str = "score") -> Column:
    return Column(key, label, kind, text, better="high")


ALIKE, BY_SHARE = "every class alike", "classes by their share of the test images"

ALL = (
    Column("rank", "#", "count", "Rank by accuracy within the table; ≈ where a row cannot be told from the best."),
    Column("label", "model", "text", "Architecture, and below it the recipe that trained it."),
    _score("accuracy", "accuracy", "Share of right test images: mean over seeds ± the standard deviation over them."),
    _score("interval", "95 % interval", "Of the accuracy, over the draw of the test images.", "interval"),
    _score("fold_accuracy", "mean of folds", "Mean of the folds' accuracies ± their standard deviation."),
    _score("clean_accuracy", "clean accuracy", "Accuracy on the test images that have no twin in another part."),
    _score("corruption_accuracy", "under corruptions", "Mean accuracy on corrupted test images: see the notes."),
    _score("validation_accuracy", "validation accuracy", "Accuracy on the images that chose the epoch."),
    _score("balanced_accuracy", "balanced accuracy", "Mean of the recalls of the classes."),
    _score("top2_accuracy", "top-2 accuracy", "Share of test images whose class is one of the two most probable."),
    _score("macro_precision", "macro precision", f"Share of right ones among those taken for a class, {ALIKE}."),
    _score("macro_recall", "macro recall", f"Share of right ones among those of a class, {ALIKE}."),
    _score("macro_f1", "macro F1", f"Harmonic mean of precision and recall, {ALIKE}."),
    _score("weighted_precision", "weighted precision", f"Precision, {BY_SHARE}."),
    _score("weighted_recall", "weighted recall", f"Recall, {BY_SHARE}."),
    _score("weighted_f1", "weighted F1", f"F1, {BY_SHARE}."),
    _score("macro_auc", "macro AUC", f"Area under the ROC curve of a class against the rest, {ALIKE}."),
    _score("weighted_auc", "weighted AUC", f"The same, {BY_SHARE}."),
    _score("kappa", "Cohen's κ", "Agreement with the labels beyond chance, from −1 to 1.", "number"),
    Column("log_loss", "log loss", "number", "Mean negative logarithm of the true class's probability, in nats."),
    Column("ece", "ECE", "score", "Expected calibration error: how far confidence is from accuracy, in points."),
    Column("average_rank", "average rank", "number", "Mean rank over the datasets on which it was tested."),
    Column("parameters", "parameters", "amount", "Numbers that the model is made of."),
    Column("flops", "FLOPs", "operations", "Floating-point operations for one image or sequence."),
    Column("model_bytes", "size on disk", "bytes", "Of the saved model without the optimiser's state."),
    Column("training_seconds", "training time", "duration", "Wall-clock of training and validation, all epochs."),
    Column("seconds_to_60", "time to 60 %", "duration", "Training wall-clock until 60 % validation accuracy."),
    _score("images_per_second", "images/s", "Training throughput.", "rate"),
    Column("latency_p50_seconds", "latency p50", "milliseconds", "Median time to predict a single image."),
    Column("latency_p95_seconds", "latency p95", "milliseconds", "Time that 95 % of single predictions keep within."),
    _score("predict_images_per_second", "predicted images/s", "Throughput of prediction in batches.", "rate"),
    Column("predict_batch_size", "prediction batch", "count", "Images to a batch in the throughput of prediction."),
    Column("peak_memory_bytes", "peak memory", "bytes", "Of the process, while the trial ran."),
    Column("epochs", "epochs", "count", "Epochs run."),
    Column("best_epoch", "best epoch", "count", "The epoch kept: the best on validation."),
    Column("weights", "weights", "text", "Initial weights: those of ImageNet, or random ones."),
    _score("seeds", "seeds", "Finished repeats with other random numbers.", "count"),
    _score("failed", "failed", "Trials that failed or diverged.", "count"),
    Column("family", "family", "text", "Architectures of one family are made of the same building blocks."),
    Column("backend", "backend", "text", "The library that trained and predicted."),
    Column("precision", "precision", "text", "Floating-point precision of training."),
    Column("test_views", "test views", "text", "Views of each test image, over which probabilities are averaged."),
    Column("test_images", "test images", "count", "Number of test images."),
    Column("test_groups", "test groups", "count", "Persons drawn whole for the interval; a dash where images were."),
)
FIRST = {
    *("rank", "label", "accuracy", "interval", "fold_accuracy", "clean_accuracy", "macro_f1", "macro_auc"),
    *("parameters", "flops", "training_seconds", "images_per_second", "weights", "seeds", "failed"),
}
COLUMNS = tuple(replace(column, first=column.key in FIRST) for column in ALL)
ALWAYS = {"rank", "label", "accuracy"}  # so that there is a place to tell a failure
ADDED = {"family", "interval"}  # by the page itself
BESIDE = ("id", "model", "recipe", "recipe_kind", "variant", "status", "reason", "badges", "best_group")


def present(frame: pd.DataFrame) -> list[Column]:
    """The columns that a frame has values for."""
    filled = {key for key in frame if frame[key].notna().any()} | ALWAYS | ADDED
    return [column for column in COLUMNS if column.key in filled]


def described(columns: list[Column]) -> list[dict[str, Any]]:
    """Columns as the page's script reads them."""
    return [asdict(column) for column in columns]
