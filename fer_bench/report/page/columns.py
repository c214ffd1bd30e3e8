"""The columns of the page's tables, from the leaderboard's table of columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from fer_bench.leaderboard.column import Column, View
from fer_bench.leaderboard.columns import columns_in

FAMILY = Column(
    "family", "family", "text", "Group of architectures with the same building blocks.", View.PAGE_ALL, "setup"
)
GROUPS = ("row", "score", "cost", "setup", "data")  # from left to right
ALWAYS = {"rank", "label", "accuracy"}  # accuracy: the cell that shows why a row failed
COMPUTED = {"family", "interval"}  # not in the frame
ROW_KEYS = (
    *("id", "model", "recipe", "short_recipe", "recipe_changes", "recipe_kind", "variant", "status", "reason"),
    *("badges", "tied", "suspicion", "warnings"),
)


def all_columns(known: Iterable[str]) -> list[Column]:
    """Return the columns of the page in order; `known`: those of the frame."""
    columns = (*columns_in(View.PAGE | View.PAGE_ALL, known), FAMILY)
    return sorted(columns, key=lambda column: GROUPS.index(column.group))


def present(frame: pd.DataFrame) -> list[Column]:
    """Return the columns that a frame has values for."""
    keys = set(frame.columns[frame.notna().any()]) | ALWAYS | COMPUTED
    return [column for column in all_columns(frame.columns) if column.key in keys]


def described(columns: list[Column]) -> list[dict[str, Any]]:
    """Return the columns as the page's script reads them."""
    return [
        {
            "key": column.key,
            "label": column.title,
            "kind": column.kind,
            "help": column.help,
            "first": bool(column.views & View.PAGE),
            "better": "high" if column.higher_is_better else "low",
        }
        for column in columns
    ]
