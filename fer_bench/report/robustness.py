"""Accuracy under corruptions, from what is recorded of it: tables for the terminal, and a figure."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.table import Table

from fer_bench.core.errors import write_error
from fer_bench.core.text import percent
from fer_bench.evaluation.corruptions import CORRUPTIONS, KINDS, SEVERITIES, mean_accuracy, mean_by_kind
from fer_bench.evaluation.metrics import accuracy_half_width
from fer_bench.records.robustness import Robustness
from fer_bench.report.figures import COLOURS, GREY, _figure, _plain, _title, pictures


def describe(robustness: Robustness) -> str:
    """What was measured on what, in a sentence; in brackets the 95 % interval of the uncorrupted accuracy."""
    r = robustness
    names, severities = list(r.accuracy), list(next(iter(r.accuracy.values()), {}))
    whole = set(names) == set(CORRUPTIONS) and set(severities) == set(SEVERITIES)
    under = "the 15 common corruptions at 5 severities" if whole else f"{_of(names, severities)}, not all of 15 × 5"
    part = "all" if r.samples == r.test else f"a stratified sample (seed {r.seed}) of {r.samples:,} of"
    fold = f", fold {r.fold}" if r.fold else ""
    half = 100 * accuracy_half_width(r.uncorrupted, r.samples)
    return f"{r.dataset}, {r.protocol}{fold}: {part} {r.test:,} test images (± {half:.2f} points) under {under}"


def by_severity(robustness: Robustness) -> Table:
    """A row for each corruption, a column for each severity, in per cent; below them their means."""
    accuracy = robustness.accuracy
    severities = list(next(iter(accuracy.values())))
    title = f"{robustness.model}: accuracy by severity, %"
    table = _table("corruption", *map(str, severities), "mean", title=title)
    for name, by in accuracy.items():
        mean = mean_accuracy({name: by})
        table.add_row(name.replace("_", " "), *(percent(by[s]) for s in severities), percent(mean))
    table.add_section()
    means = [mean_accuracy({name: {s: by[s]} for name, by in accuracy.items()}) for s in severities]
    table.add_row("mean corruption accuracy", *map(percent, means), percent(mean_accuracy(accuracy)), style="bold")
    table.add_row("uncorrupted, the same images", *[""] * len(severities), percent(robustness.uncorrupted))
    return table


def by_model(found: Sequence[Robustness]) -> Table:
    """A row for each model: uncorrupted accuracy, mean corruption accuracy, the mean of each kind; in per cent.

    The models were tried under the same corruptions.
    """
    kinds = list(mean_by_kind(found[0].accuracy))
    table = _table("model", "uncorrupted", "corrupted", *kinds, title="accuracy, and its mean over corruptions, %")
    for r in sorted(found, key=lambda one: -mean_accuracy(one.accuracy)):
        means = (r.uncorrupted, mean_accuracy(r.accuracy), *mean_by_kind(r.accuracy).values())
        table.add_row(r.model, *map(percent, means))
    return table


def robustness_figure(robustness: Robustness) -> Figure:
    """Accuracy over severity, a panel for each kind of corruption, with the uncorrupted accuracy at severity 0."""
    kinds = {kind: [n for n in names if n in robustness.accuracy] for kind, names in KINDS.items()}
    kinds = {kind: names for kind, names in kinds.items() if names}
    figure, panels = _figure(max(4.4, 2.7 * len(kinds)), 4.3, columns=len(kinds))
    panels = [panels] if len(kinds) == 1 else list(panels)
    for axes, (kind, names) in zip(panels, kinds.items(), strict=True):
        for index, corruption in enumerate(names):
            by = dict(sorted(robustness.accuracy[corruption].items()))
            axes.plot(
                [0, *by],
                [100 * value for value in (robustness.uncorrupted, *by.values())],
                color=COLOURS[index],
                marker="os^D"[index],
                markersize=4,
                linewidth=1.5,
                label=corruption.replace("_", " "),
            )
        axes.axhline(100 * robustness.uncorrupted, color=GREY, linewidth=0.9, linestyle=":")
        axes.sharey(panels[0])
        axes.set_title(kind, fontsize=9)
        axes.set_xlabel("severity (0: uncorrupted)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(frameon=False, fontsize=7.5, loc="upper center", bbox_to_anchor=(0.5, -0.24))
        _plain(axes)
    panels[0].set_ylim(0, None)
    panels[0].set_ylabel("test accuracy (%)")
    for axes in panels[1:]:
        axes.tick_params(labelleft=False)
    mean = percent(mean_accuracy(robustness.accuracy))
    plain = percent(robustness.uncorrupted)
    _title(figure, robustness.model, describe(robustness), f"uncorrupted {plain} %, mean corruption accuracy {mean} %")
    return figure


def write_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as STEM.png and STEM.svg; the paths. UserError where that cannot be done."""
    written = []
    for suffix, content in pictures(figure).items():
        path = stem.with_name(f"{stem.name}.{suffix}")
        part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}")
        try:
            part.write_bytes(content)
            os.replace(part, path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise write_error(path, error) from error
        written.append(path)
    return written


def _of(names: Sequence[str], severities: Sequence[int]) -> str:
    told = ", ".join(name.replace("_", " ") for name in names) if len(names) < 5 else f"{len(names)} corruptions"
    return f"{told} at severity {', '.join(map(str, severities))}"


def _table(first: str, *others: str, title: str | None = None) -> Table:
    table = Table(title=title, title_justify="left", box=None, header_style="bold", pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table
