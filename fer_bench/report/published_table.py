"""Published and measured results in two columns."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from fer_bench.core.text import UNKNOWN
from fer_bench.leaderboard.average_ranks import named_recipes
from fer_bench.leaderboard.columns import BY_KEY
from fer_bench.leaderboard.published_results import PublishedResult, published_results
from fer_bench.report.tables import markdown_table, records_of

LEGEND = """\
Results that papers and repositories report for these datasets, in percent, beside those measured here with the \
corresponding architecture: with the recipe that follows theirs if it was run, else with the recipe that has the best \
validation accuracy. The two are comparable only as far as protocol, test views and badge allow. Badges: selected on \
validation; selected on test (the epoch was selected on the images that it is measured on); PublicTest as test; leaky \
folds (the same subjects in training and test); extra data; not reproduced."""
COLUMNS = ("model", "metric", "reported", "ours", "our row", "their protocol", "their views", "badge", "source")
NUMERIC = {"reported", "ours"}


def published_table(frame: pd.DataFrame) -> str:
    """Return the section of leaderboard.md on published results; empty if there are none for the frame's datasets.

    A result has one line per protocol under which its architecture was scored here; if there is none, one line without
    our score.

    frame: The leaderboard's, or some lines of it.
    """
    results = [result for dataset in frame["dataset"].unique() for result in published_results(dataset)]
    if not results:
        return ""
    columns = [(name, "right" if name in NUMERIC else "left") for name in COLUMNS]
    table = markdown_table(columns, (line for result in results for line in _lines(result, frame)))
    return f"## Published results\n\n{LEGEND}\n\n{table}"


def matching_rows(result: PublishedResult, frame: pd.DataFrame) -> pd.DataFrame:
    """Return one scored row of the result's architecture for each protocol and version of its dataset."""
    rows = frame[(frame["dataset"] == result.dataset) & (frame["model"] == result.architecture)]
    rows = rows[rows[result.metric].notna()] if result.metric in rows else rows.iloc[:0]
    if rows.empty:
        return rows
    # The choice never uses test scores: the best of several test scores is what the badges warn of.
    follows = named_recipes(rows["recipe"]) == result.recipe
    order = rows.assign(_follows=follows).sort_values(["_follows", "validation_accuracy"], ascending=False)
    return order.groupby(["protocol", "fingerprint", "benchmark_version"], sort=False).head(1)


def _lines(result: PublishedResult, frame: pd.DataFrame) -> Iterator[list[str]]:
    published = [result.model, BY_KEY[result.metric].title, f"{result.value:.2f}"]
    details = [result.protocol, result.views, result.badge, _source(result)]
    rows = matching_rows(result, frame)
    for row in records_of(rows):
        yield [*published, BY_KEY[result.metric].cell(row), f"{row['label']}, {row['protocol']}", *details]
    if rows.empty:
        yield [*published, UNKNOWN, UNKNOWN, *details]


def _source(result: PublishedResult) -> str:
    source = f"[{result.source}]({result.url})" if result.url else result.source
    return f"{source}; {result.note}" if result.note else source
