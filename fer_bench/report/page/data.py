"""The data of the page: dictionaries of JSON types, from a leaderboard."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from fer_bench import __version__
from fer_bench.config.recipe_names import split_recipe_name
from fer_bench.core.text import plural
from fer_bench.leaderboard.column import BADGE_SEPARATOR, WARNING_SEPARATOR, reached_key
from fer_bench.leaderboard.leaderboard import Leaderboard, benchmark_versions, sections
from fer_bench.leaderboard.published_results import PublishedResult, published_results
from fer_bench.leaderboard.row_values import count_machines
from fer_bench.leaderboard.rows import SECTION
from fer_bench.registry.architectures import ARCHITECTURES, describe
from fer_bench.report.page import columns, details, explain
from fer_bench.report.page.details import PredictionReader, round_number
from fer_bench.report.page.heat_maps import row_heat_maps
from fer_bench.report.published_table import LEGEND, matching_rows
from fer_bench.report.tables import RANKS_LEGEND, link_to, records_of

PUBLISHED_KEYS = {"model", "metric", "value", "dataset", "protocol", "views", "badge", "source", "url", "note"}


def page_data(
    leaderboard: Leaderboard, read_predictions: PredictionReader, folder: Path
) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return what the page shows at once, and by row id what the details of a row show.

    Args:
        leaderboard: The leaderboard.
        read_predictions: Reads the test predictions of a seed.
        folder: The folder of the page.
    """
    frame = leaderboard.frame
    shown = columns.present(frame)
    keys = _row_keys(frame, shown)
    rows = {row_id: leaderboard.rows[row_id] for row_id in frame.index}
    records = [record for row in rows.values() for record in row.records]
    recipes: dict[str, int] = {}  # each distinct recipe, as JSON, is stored once
    row_details = {}
    for row_id, row in rows.items():
        recipe = json.dumps(details.flat_recipe(row))
        row_details[row_id] = details.row_details(row, read_predictions) | {
            "recipe": recipes.setdefault(recipe, len(recipes)),
            "model": link_to(row.model_file, folder) if row.model_file else None,
            "heat_maps": row_heat_maps(row, folder),
            "machines": [1 + leaderboard.machines.index(text) for text in count_machines(row.records)],
        }
    data = {
        "summary": _summary(leaderboard, len(records)),
        "footer": _footer([record.started for record in records]),
        "columns": columns.described(shown),
        "keys": keys,
        "sections": [
            _section(index, heading, section, leaderboard, keys)
            for index, (heading, _, section) in enumerate(sections(frame))
        ],
        "machines": [
            {"number": number, "text": text, "trials": trials} for number, text, trials in leaderboard.count_machines()
        ],
        "machines_text": explain.machines_text(leaderboard),
        "columns_text": f"{explain.SELECTION_TEXT} {explain.COLUMNS_TEXT}",
        "skipped": [[path.name, reason] for path, reason in leaderboard.skipped],
        "recipes": [json.loads(recipe) for recipe in recipes],
        "ranks": _ranks(leaderboard.ranks),
        "published": _published(frame),
    }
    return data, row_details


def _row_keys(frame: pd.DataFrame, shown: list[columns.Column]) -> list[str]:
    shown_keys = [column.key for column in shown if column.key != "interval"]
    spread_keys = [f"{key}_sd" for key in shown_keys if f"{key}_sd" in frame]
    reached_keys = [reached_key(column.key) for column in shown if column.kind == "target_time"]
    keys = [*columns.ROW_KEYS, *shown_keys, *spread_keys, *reached_keys, "accuracy_low", "accuracy_high"]
    return list(dict.fromkeys(keys))


def _section(
    index: int, heading: str, section: pd.DataFrame, leaderboard: Leaderboard, keys: list[str]
) -> dict[str, Any]:
    rows = [leaderboard.rows[str(row_id)] for row_id in section.index]
    records = [record for row in rows for record in row.records]
    dataset, _, protocol = heading.partition(", protocol ")
    split_notes = list(dict.fromkeys(text for text in section["split_notes"] if text))
    return {
        "id": f"section-{index + 1}",
        "heading": heading,
        "dataset": dataset,
        "protocol": protocol.removesuffix(f" ({'; '.join(split_notes)})"),
        "split_notes": split_notes,
        "text": [explain.protocol_text(section["protocol"].iloc[0]), explain.images_text(records)],
        "notes": leaderboard.section_notes(section),
        "rows": [_row(dict(line), keys) for line in records_of(section.assign(id=section.index))],
        "failed": [[str(r.trial), r.status, r.reason or "no reason recorded"] for row in rows for r in row.failed],
    }


def _row(values: dict[str, Any], keys: list[str]) -> list[Any]:
    values |= {
        "family": values.get("family") or _family(values["model"]),
        "badges": values["badges"].split(BADGE_SEPARATOR),
        "warnings": text.split(WARNING_SEPARATOR) if isinstance(text := values.get("warnings"), str) else [],
        "recipe_kind": split_recipe_name(values["recipe"])[0],
    }
    return [_json_value(values.get(key)) for key in keys]


def _json_value(value: Any) -> Any:
    if value is None or isinstance(value, str | list | bool):
        return value
    # JSON has no infinity: a missed target is a missing time, and its count says so.
    return None if pd.isna(value) or math.isinf(value) else round_number(float(value))


def _family(model: str) -> str:
    """Return the family of a registered architecture; empty for an architecture that is not installed."""
    return describe(model).family if model in ARCHITECTURES.names() else ""


def _ranks(ranks: pd.DataFrame) -> dict[str, Any] | None:
    """Return the models that all tables contain, with their accuracies and average rank; None if there are none."""
    if ranks.empty:
        return None
    lines = [[*model, *map(round_number, values)] for model, values in zip(ranks.index, ranks.to_numpy(), strict=True)]
    return {"text": RANKS_LEGEND, "sections": [str(name) for name in ranks.columns[:-1]], "lines": lines}


def _published(frame: pd.DataFrame) -> dict[str, Any] | None:
    """Return the published results for the frame's datasets with our matching rows; None if there are none."""
    results = [result for dataset in frame["dataset"].unique() for result in published_results(dataset)]
    lines = [result.model_dump(include=PUBLISHED_KEYS) | {"ours": _our_results(result, frame)} for result in results]
    return {"text": LEGEND, "lines": lines} if lines else None


def _our_results(result: PublishedResult, frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "row": row_id,
            "value": round_number(row[result.metric]),
            "sd": round_number(row[f"{result.metric}_sd"]),
            "protocol": row["protocol"],
        }
        for row_id, row in matching_rows(result, frame).iterrows()
    ]


def _summary(leaderboard: Leaderboard, num_trials: int) -> str:
    frame = leaderboard.frame
    failed, skipped = int(frame["failed"].sum()), len(leaderboard.skipped)
    parts = [plural(len(frame), "row"), plural(frame.groupby(SECTION).ngroups, "table"), plural(num_trials, "trial")]
    parts += [f"{failed:,} failed"] if failed else []
    parts += [f"{skipped:,} skipped"] if skipped else []
    return BADGE_SEPARATOR.join([*parts, benchmark_versions(frame)])


def _footer(started: list[str]) -> str:
    latest = f" The latest trial started on {max(started)[:10]}." if started else ""
    return f"Written by fer-bench {__version__} from records.{latest}"
