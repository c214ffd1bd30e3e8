"""Confusion matrices, training curves and the accuracy-against-time overview, as matplotlib figures without pyplot."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from fer_bench.report.formatting import duration, percent
from fer_bench.report.labels import place_labels
from fer_bench.report.rows import Row
from fer_bench.trial import Record

# Okabe and Ito's colours, told apart with any colour vision; yellow is left out as too pale for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MAP = "Blues"  # one hue, from light to dark: read by lightness alone
MOST_NAMED = 6  # lines in a legend
MOST_TICKS = 8
SECONDS, MINUTES, HOURS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30), (1, 2, 5, 10, 20, 30), (1, 2, 5, 10, 24, 48)
ROUND_TIMES = (*SECONDS, *(60 * m for m in MINUTES), *(3600 * h for h in HOURS))
GREY = "#555555"
TITLE_CHARACTERS = 13  # to an inch of a title


def confusion_figure(row: Row, heading: str, name: str) -> Figure:
    """Confusion matrix of a row with finished trials: each true class in per cent, with counts, seeds pooled."""
    counts = np.sum([seed.confusion for seed in row.seeds], axis=0)
    classes = row.seeds[0].records[0].classes
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100 * counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    side = max(4.6, 1.6 + 0.74 * len(classes))
    figure, axes = _figure(side + 0.9, side)
    picture = axes.imshow(shares, cmap=MAP, vmin=0, vmax=100)
    for (true, predicted), share in np.ndenumerate(shares):
        text = f"{share:.1f}\n{counts[true, predicted]:,}" if totals[true] else "–"
        axes.text(
            predicted, true, text, ha="center", va="center", fontsize=7.5, color="white" if share > 55 else "black"
        )
    axes.set_xticks(range(len(classes)), classes, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), [f"{c} ({n:,})" for c, n in zip(classes, totals[:, 0], strict=True)])
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class (images)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    bar = figure.colorbar(picture, ax=axes, fraction=0.045, pad=0.02)
    bar.set_label("% of the true class")
    bar.outline.set_visible(False)
    accuracy = np.mean([seed.scores["accuracy"] for seed in row.seeds])
    seeds = f"{len(row.seeds)} seeds pooled" if len(row.seeds) > 1 else "1 seed"
    _title(figure, name, f"{heading}, recipe {row.trial.recipe_name}", f"test accuracy {percent(accuracy)} %, {seeds}")
    return figure


def curves_figure(row: Row, heading: str, name: str) -> Figure | None:
    """Loss and accuracy over the epochs, a colour for each trial; None where no trial came to its first epoch's end.

    Training is dashed, validation solid, the selected epoch a ring. Failed trials are drawn as far as they came.
    """
    records = sorted((r for r in row.records if r.history), key=lambda r: (r.trial.seed, r.trial.fold))
    if not records:
        return None
    figure, (loss, accuracy) = _figure(9, 3.9, columns=2)
    for index, record in enumerate(records):
        colour = COLOURS[index % len(COLOURS)]
        _curve(loss, record, "loss", 1, colour)
        _curve(accuracy, record, "accuracy", 100, colour)
    loss.set_ylabel("loss")
    accuracy.set_ylabel("accuracy (%)")
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _plain(axes)
    figure.legend(handles=_curve_handles(records), loc="outside right center", frameon=False, fontsize=8)
    _title(figure, name, f"{heading}, recipe {row.trial.recipe_name}")
    return figure


def overview_figure(section: pd.DataFrame, heading: str) -> Figure | None:
    """Test accuracy against training wall-clock of one section; None where no row has both."""
    shown = section.dropna(subset=["accuracy", "training_seconds"])
    if shown.empty:
        return None
    figure, axes = _figure(8, 5)
    for weights, part in shown.groupby("weights"):
        index = 0 if weights == "imagenet" else 1
        spread = part["accuracy_sd"]
        axes.errorbar(
            part["training_seconds"],
            100 * part["accuracy"],
            yerr=None if spread.isna().all() else 100 * spread.fillna(0),
            fmt="os"[index],
            color=COLOURS[index],
            elinewidth=1,
            capsize=2,
            label=f"{weights} initial weights",
        )
    _time_axis(axes, shown["training_seconds"])
    axes.margins(0.12)
    axes.set_ylabel("test accuracy (%)")
    _plain(axes)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    bars = "bars: standard deviation over seeds" if (shown["seeds"] > 1).any() else "one seed each"
    _title(figure, "Accuracy against training time", heading, bars)
    place_labels(axes, shown["training_seconds"], 100 * shown["accuracy"], shown["label"])
    return figure


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file, at 130 dots per inch."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def _figure(width: float, height: float, columns: int = 1):
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    return figure, figure.subplots(1, columns)


def _title(figure: Figure, name: str, *lines: str) -> None:
    """The name, and below it what it was measured on, in lines that fit the figure."""
    wide = int(figure.get_figwidth() * TITLE_CHARACTERS)
    wrapped = [part for line in (name, *lines) for part in wrap(line, wide)]
    figure.suptitle("\n".join(wrapped), fontsize=9.5, x=0.01, ha="left", linespacing=1.4)


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _curve(axes: Axes, record: Record, quantity: str, factor: float, colour: str) -> None:
    epochs = [e.epoch for e in record.history]
    training = _finite([factor * getattr(e, quantity) for e in record.history])
    validation = _finite([factor * getattr(e, f"validation_{quantity}") for e in record.history])
    dot = "." if len(epochs) == 1 else ""
    axes.plot(epochs, training, color=colour, linestyle="--", linewidth=1, marker=dot, alpha=0.75)
    axes.plot(epochs, validation, color=colour, linewidth=1.6, marker=dot)
    if record.best_epoch in epochs:
        best = epochs.index(record.best_epoch)
        axes.plot(epochs[best], validation[best], "o", color=colour, markerfacecolor="white", markersize=7)


def _finite(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return np.where(np.isfinite(array), array, np.nan)  # an infinite loss has no place on the axis


def _curve_handles(records: list[Record]) -> list[Line2D]:
    folds = len({r.trial.fold for r in records}) > 1
    handles = [
        Line2D([], [], color=GREY, linestyle="--", linewidth=1, label="training"),
        Line2D([], [], color=GREY, linewidth=1.6, label="validation"),
        Line2D([], [], color=GREY, linestyle="", marker="o", markerfacecolor="white", label="best epoch"),
    ]
    for index, record in enumerate(records[:MOST_NAMED]):
        text = f"seed {record.trial.seed}" + (f", fold {record.trial.fold}" if folds else "")
        text += "" if record.status == "finished" else f" ({record.status})"
        handles.append(Line2D([], [], color=COLOURS[index % len(COLOURS)], linewidth=4, label=text))
    if len(records) > MOST_NAMED:
        handles.append(Line2D([], [], linestyle="", label=f"and {len(records) - MOST_NAMED} more"))
    return handles


def _time_axis(axes: Axes, seconds: pd.Series) -> None:
    shortest, longest = seconds.min(), seconds.max()
    if shortest > 0 and longest > 8 * shortest:
        axes.set_xscale("log")
        axes.set_xticks([t for t in ROUND_TIMES if shortest / 2 <= t <= longest * 2])
        axes.minorticks_off()
    else:
        span = max(longest - shortest, longest / 10)
        steps = [t for t in ROUND_TIMES if span / t <= MOST_TICKS]
        axes.xaxis.set_major_locator(MultipleLocator(steps[0] if steps else ROUND_TIMES[-1]))
    axes.set_xlabel("training wall-clock" + (", logarithmic" if axes.get_xscale() == "log" else ""))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: duration(max(value, 0)).replace(".0 s", " s")))
