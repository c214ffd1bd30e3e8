"""Confusion matrices, training curves and the accuracy-against-time overview, as matplotlib figures without pyplot."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator
from matplotlib.transforms import Bbox

from fer_bench.core.text import duration, percent, plural
from fer_bench.leaderboard.rows import Row
from fer_bench.records.schema import Record
from fer_bench.report.label_placement import place_labels

# Okabe and Ito's colours, told apart with any colour vision; yellow is left out as too pale for lines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "os^Dv<>"  # with the colours: told apart in grey too
MAP = "Blues"  # one hue, from light to dark: read by lightness alone
DARK = 70  # per cent in that map from which white is read more easily than black
WEIGHTS = {"imagenet": 0, "random": 1}  # initial weights → place among the colours and markers; others after them
MOST_NAMED = 6  # lines in a legend
MOST_LABELS = 20  # rows of a section up to which each is named in its overview
MOST_TICKS = 8
SECONDS, MINUTES, HOURS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30), (1, 2, 5, 10, 20, 30), (1, 2, 5, 10, 24, 48)
ROUND_TIMES = (*SECONDS, *(60 * m for m in MINUTES), *(3600 * h for h in HOURS))
GREY = "#555555"
TITLE_CHARACTERS = 12  # to an inch of a title
TITLE_LINE = 9.5 * 1.4 / 72  # inches
MARGIN = 0.12  # inches around a figure
CELL = 0.66  # inches
DOTS = 300  # to an inch of a PNG
# Hinting is for coarse screens and takes a third of the time of drawing; the salt gives equal figures equal files.
STYLE = {"text.hinting": "no_hinting", "svg.fonttype": "path", "svg.hashsalt": "fer-bench"}


def confusion_figure(row: Row, heading: str, name: str) -> Figure:
    """Confusion matrix of a row with finished trials: each true class in per cent, with counts, seeds pooled."""
    counts = np.sum([seed.confusion for seed in row.seeds], axis=0)
    classes = row.seeds[0].records[0].classes
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(100 * counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    side = CELL * max(len(classes), 5)
    figure, (axes,) = _bare(side, side)
    axes.pcolormesh(shares, cmap=MAP, vmin=0, vmax=100, edgecolors="white", linewidth=1)
    axes.invert_yaxis()
    for (true, predicted), share in np.ndenumerate(shares):
        text = f"{share:.1f}\n{counts[true, predicted]:,}" if totals[true] else "–"
        colour = "white" if share > DARK else "black"
        axes.text(predicted + 0.5, true + 0.5, text, ha="center", va="center", fontsize=7.5, color=colour)
    middles = np.arange(len(classes)) + 0.5
    axes.set_xticks(middles, classes, rotation=35, ha="right", rotation_mode="anchor")
    axes.set_yticks(middles, [f"{c} ({n:,})" for c, n in zip(classes, totals[:, 0], strict=True)])
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class (images)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    accuracy = np.mean([seed.scores["accuracy"] for seed in row.seeds])
    seeds = f"{len(row.seeds)} seeds pooled" if len(row.seeds) > 1 else "1 seed"
    scored = f"test accuracy {percent(accuracy)} %, {seeds}"
    cells = "Each cell: % of the true class, and number of images"
    _fit(figure, name, f"{heading}, recipe {row.trial.recipe_name}", scored, cells)
    return figure


def curves_figure(row: Row, heading: str, name: str) -> Figure | None:
    """Loss and accuracy over the epochs, a colour and marker for each trial; None where none came to an epoch's end.

    Training is dashed, validation solid, the selected epoch a ring. Failed trials are drawn as far as they came.
    """
    records = sorted((r for r in row.records if r.history), key=lambda r: (r.trial.seed, r.trial.fold))
    if not records:
        return None
    figure, (loss, accuracy) = _bare(6.8, 3, columns=2)
    for index, record in enumerate(records):
        _curve(loss, record, "loss", 1, index)
        _curve(accuracy, record, "accuracy", 100, index)
    loss.set_ylabel("loss")
    accuracy.set_ylabel("accuracy (%)")
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        _plain(axes)
    accuracy.legend(
        handles=_curve_handles(records), loc="center left", bbox_to_anchor=(1.02, 0.5), frameon=False, fontsize=8
    )
    _fit(figure, name, f"{heading}, recipe {row.trial.recipe_name}")
    return figure


def overview_figure(section: pd.DataFrame, heading: str) -> Figure | None:
    """Test accuracy against training wall-clock of one section; None where no row has both.

    A line joins the rows that no other beats in both. Where there are more than MOST_LABELS rows, only the best of
    those are named, and the title says how many.
    """
    shown = section.dropna(subset=["accuracy", "training_seconds"])
    if shown.empty:
        return None
    figure, (axes,) = _bare(7, 4.1)
    many = len(shown) > 3 * MOST_LABELS
    for weights, part in shown.groupby("weights"):
        index = WEIGHTS.get(weights, len(WEIGHTS))
        spread = part["accuracy_sd"]
        axes.errorbar(
            part["training_seconds"],
            100 * part["accuracy"],
            yerr=None if spread.isna().all() else 100 * spread.fillna(0),
            fmt=MARKERS[index],
            color=COLOURS[index],
            markersize=3.5 if many else 6,
            elinewidth=0.5 if many else 1,
            capsize=0 if many else 2,
            label=f"{weights} initial weights",
        )
    front = _front(shown)
    axes.step(
        front["training_seconds"],
        100 * front["accuracy"],
        where="post",
        color=GREY,
        linewidth=0.9,
        linestyle=":",
        label="front: no row is both faster and better",
        zorder=1,
    )
    _time_axis(axes, shown["training_seconds"])
    axes.margins(0.12)
    axes.set_ylabel("test accuracy (%)")
    _plain(axes)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=3, frameon=False, fontsize=8)
    notes = ["bars: standard deviation over seeds" if (shown["seeds"] > 1).any() else "one seed each"]
    named = shown if len(shown) <= MOST_LABELS else front.nlargest(MOST_LABELS, "accuracy")
    if len(named) < len(shown):
        notes.append(f"named: {plural(len(named), 'row')} of the front, of {len(shown):,} in all")
    _fit(figure, "Accuracy against training time", heading, "; ".join(notes))
    labels = shown["label"].where(shown.index.isin(named.index), "")
    place_labels(axes, shown["training_seconds"], 100 * shown["accuracy"], labels)
    return figure


def pictures(figure: Figure) -> dict[str, bytes]:
    """A figure as files, by suffix: "png" of 300 dots to an inch, "svg" with its text as outlines.

    Both show the same; an equal figure gives equal files with the same version of matplotlib.
    """
    png, svg = BytesIO(), BytesIO()
    with rc_context(STYLE):  # the canvases themselves: `savefig` would draw each picture twice
        figure.dpi = DOTS
        FigureCanvasAgg(figure).print_png(png, pil_kwargs={"compress_level": 1})
        FigureCanvasSVG(figure).print_svg(svg, metadata={"Date": None})
    return {"png": png.getvalue(), "svg": svg.getvalue()}


def _front(shown: pd.DataFrame) -> pd.DataFrame:
    """The rows that no other beats in both time and accuracy, the fastest first."""
    ordered = shown.sort_values(["training_seconds", "accuracy"], ascending=[True, False])
    return ordered[ordered["accuracy"] > ordered["accuracy"].cummax().shift(fill_value=-np.inf)]


def _bare(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Axes side by side in so many inches, without room around them: `_fit` gives it."""
    figure = Figure(figsize=(width, height), dpi=DOTS)
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, columns, squeeze=False, gridspec_kw={"wspace": 0.3})
    figure.subplots_adjust(0, 0, 1, 1)
    return figure, list(axes[0])


