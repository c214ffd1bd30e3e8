"""The one table of the leaderboard's columns, COLUMNS: name, title, format, explanation, and the views that show each.

leaderboard.csv, the terminal, Markdown, LaTeX and the HTML page read the table; its order is the order in all of them.

A new metric is one function with one row of `fer_bench.evaluation.metrics.METRICS`, and one row here. A new cost is one
field of `fer_bench.records.schema.Costs`, and one row here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from fer_bench.evaluation.metrics import METRICS
from fer_bench.leaderboard.column import CSV_ONLY, EVERYWHERE, TABLES, TIED, Column, Group, Kind, View
from fer_bench.records.time_to_target import DEFAULT_TARGETS, target_name

EQUAL_CLASSES, BY_SHARE = "with equal weight for each class", "with each class weighted by its test images"
NAMES = View.SUMMARY | TABLES | View.TERMINAL
MAIN_SCORES = View.SCORES | View.TERMINAL | View.PAGE
TIME_TO_TARGET = "seconds_to_"  # the key of such a column, before the target in percent
MAIN_COSTS = View.SUMMARY | View.COSTS | View.TERMINAL | View.LATEX | View.PAGE


def _column(
    key: str,
    kind: Kind = "text",
    help: str = "",
    views: View = CSV_ONLY,
    group: Group = "text",
    title: str = "",
    **options: bool,
) -> Column:
    """Return a column. Without a title, its title is its key with spaces."""
    return Column(key, title or key.replace("_", " "), kind, help, views, group, **options)


def _score(key: str, help: str, views: View, title: str = "", **options: bool) -> Column:
    return _column(key, "score", help, views, "score", title, spread=True, higher_is_better=True, **options)


def _metric(key: str, help: str, views: View = View.SCORES | View.PAGE_ALL) -> Column:
    """Return the column of one of METRICS, which has its title, its format and its direction."""
    metric = METRICS[key]
    kind: Kind = "score" if metric.percent else "number"
    better = not metric.lower_is_better
    return _column(key, kind, help, views, "score", metric.title, spread=True, higher_is_better=better)


def _cost(
    key: str,
    title: str,
    kind: Kind,
    help: str,
    views: View = View.COSTS | View.PAGE_ALL,
    optional: bool = True,
    **options: bool,
) -> Column:
    better = kind in ("score", "rate")
    return _column(key, kind, help, views, "cost", title, higher_is_better=better, optional=optional, **options)


def _time_to_target(target: float) -> Column:
    percent = target_name(target)
    return _cost(
        f"{TIME_TO_TARGET}{percent}",
        f"time to {percent} %",
        "target_time",
        f"Training and validation time until the validation accuracy first reaches {percent} %, median over trials. A "
        "trial that never does counts as infinitely long; the brackets say how many do if not all.",
        View.COSTS | View.LATEX | View.PAGE_ALL,
    )


COLUMNS: tuple[Column, ...] = (
    _column(
        "rank",
        "count",
        f"Rank within the table; {TIED} marks rows that are tied with the best one.",
        NAMES | View.PAGE,
        "row",
    ),
    _column("tied"),
    _column("label", "text", "Architecture and recipe.", View.LATEX | View.PAGE, "row", "model"),
    _column("model", "text", "Architecture.", NAMES, "row"),
    *map(_column, ("dataset", "protocol", "fingerprint", "benchmark_version")),
    _column(
        "recipe",
        "text",
        "Named recipe, and the setting that differs from it or the number of such settings.",
        NAMES,
        "row",
    ),
    *map(_column, ("short_recipe", "recipe_changes", "variant")),
    _column(
        "weights",
        "text",
        "Initial weights: imagenet, random, or the dataset of a pretraining.",
        TABLES | View.TERMINAL | View.PAGE,
        "setup",
    ),
    _column("backend", "text", "Keras backend that trained and predicted.", View.PAGE_ALL, "setup"),
    _column("precision", "text", "Floating-point precision of training.", View.PAGE_ALL, "setup"),
    _column("tta", "text", "Views of each test image that are averaged.", View.PAGE_ALL, "setup", "test views"),
    _column(
        "seeds", "count", "Finished repeats with different random seeds.", MAIN_SCORES, "setup", higher_is_better=True
    ),
    _column("folds", "count"),
    _column(
        "failed", "count", "Trials that failed or diverged.", View.SCORES | View.PAGE, "setup", higher_is_better=True
    ),
    *map(_column, ("status", "reason")),
    *(_column(key, optional_in_csv=True) for key in ("suspicion", "warnings")),
    _metric(
        "accuracy", "Fraction of correct test images: mean over seeds ± standard deviation over seeds.", EVERYWHERE
    ),
    _column(
        "interval",
        "interval",
        "Bootstrap interval of the metric that ranks the table, over the draw of the test images.",
        EVERYWHERE,
        "score",
        "95 % interval",
        higher_is_better=True,
    ),
    _score(
        "dedup_accuracy",
        "Accuracy on the test images without a pixel-identical duplicate in another split.",
        MAIN_SCORES,
        optional=True,
        optional_in_csv=True,
    ),
    _score(
        "fold_accuracy",
        "Mean accuracy of the folds ± standard deviation over folds; all other scores are of the pooled folds.",
        MAIN_SCORES,
        "mean of folds",
        optional=True,
        optional_in_csv=True,
    ),
    _score("validation_accuracy", "Accuracy on the images that selected the epoch.", View.SCORES | View.PAGE_ALL),
    _score(
        "training_accuracy",
        "Accuracy of an external model on a sample of the training images.",
        View.SCORES | View.PAGE_ALL,
        optional=True,
        optional_in_csv=True,
    ),
    _metric("macro_precision", f"Fraction of correct images among those predicted as a class, {EQUAL_CLASSES}."),
    _metric("macro_recall", f"Fraction of correct images among those of a class, {EQUAL_CLASSES}."),
    _metric("macro_f1", f"Harmonic mean of precision and recall, {EQUAL_CLASSES}.", EVERYWHERE),
    _metric("weighted_precision", f"Precision, {BY_SHARE}."),
    _metric("weighted_recall", f"Recall, {BY_SHARE}."),
    _metric("weighted_f1", f"F1, {BY_SHARE}.", View.SCORES | View.TERMINAL | View.PAGE_ALL),
    _metric("balanced_accuracy", "Mean recall of the classes that have test images.", View.PAGE_ALL),
    _metric("macro_auc", f"Area under the ROC curve of a class against the rest, {EQUAL_CLASSES}.", EVERYWHERE),
    _metric("weighted_auc", f"Area under the ROC curve of a class against the rest, {BY_SHARE}.", View.PAGE_ALL),
    _metric("top2_accuracy", "Fraction of test images whose class is one of the two most probable ones."),
    _metric("kappa", "Cohen's kappa: agreement with the labels beyond chance, from −1 to 1."),
    _metric("mcc", "Matthews' correlation coefficient of labels and predicted classes, from −1 to 1."),
    _metric("log_loss", "Mean negative logarithm of the true class's probability, in nats."),
    _metric("ece", "Expected calibration error: mean distance of confidence and accuracy over 15 bins."),
    _column(
        "average_rank",
        "number",
        "Mean rank by accuracy over the datasets that the model was tested on.",
        View.PAGE_ALL,
        "score",
        optional=True,
    ),
    _cost(
        "corruption_accuracy",
        "under corruptions",
        "score",
        "Mean accuracy on corrupted test images; the notes of the section have the details.",
        optional_in_csv=True,
    ),
    _cost("parameters", "parameters", "amount", "Number of the model's parameters.", MAIN_COSTS, optional=False),
    _cost("flops", "FLOPs", "operations", "Floating-point operations per image or sequence.", View.COSTS | View.PAGE),
    _cost("model_bytes", "model size", "bytes", "Size of the saved model without the optimizer."),
    _column(
        "machine_numbers",
        "text",
        "Number of the machine that measured the times, in the list of machines.",
        View.SUMMARY | View.COSTS | View.LATEX | View.PAGE_ALL,
        "setup",
        "machine",
        optional=True,
        optional_in_csv=True,
    ),
    _cost(
        "training_seconds",
        "training time",
        "duration",
        "Wall-clock time of training and validation over all epochs, without building, compiling or predicting; a "
        "pretraining has a row of its own.",
        MAIN_COSTS,
        optional=False,
    ),
    *map(_time_to_target, DEFAULT_TARGETS),
    _cost(
        "images_per_second",
        "images/s",
        "rate",
        "Training throughput.",
        View.COSTS | View.TERMINAL | View.PAGE,
        optional=False,
    ),
    _cost("latency_p50_seconds", "latency p50", "milliseconds", "Median time to predict one image."),
    _cost(
        "latency_p95_seconds",
        "latency p95",
        "milliseconds",
        "Time that 95 % of the predictions of one image do not exceed.",
    ),
    _cost(
        "predict_images_per_second",
        "predicted images/s",
        "rate",
        "Throughput of prediction in batches, with all test views.",
    ),
    _cost("predict_batch_size", "prediction batch", "count", "Images per batch in that measurement."),
    _cost("peak_memory_bytes", "peak memory", "bytes", "Peak memory of the process during the trial."),
    _cost("epochs", "epochs", "count", "Number of epochs trained.", optional=False),
    _cost(
        "best_epoch",
        "best epoch",
        "count",
        "Epoch with the best validation accuracy, which was tested.",
        optional=False,
    ),
    _column("test_images", "count", "Number of test images.", View.PAGE_ALL, "data"),
    _column("dedup_test_images", "count", group="data", optional_in_csv=True),
    _column(
        "test_groups",
        "count",
        "Subjects or sequences that the bootstrap draws as a whole; – if it draws images.",
        View.PAGE_ALL,
        "data",
    ),
    *map(_column, ("absent_classes", "split_notes")),
    _column("badges", "text", "Protocol, initial weights, test views, seeds, selection.", View.SCORES),
    _column("machine"),
)
BY_KEY = {column.key: column for column in COLUMNS}


def columns_for(targets: Iterable[float]) -> list[Column]:
    """Return COLUMNS with the times to these targets."""
    times = [_time_to_target(target) for target in targets]
    first = next(i for i, column in enumerate(COLUMNS) if column.kind == "target_time")
    others = [column for column in COLUMNS if column.kind != "target_time"]
    return [*others[:first], *times, *others[first:]]


def columns_in(view: View, known: Iterable[str]) -> list[Column]:
    """Return the columns that a view shows, in order; `known`: those of the frame, which has the targets."""
    targets = [float(key.removeprefix(TIME_TO_TARGET)) / 100 for key in known if key.startswith(TIME_TO_TARGET)]
    return [column for column in columns_for(targets) if column.views & view]


def drop_empty(columns: Iterable[Column], known: Iterable[str]) -> list[Column]:
    """Return the columns without the optional ones that have no value; `known`: columns of the frame that have one."""
    known = set(known)
    return [column for column in columns if not column.optional or column.key in known]


def ranking_columns(metric: str, known: Iterable[str]) -> list[Column]:
    """Return the column of a metric that ranks instead of the accuracy, and that of its interval if it has one."""
    if metric == "accuracy":
        return []
    interval = replace(BY_KEY["interval"], key=f"{metric}_interval")
    return [BY_KEY[metric], interval] if f"{metric}_low" in set(known) else [BY_KEY[metric]]


def move_to_front(columns: Iterable[Column], first: Iterable[Column]) -> list[Column]:
    """Return the columns with `first` before the accuracy; a column with the title of one of them is omitted."""
    columns, first = list(columns), list(first)
    titles = {column.title for column in first}
    rest = [column for column in columns if column.title not in titles]
    start = next(i for i, column in enumerate(rest) if column.key == "accuracy")
    return [*rest[:start], *first, *rest[start:]]
