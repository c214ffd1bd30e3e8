"""The figures of a report, as matplotlib figures without pyplot.

Confusion matrices, training curves, accuracy against time, and performance profiles of the time to target.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from fer_bench.core.text import duration, percent, plural
from fer_bench.leaderboard.columns import TIME_TO_TARGET
from fer_bench.leaderboard.rows import LeaderboardRow
from fer_bench.records.schema import Record
from fer_bench.report.figure_layout import COLORS, GRAY, MARKERS, fit_layout, style_axes, tight_axes
from fer_bench.report.label_placement import place_labels
from fer_bench.report.tables import machine_notes

FILL_STYLES = ("full", "none", "left", "right", "top", "bottom")  # one per machine
COLORMAP = "Blues"  # one hue from light to dark, readable in gray
WHITE_TEXT_ABOVE = 70  # percent in the color map, from which white text has more contrast than black
WEIGHTS_STYLE = {"imagenet": 0, "random": 1}  # initial weights → index of color and marker
MAX_LEGEND_TRIALS = 6
MAX_LABELS = 20  # labeled rows in an overview
MAX_TICKS = 8
SECONDS, MINUTES, HOURS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30), (1, 2, 5, 10, 20, 30), (1, 2, 5, 10, 24, 48)
ROUND_TIMES = (*SECONDS, *(60 * m for m in MINUTES), *(3600 * h for h in HOURS))
PROFILE_TICKS = (1, 1.5, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
CELL_SIZE = 0.66  # inches


def confusion_figure(row: LeaderboardRow, heading: str, name: str) -> Figure:
    """Draw the confusion matrix of a row with finished trials, pooled over seeds.

    Args:
        row: The row.
        heading: Dataset and protocol, for the title.
        name: Name of the row, for the title.
    """
    counts = np.sum([seed.confusion for seed in row.seeds], axis=0)
    classes = row.seeds[0].records[0].classes
    totals = counts.sum(axis=1, keepdims=True)
    percentages = np.divide(100 * counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    size = CELL_SIZE * max(len(classes), 5)
    figure, (axes,) = tight_axes(size, size)
    axes.pcolormesh(percentages, cmap=COLORMAP, vmin=0, vmax=100, edgecolors="white", linewidth=1)
    axes.invert_yaxis()
    for (true, predicted), percentage in np.ndenumerate(percentages):
        text = f"{percentage:.1f}\n{counts[true, predicted]:,}" if totals[true] else "–"
        color = "white" if percentage > WHITE_TEXT_ABOVE else "black"
        axes.text(predicted + 0.5, true + 0.5, text, ha="center", va="center", fontsize=7.5, color=color)
    centers = np.arange(len(classes)) + 0.5
    axes.set_xticks(centers, classes, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(centers, [f"{c} ({n:,})" for c, n in zip(classes, totals[:, 0], strict=True)])
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class (images)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    accuracy = float(np.mean([seed.scores["accuracy"] for seed in row.seeds]))
    seeds = f"{len(row.seeds)} seeds pooled" if len(row.seeds) > 1 else "1 seed"
    score = f"test accuracy {percent(accuracy)} %, {seeds}"
    explanation = "Each cell: % of the true class, and number of images"
    fit_layout(figure, name, f"{heading}, recipe {row.trial.recipe_name}", score, explanation)
    return figure


def curves_figure(row: LeaderboardRow, heading: str, name: str) -> Figure | None:
    """Draw loss and accuracy by epoch, one color and marker per trial.

    Failed trials are drawn until their last epoch.

    Args:
        row: The row.
        heading: Dataset and protocol, for the title.
        name: Name of the row, for the title.

    Returns:
        The figure, or None if no trial finished an epoch.
    """
    records = sorted((r for r in row.records if r.history), key=lambda r: (r.trial.seed, r.trial.fold))
    if not records:
        return None
    figure, (loss, accuracy) = tight_axes(6.8, 3, columns=2)
    for index, record in enumerate(records):
        _plot_curve(loss, record, "loss", 1, index)
        _plot_curve(accuracy, record, "accuracy", 100, index)
    loss.set_ylabel("loss")
    accuracy.set_ylabel("accuracy (%)")
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        style_axes(axes)
    handles = _legend_handles(records)
    accuracy.legend(handles=handles, loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8)
    fit_layout(figure, name, f"{heading}, recipe {row.trial.recipe_name}")
    return figure


def overview_figure(section: pd.DataFrame, heading: str) -> Figure | None:
    """Draw test accuracy against training time of one section, with the Pareto front of each machine.

    With more than MAX_LABELS rows, only the best rows of the front are labeled, and the title says so. Returns None if
    no row has both numbers.
    """
    rows = section.dropna(subset=["accuracy", "training_seconds"])
    if rows.empty:
        return None
    figure, (axes,) = tight_axes(7, 4.1)
    is_dense = len(rows) > 3 * MAX_LABELS
    floor = _axis_floor(rows["accuracy"])
    heights = 100 * rows["accuracy"].clip(lower=floor)
    machines = rows["machine_numbers"] if "machine_numbers" in rows else pd.Series("", rows.index)
    fills = dict(zip(sorted(machines.unique()), cycle(FILL_STYLES)))
    for (weights, machine), group in rows.groupby([rows["weights"], machines]):
        style = WEIGHTS_STYLE.get(str(weights), len(WEIGHTS_STYLE))
        sd = group["accuracy_sd"]
        suffix = f", machine {machine}" if len(fills) > 1 else ""
        axes.errorbar(
            group["training_seconds"],
            heights[group.index],
            yerr=None if sd.isna().all() else 100 * sd.fillna(0),
            fmt=MARKERS[style],
            color=COLORS[style],
            fillstyle=fills[machine],
            markersize=3.5 if is_dense else 6,
            elinewidth=0.5 if is_dense else 1,
            capsize=0 if is_dense else 2,
            label=f"{weights} initial weights{suffix}",
        )
    fronts = [_pareto_front(group) for _, group in rows.groupby(machines)]
    for front in fronts:
        axes.step(
            front["training_seconds"],
            100 * front["accuracy"],
            where="post",
            color=GRAY,
            linewidth=0.9,
            linestyle=":",
            label="Pareto front: no row is both faster and better" if front is fronts[0] else None,
            zorder=1,
        )
    _format_time_axis(axes, rows["training_seconds"])
    axes.margins(0.12)
    axes.set_ylabel("test accuracy (%)")
    style_axes(axes)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False, fontsize=8)
    notes = ["bars: standard deviation over seeds" if (rows["seeds"] > 1).any() else "one seed each"]
    below = rows["accuracy"] < floor
    if below.any():
        notes.append(f"accuracies below {100 * floor:.0f} % are drawn at the lower edge")
    labeled = rows if len(rows) <= MAX_LABELS else pd.concat(fronts).nlargest(MAX_LABELS, "accuracy")
    if len(labeled) < len(rows):
        notes.append(f"labeled: the best {plural(len(labeled), 'row')} of the Pareto front, out of {len(rows):,}")
    fit_layout(figure, "Accuracy against training time", heading, "; ".join(notes), *machine_notes(rows))
    labels = rows["label"].where(~below, rows["label"] + " (" + rows["accuracy"].map(percent) + " %)")
    place_labels(axes, rows["training_seconds"], heights, labels.where(rows.index.isin(labeled.index), ""))
    return figure


def performance_profile_figure(section: pd.DataFrame, heading: str) -> Figure | None:
    """Draw the performance profile of a section (Dolan and Moré, Math. Program. 2002), one curve per target.

    A curve gives the share of the rows that reach the target within a factor of the time of the fastest one. Rows that
    never reach it count. Returns None unless at least two rows reach one of the targets.
    """
    times = {key: section[key].dropna() for key in map(str, section) if key.startswith(TIME_TO_TARGET)}
    reached = {key: np.sort(all_times[np.isfinite(all_times)]) for key, all_times in times.items()}
    if not any(len(seconds) > 1 for seconds in reached.values()):
        return None
    reached = {key: seconds for key, seconds in reached.items() if len(seconds)}
    figure, (axes,) = tight_axes(7, 3.4)
    end = max(2.0, 1.15 * max(seconds[-1] / seconds[0] for seconds in reached.values()))
    for index, (key, seconds) in enumerate(reached.items()):
        total = len(times[key])
        factors = np.array([*seconds / seconds[0], end])
        shares = 100 * np.minimum(np.arange(1, len(factors) + 1), len(seconds)) / total
        target = f"{key.removeprefix(TIME_TO_TARGET)} %: {len(seconds)} of {total}, the fastest in"
        label = f"{target} {duration(seconds[0])}"
        axes.step(factors, shares, where="post", color=COLORS[index % len(COLORS)], linewidth=1.6, label=label)
    axes.set_xscale("log")
    axes.set_xlim(1, end)
    axes.set_xticks([tick for tick in PROFILE_TICKS if tick <= end])
    axes.minorticks_off()
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
    axes.set_ylim(0, 102)
    axes.set_xlabel("time to target, as a multiple of the fastest (logarithmic)")
    axes.set_ylabel("rows that reach it (%)")
    style_axes(axes)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=1, frameon=False, fontsize=8)
    note = "Training and validation time until the validation accuracy first reaches the target"
    fit_layout(figure, "Performance profile", heading, note, *machine_notes(section))
    return figure


def _axis_floor(accuracies: pd.Series) -> float:
    """Return the accuracy at which the axis begins, so that a few bad rows do not hide how the others differ."""
    best = accuracies.max()
    return max(0, best - max(4 * (best - accuracies.median()), 0.1))


def _pareto_front(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that no other row beats in both time and accuracy, fastest first."""
    ordered = rows.sort_values(["training_seconds", "accuracy"], ascending=[True, False])
    return ordered[ordered["accuracy"] > ordered["accuracy"].cummax().shift(fill_value=-np.inf)]