def _fit(figure: Figure, name: str, *lines: str) -> None:
    """Enlarge a bare figure by what its labels, legends and title need.

    matplotlib's own layouts draw a figure twice to find that out.
    """
    renderer = figure.canvas.get_renderer()
    boxes = [axis.get_tightbbox(renderer) for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]
    boxes += [axes.get_legend().get_window_extent(renderer) for axes in figure.axes if axes.get_legend()]
    around = Bbox.union([figure.bbox, *filter(None, boxes)])
    left, bottom, right, top = np.array([-around.x0, -around.y0, *(around.max - figure.bbox.max)]) / figure.dpi + MARGIN
    width, height = figure.get_size_inches()
    wide = width + left + right
    wrapped = _wrapped(wide, name, *lines)
    top += len(wrapped) * TITLE_LINE + MARGIN / 2
    high = height + bottom + top
    figure.set_size_inches(wide, high)
    figure.subplots_adjust(left / wide, bottom / high, 1 - right / wide, 1 - top / high)
    figure.suptitle("\n".join(wrapped), fontsize=9.5, x=MARGIN / wide, y=1 - MARGIN / high, ha="left", linespacing=1.4)


def _figure(width: float, height: float, columns: int = 1):
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.08, h_pad=0.08)
    return figure, figure.subplots(1, columns)


