"""From a leaderboard to all that its page holds: plain dictionaries, ready for JSON."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from fer_bench import __version__
from fer_bench.core.text import plural
from fer_bench.leaderboard.leaderboard import SECTION, Board, machine_text, sections
from fer_bench.registry.architectures import ARCHITECTURES, describe
from fer_bench.report.markdown import RANKS
from fer_bench.report.page import columns, details, explain
from fer_bench.report.page.details import Read, number
from fer_bench.report.page.published import published

BETWEEN_BADGES = " · "


def content(board: Board, read: Read) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What the page shows at once, and by row what it shows when a row is opened."""
    shown = columns.present(board.frame)
    keys = _keys(board.frame, shown)
    rows = {identity: board.rows[identity] for identity in board.frame.index}
    records = [record for row in rows.values() for record in row.records]
    machines = explain.machines(records)
    recipes: dict[str, int] = {}  # a recipe that many rows share stands in the page once
    found = {}
    for identity, row in rows.items():
        text = json.dumps(details.recipe(row))
        used = dict.fromkeys(list(machines).index(machine_text(record.machine)) for record in row.records)
        found[identity] = details.described(row, read) | {
            "recipe": recipes.setdefault(text, len(recipes)),
            "machines": list(used),
        }
    data = {
        "summary": _summary(board, len(records)),
        "colophon": _colophon([record.started for record in records]),
        "columns": columns.described(shown),
        "keys": keys,
        "sections": [_section(place, *section, board, keys) for place, section in enumerate(sections(board.frame))],
        "machines": [{"text": text, "trials": trials} for text, trials in machines.items()],
        "machine_text": explain.machine_paragraph(machines),
        "reading": f"{explain.SELECTION} {explain.READING}",
        "left_out": [[path.name, reason] for path, reason in board.left_out],
        "recipes": [json.loads(text) for text in recipes],
        "ranks": _ranks(board.ranks),
        "published": published(board.frame),
    }
    return data, found


def _keys(frame: pd.DataFrame, shown: list[columns.Column]) -> list[str]:
    own = [column.key for column in shown if column.key != "interval"]
    spreads = [f"{key}_sd" for key in own if f"{key}_sd" in frame]
    return list(dict.fromkeys([*columns.BESIDE, *own, *spreads, "accuracy_low", "accuracy_high"]))


def _section(place: int, heading: str, stem: str, group: pd.DataFrame, board: Board, keys: list[str]) -> dict[str, Any]:
    rows = [board.rows[str(identity)] for identity in group.index]
    records = [record for row in rows for record in row.records]
    dataset, _, protocol = heading.partition(", protocol ")
    remarks = list(dict.fromkeys(text for text in group["split_notes"] if text))
    return {
        "id": f"section-{place + 1}",
        "heading": heading,
        "dataset": dataset,
        "protocol": protocol.removesuffix(f" ({'; '.join(remarks)})"),
        "split_notes": remarks,
        "text": [explain.protocol_text(group["protocol"].iloc[0]), explain.images_text(records)],
        "notes": board.notes.get(tuple(group[SECTION].iloc[0]), []),
        "rows": [_row({"id": i, **values}, keys) for i, values in group.to_dict("index").items()],
        "failed": [[str(r.trial), r.status, r.reason or "no reason given"] for row in rows for r in row.failed],
    }


def _row(values: dict[str, Any], keys: list[str]) -> list[Any]:
    values |= {
        "family": values.get("family") or _family(values["model"]),
        "badges": values["badges"].split(BETWEEN_BADGES),
        "recipe_kind": values["recipe"].partition(",")[0],
    }
    return [_plain(values.get(key)) for key in keys]


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | list | bool):
        return value
    return None if pd.isna(value) else number(float(value))


def _family(model: str) -> str:
    """Of a registered architecture; empty for one that this installation does not know."""
    return describe(model).family if model in ARCHITECTURES.names() else ""


def _ranks(ranks: pd.DataFrame) -> dict[str, Any] | None:
    """Models that all tables have, with their accuracies there and the mean of their ranks."""
    if ranks.empty:
        return None
    lines = [[*model, *map(number, values)] for model, values in zip(ranks.index, ranks.to_numpy(), strict=True)]
    return {"text": RANKS, "sections": [str(name) for name in ranks.columns[:-1]], "lines": lines}


def _summary(board: Board, trials: int) -> str:
    failed = int(board.frame["failed"].sum())
    settings = board.frame.groupby(SECTION).ngroups
    parts = [plural(len(board.frame), "row"), plural(settings, "table"), plural(trials, "trial")]
    if failed:
        parts.append(f"{failed:,} failed")
    if board.left_out:
        parts.append(f"{len(board.left_out):,} left out")
    return BETWEEN_BADGES.join(parts)


def _colophon(started: list[str]) -> str:
    latest = f"; the latest trial began on {max(started)[:10]}" if started else ""
    return f"Written by fer-bench {__version__} from records alone{latest}."
