"""What a column of the leaderboard is, and how its cells are formatted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Flag, auto
from typing import Any, Literal

import numpy as np

from fer_bench.core import text
from fer_bench.core.text import UNKNOWN
from fer_bench.evaluation.metrics import METRICS

Values = Mapping[str, Any]  # a row of the leaderboard's frame, by column
Group = Literal["row", "setup", "score", "cost", "data", "text"]
Align = Literal["left", "right"]
Kind = Literal[
    "text",
    "count",
    "score",
    "number",
    "interval",
    "amount",
    "operations",
    "bytes",
    "duration",
    "target_time",
    "milliseconds",
    "rate",
]

BADGE_SEPARATOR = WARNING_SEPARATOR = " · "
TIED = "≈"  # before the rank of a row that is tied with the best
FORMATS: dict[Kind, Callable[..., str]] = {
    "text": str,
    "count": text.mean_count,
    "score": text.percent,
    "number": text.decimal,
    "interval": text.interval,
    "amount": text.millions,
    "operations": text.operations,
    "bytes": text.megabytes,
    "duration": text.duration,
    "target_time": text.time_to_target,
    "milliseconds": text.milliseconds,
    "rate": text.rate,
}


class View(Flag):
    """Where a column is shown; leaderboard.csv has all of them."""

    SUMMARY = auto()  # leaderboard.md: the first table of a section
    SCORES = auto()  # leaderboard.md: the full table of scores
    COSTS = auto()  # leaderboard.md: the full table of costs
    TERMINAL = auto()
    LATEX = auto()
    PAGE = auto()  # leaderboard.html, at once
    PAGE_ALL = auto()  # leaderboard.html, with "all columns"


CSV_ONLY = View(0)
TABLES = View.SCORES | View.COSTS  # both full tables of leaderboard.md
EVERYWHERE = View.SUMMARY | View.SCORES | View.TERMINAL | View.LATEX | View.PAGE


@dataclass(frozen=True)
class Column:
    """One column of the leaderboard.

    Attributes:
        key: Its name in leaderboard.csv and in the frame.
        title: Its header in tables.
        kind: How its values are formatted; text is aligned to the left, everything else to the right.
        help: What it means, in one sentence.
        views: The tables that show it.
        group: What it describes. Scores, costs and data are float64.
        spread: Whether `<key>_sd` is the standard deviation of the mean.
        higher_is_better: Whether a high value is a good one.
        optional: Whether a table omits it if none of its rows has a value.
        optional_in_csv: Whether leaderboard.csv omits it, too, if no row at all has a value.
    """

    key: str
    title: str
    kind: Kind
    help: str = ""
    views: View = CSV_ONLY
    group: Group = "text"
    spread: bool = False
    higher_is_better: bool = False
    optional: bool = False
    optional_in_csv: bool = False

    @property
    def keys(self) -> list[str]:
        """The columns of the frame that it shows."""
        if self.kind == "interval":
            metric = self.key.removesuffix("interval").rstrip("_") or "accuracy"
            return [f"{metric}_low", f"{metric}_high"]
        if self.kind == "target_time":
            return [self.key, reached_key(self.key)]
        return [self.key, f"{self.key}_sd"] if self.spread else [self.key]

    @property
    def number_keys(self) -> list[str]:
        """Those of them that are numbers if the column is not text."""
        return self.keys[:1] if self.kind == "target_time" else self.keys

    @property
    def align(self) -> Align:
        return "left" if self.kind == "text" else "right"

    def cell(self, row: Values) -> str:
        """Return a row's value as text."""
        if self.key in SPECIAL_CELLS:
            return SPECIAL_CELLS[self.key](row)
        formatted = FORMATS[self.kind]
        if self.kind == "interval" and not METRICS[self.keys[0].removesuffix("_low")].percent:
            formatted = text.decimal_interval
        return formatted(*(row[key] for key in self.keys))

    def without_spread(self) -> Column:
        """Return the column without the standard deviation."""
        return replace(self, spread=False)


def reached_key(key: str) -> str:
    """Return the column that counts the trials that reached a target, `2 of 3`, given the column of the time to it."""
    return key.replace("seconds_to_", "reached_")


def format_rank(row: Values) -> str:
    """Return `≈ 2` for the second of its table that is tied with the first of its section."""
    rank = row["rank"]
    if not isinstance(rank, (int, np.integer)):  # pandas has a missing value of its own
        return UNKNOWN
    shown = row.get("group_rank", rank)
    return f"{TIED} {shown}" if row["tied"] is True and rank > 1 else str(shown)


def _format_recipe(row: Values) -> str:
    return f"{row['short_recipe']} ({row['variant']})" if row["variant"] else row["short_recipe"]


SPECIAL_CELLS: dict[str, Callable[[Values], str]] = {"rank": format_rank, "recipe": _format_recipe}