def _title(figure: Figure, name: str, *lines: str) -> None:
    """The name, and below it what it was measured on, in lines that fit the figure."""
    wrapped = _wrapped(figure.get_figwidth(), name, *lines)
    figure.suptitle("\n".join(wrapped), fontsize=9.5, x=0.01, ha="left", linespacing=1.4)


def _wrapped(inches: float, *lines: str) -> list[str]:
    return [part for line in lines for part in wrap(line, int(inches * TITLE_CHARACTERS))]


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)


def _curve(axes: Axes, record: Record, quantity: str, factor: float, index: int) -> None:
    colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
    epochs = [e.epoch for e in record.history]
    training = _finite([factor * getattr(e, quantity) for e in record.history])
    validation = _finite([factor * getattr(e, f"validation_{quantity}") for e in record.history])
    step = 1 + len(epochs) // 8
    marked = {"marker": marker, "markersize": 4, "markevery": (index % step, step)}
    dot = "." if len(epochs) == 1 else ""
    axes.plot(epochs, training, color=colour, linestyle="--", linewidth=1, marker=dot, alpha=0.75)
    axes.plot(epochs, validation, color=colour, linewidth=1.6, **marked)
    if record.best_epoch in epochs:
        best = epochs.index(record.best_epoch)
        ring = {"markerfacecolor": "white", "markeredgewidth": 1.5, "markersize": 9, "zorder": 3}
        axes.plot(epochs[best], validation[best], "o", color=colour, **ring)


def _finite(values: Sequence[float]) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return np.where(np.isfinite(array), array, np.nan)  # an infinite loss has no place on the axis


def _curve_handles(records: list[Record]) -> list[Line2D]:
    folds = len({r.trial.fold for r in records}) > 1
    handles = [
        Line2D([], [], color=GREY, linestyle="--", linewidth=1, label="training"),
        Line2D([], [], color=GREY, linewidth=1.6, label="validation"),
        Line2D([], [], color=GREY, linestyle="", marker="o", markerfacecolor="white", markersize=8, label="best epoch"),
    ]
    for index, record in enumerate(records[:MOST_NAMED]):
        text = f"seed {record.trial.seed}" + (f", fold {record.trial.fold}" if folds else "")
        text += "" if record.status == "finished" else f" ({record.status})"
        marker = MARKERS[index % len(MARKERS)]
        handles.append(Line2D([], [], color=COLOURS[index % len(COLOURS)], linewidth=3, marker=marker, label=text))
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
