"""One page per architecture: what it is, and its results in the reference leaderboards."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from leaderboards import leaderboard_files, read_leaderboard

from fer_bench.core.text import flatten, millions
from fer_bench.leaderboard.columns import BY_KEY
from fer_bench.leaderboard.published_results import published_results
from fer_bench.registry.architectures import ARCHITECTURES, Architecture, describe
from fer_bench.report.tables import markdown_table, records_of

KEYS = ("dataset", "protocol", "weights", "seeds", "accuracy", "interval", "macro_f1", "training_seconds")


def architecture_pages() -> dict[str, str]:
    """Return the Markdown of each page by its name, and of the list of all, `index`."""
    architectures = [describe(name) for name in ARCHITECTURES.names()]
    frames = {path.stem: read_leaderboard(path) for path in leaderboard_files()}
    pages = {one.name: "\n\n".join(_page(one, frames)) + "\n" for one in architectures}
    columns = [("architecture", "left"), ("parameters", "right"), ("weights", "left"), ("description", "left")]
    lines = (
        (
            f"[{one.name}]({one.name}.md)",
            millions(one.num_parameters or float("nan")),
            one.weights or "random",
            one.summary,
        )
        for one in architectures
    )
    return pages | {"index": f"# Architectures\n\n{markdown_table(columns, lines)}\n"}


def _page(architecture: Architecture, frames: dict[str, pd.DataFrame]) -> Iterator[str]:
    overrides = [f"`{key}={value}`" for key, value in flatten(architecture.recipe).items()]
    depends = "; its weights depend on the size" if architecture.weights_depend_on_size else ""
    facts = [
        ("family", architecture.family),
        ("paper", architecture.paper or "none"),
        ("input", f"{architecture.input_kind}; {', '.join(map(str, architecture.input_sizes))} pixels{depends}"),
        ("parameters", f"{architecture.num_parameters:,} for 7 classes" if architecture.num_parameters else "unknown"),
        ("initial weights", architecture.weights or "random"),
        ("recipe", ", ".join(overrides) or "the defaults"),
    ]
    yield f"# {architecture.name}"
    yield ARCHITECTURES.get(architecture.name).doc.strip()
    yield markdown_table([("property", "left"), ("value", "left")], facts)
    results = [line for name, frame in frames.items() for line in _results(architecture.name, name, frame)]
    if results:
        titles = [
            ("leaderboard", "left"),
            ("recipe", "left"),
            *((BY_KEY[key].title, BY_KEY[key].align) for key in KEYS),
        ]
        yield "## Results"
        yield "Tables differ in machine and seeds; rows of two tables do not compare."
        yield markdown_table(titles, results)
    if published := published_results(architecture=architecture.name):
        cells = (
            (
                one.model,
                f"{one.value:g}",
                one.metric,
                one.dataset,
                one.badge,
                f"[{one.source}]({one.url})" if one.url else one.source,
            )
            for one in published
        )
        yield "## Published"
        yield markdown_table(
            [(title, "left") for title in ("model", "reported (%)", "metric", "dataset", "badge", "source")], cells
        )


def _results(name: str, stem: str, frame: pd.DataFrame) -> Iterator[list[str]]:
    for row in records_of(frame[(frame["model"] == name) & frame["accuracy"].notna()]):
        yield [f"[{stem}](../reference/{stem}.md)", row["recipe"], *(BY_KEY[key].cell(row) for key in KEYS)]
