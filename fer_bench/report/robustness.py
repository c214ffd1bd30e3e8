"""Accuracy under corruptions: tables for the terminal, and a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.table import Table

from fer_bench.core.files import write_output
from fer_bench.core.text import percent
from fer_bench.evaluation.corruptions import (
    CORRUPTIONS,
    CORRUPTIONS_BY_TYPE,
    SEVERITIES,
    mean_accuracy,
    mean_accuracy_by_type,
)
from fer_bench.evaluation.metrics import accuracy_half_width
from fer_bench.records.robustness import Robustness
from fer_bench.report.figure_layout import COLORS, GRAY, MARKERS, fit_layout, image_files, style_axes, tight_axes


def describe(robustness: Robustness) -> str:
    """Return a sentence on the images and corruptions, with the 95 % interval of the uncorrupted accuracy."""
    r = robustness
    names, severities = list(r.accuracy), list(next(iter(r.accuracy.values()), {}))
    if set(names) == set(CORRUPTIONS) and set(severities) == set(SEVERITIES):
        under = "the 15 common corruptions at 5 severities"
    else:
        under = f"{_describe_corruptions(names, severities)}, not all of 15 × 5"
    sample = f"a stratified sample (seed {r.seed}) of {r.num_samples:,} of"
    images = f"{'all' if r.num_samples == r.num_test_images else sample} {r.num_test_images:,} test images"
    fold = f", fold {r.fold}" if r.fold else ""
    half = 100 * accuracy_half_width(r.uncorrupted, r.num_samples)
    return f"{r.dataset}, {r.protocol}{fold}: {images} (± {half:.2f} points) under {under}"


def severity_table(robustness: Robustness) -> Table:
    """Return accuracy in percent by corruption (rows) and severity (columns), with means."""
    accuracy = robustness.accuracy
    severities = list(next(iter(accuracy.values())))
    title = f"{robustness.model}: accuracy by severity, %"
    table = _table("corruption", *map(str, severities), "mean", title=title)
    for name, by_severity in accuracy.items():
        mean = mean_accuracy({name: by_severity})
        table.add_row(name.replace("_", " "), *(percent(by_severity[s]) for s in severities), percent(mean))
    table.add_section()
    means = [mean_accuracy({name: {s: by[s]} for name, by in accuracy.items()}) for s in severities]
    table.add_row("mean corruption accuracy", *map(percent, means), percent(mean_accuracy(accuracy)), style="bold")
    table.add_row("uncorrupted, same images", *[""] * len(severities), percent(robustness.uncorrupted))
    return table


def model_table(results: Sequence[Robustness]) -> Table:
    """Return accuracy in percent of models measured under the same corruptions: uncorrupted, mean, mean by type."""
    types = list(mean_accuracy_by_type(results[0].accuracy))
    table = _table("model", "uncorrupted", "corrupted", *types, title="accuracy, and its mean over corruptions, %")
    for r in sorted(results, key=lambda result: -mean_accuracy(result.accuracy)):
        means = (r.uncorrupted, mean_accuracy(r.accuracy), *mean_accuracy_by_type(r.accuracy).values())
        table.add_row(r.model, *map(percent, means))
    return table


def robustness_figure(robustness: Robustness) -> Figure:
    """Draw accuracy by severity, with one panel per type of corruption and the uncorrupted accuracy at severity 0."""
    by_type = {kind: [n for n in names if n in robustness.accuracy] for kind, names in CORRUPTIONS_BY_TYPE.items()}
    by_type = {kind: names for kind, names in by_type.items() if names}
    figure, panels = tight_axes(max(4, 2.5 * len(by_type)), 2.6, columns=len(by_type), gap=0.12)
    for axes, (kind, names) in zip(panels, by_type.items(), strict=True):
        for index, corruption in enumerate(names):
            accuracy = {0: robustness.uncorrupted} | dict(sorted(robustness.accuracy[corruption].items()))
            axes.plot(
                list(accuracy),
                [100 * value for value in accuracy.values()],
                color=COLORS[index],
                marker=MARKERS[index],
                markersize=4,
                linewidth=1.5,
                label=corruption.replace("_", " "),
            )
        axes.axhline(100 * robustness.uncorrupted, color=GRAY, linewidth=0.9, linestyle=":")
        axes.sharey(panels[0])
        axes.set_title(kind, fontsize=9)
        axes.set_xlabel("severity (0: uncorrupted)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.2))
        style_axes(axes)
    panels[0].set_ylim(0, None)
    panels[0].set_ylabel("test accuracy (%)")
    for axes in panels[1:]:
        axes.tick_params(labelleft=False)
    mean, uncorrupted = percent(mean_accuracy(robustness.accuracy)), percent(robustness.uncorrupted)
    scores = f"uncorrupted {uncorrupted} %, mean corruption accuracy {mean} %"
    fit_layout(figure, robustness.model, describe(robustness), scores)
    return figure


def write_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as STEM.png and STEM.svg and return the paths. UserError if they cannot be written."""
    files = image_files(figure, stem)
    for path, content in files.items():
        write_output(path, content)
    return list(files)


def _describe_corruptions(names: Sequence[str], severities: Sequence[int]) -> str:
    corruptions = ", ".join(name.replace("_", " ") for name in names) if len(names) < 5 else f"{len(names)} corruptions"
    return f"{corruptions} at severity {', '.join(map(str, severities))}"


def _table(first: str, *others: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