def _plot_curve(axes: Axes, record: Record, quantity: str, factor: float, index: int) -> None:
    color, marker = COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)]
    epochs = [e.epoch for e in record.history]
    training = _mask_non_finite([factor * getattr(e, quantity) for e in record.history])
    validation = _mask_non_finite([factor * getattr(e, f"validation_{quantity}") for e in record.history])
    step = 1 + len(epochs) // 8
    dot = "." if len(epochs) == 1 else ""
    axes.plot(epochs, training, color=color, linestyle="--", linewidth=1, marker=dot, alpha=0.75)
    axes.plot(
        epochs, validation, color=color, linewidth=1.6, marker=marker, markersize=4, markevery=(index % step, step)
    )
    if record.best_epoch in epochs:
        best = validation[epochs.index(record.best_epoch)]
        axes.plot(
            *([record.best_epoch], [best], "o"),
            color=color,
            markerfacecolor="white",
            markeredgewidth=1.5,
            markersize=9,
            zorder=3,
        )


def _mask_non_finite(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return np.where(np.isfinite(array), array, np.nan)


def _legend_handles(records: list[Record]) -> list[Line2D]:
    folds = len({r.trial.fold for r in records}) > 1
    handles = [
        Line2D([], [], color=GRAY, linestyle="--", linewidth=1, label="training"),
        Line2D([], [], color=GRAY, linewidth=1.6, label="validation"),
        Line2D([], [], color=GRAY, linestyle="", marker="o", markerfacecolor="white", markersize=8, label="best epoch"),
    ]
    for index, record in enumerate(records[:MAX_LEGEND_TRIALS]):
        text = f"seed {record.trial.seed}" + (f", fold {record.trial.fold}" if folds else "")
        text += "" if record.status == "finished" else f" ({record.status})"
        marker = MARKERS[index % len(MARKERS)]
        handles.append(Line2D([], [], color=COLORS[index % len(COLORS)], linewidth=3, marker=marker, label=text))
    if len(records) > MAX_LEGEND_TRIALS:
        handles.append(Line2D([], [], linestyle="", label=f"and {len(records) - MAX_LEGEND_TRIALS} more"))
    return handles


def _format_time_axis(axes: Axes, seconds: pd.Series) -> None:
    shortest, longest = seconds.min(), seconds.max()
    if shortest > 0 and longest > 8 * shortest:
        axes.set_xscale("log")
        axes.set_xticks([t for t in ROUND_TIMES if shortest / 2 <= t <= longest * 2])
        axes.minorticks_off()
    else:
        span = max(longest - shortest, longest / 10)
        steps = [t for t in ROUND_TIMES if span / t <= MAX_TICKS]
        axes.xaxis.set_major_locator(MultipleLocator(steps[0] if steps else ROUND_TIMES[-1]))
    axes.set_xlabel("training time (wall-clock" + (", logarithmic)" if axes.get_xscale() == "log" else ")"))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _format_round_time(max(value, 0))))


def _format_round_time(seconds: float) -> str:
    """Return a time without zero units: `20 min`, not `20 min 00 s`."""
    return duration(seconds).replace(".0 s", " s").replace(" 00 s", "").replace(" 00 min", "")
