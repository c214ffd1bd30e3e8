"""What others report and what was measured here, in two columns."""

from __future__ import annotations

from typing import Any

import pandas as pd
from tabulate import tabulate

from fer_bench.core.text import UNKNOWN, percent
from fer_bench.leaderboard.published_results import reported

HEADING = "## Reported elsewhere"
LEGEND = """\
What papers and repositories report of these datasets, in per cent, beside what was measured here with the \
architecture that corresponds: with the recipe that follows theirs where it was run, else with the recipe whose \
validation accuracy is best. The two compare only as far as protocol, test views and badge allow. Badges: clean; \
selected on test (the epoch was chosen by the images it is measured on); PublicTest as test; leaky folds (the same \
persons in training and test); extra data; not reproduced."""
COLUMNS = ("model", "metric", "reported", "ours", "our row", "their protocol", "their views", "badge", "source")
NUMERIC = {"reported", "ours"}


def reported_table(frame: pd.DataFrame) -> str:
    """A section of leaderboard.md: each reported figure of the frame's datasets beside ours, "" where there is none.

    frame: the leaderboard's, or the rows of some of its sections. A figure has a line for each protocol under which
    its architecture was scored here, and one without ours where that was not.
    """
    claims = [claim for dataset in frame["dataset"].unique() for claim in reported(dataset)]
    if not claims:
        return ""
    lines = [[_in_cell(cell) for cell in line] for claim in claims for line in _lines(claim, frame)]
    align = ["right" if name in NUMERIC else "left" for name in COLUMNS]
    table = tabulate(lines, COLUMNS, tablefmt="pipe", colalign=align, disable_numparse=True)
    return f"{HEADING}\n\n{LEGEND}\n\n{table}"


def _lines(claim: dict[str, Any], frame: pd.DataFrame) -> list[list[str]]:
    theirs = [claim["protocol"], claim["views"], claim["badge"], _source(claim)]
    begin = [claim["model"], claim["metric"].replace("_", " "), f"{claim['value']:.2f}"]
    ours = ours_for(claim, frame)
    if ours.empty:
        return [[*begin, UNKNOWN, UNKNOWN, *theirs]]
    metric = claim["metric"]
    return [
        [*begin, percent(row[metric], row[f"{metric}_sd"]), f"{row['label']}, {row['protocol']}", *theirs]
        for _, row in ours.iterrows()
    ]


def ours_for(claim: dict[str, Any], frame: pd.DataFrame) -> pd.DataFrame:
    """One scored row of the claim's architecture for each protocol and version of its dataset."""
    mine = frame[(frame["dataset"] == claim["dataset"]) & (frame["model"] == claim["architecture"])]
    mine = mine[mine[claim["metric"]].notna()] if claim["metric"] in mine else mine.iloc[:0]
    # Never by the test figure itself: the best of several is what the badges are about.
    follows = mine["recipe"].str.split(",").str[0] == claim["recipe"]
    order = mine.assign(_follows=follows).sort_values(["_follows", "validation_accuracy"], ascending=False)
    return order.groupby(["protocol", "fingerprint"], sort=False).head(1)


def _source(claim: dict[str, Any]) -> str:
    source = f"[{claim['source']}]({claim['url']})" if claim["url"] else claim["source"]
    return f"{source}; {claim['note']}" if claim["note"] else source


def _in_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
