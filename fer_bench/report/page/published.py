"""What others report of the datasets on the page, beside what was measured here."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fer_bench.leaderboard.published_results import reported
from fer_bench.report.page.details import number
from fer_bench.report.published_table import LEGEND, ours_for

THEIRS = ("model", "metric", "value", "dataset", "protocol", "views", "badge", "source", "url", "note")


def published(frame: pd.DataFrame) -> dict[str, Any] | None:
    """A line for each reported figure of the frame's datasets, with the rows of ours; None where there is none."""
    claims = [claim for dataset in frame["dataset"].unique() for claim in reported(dataset)]
    lines = [{key: claim[key] for key in THEIRS} | {"ours": _rows(claim, frame)} for claim in claims]
    return {"text": LEGEND, "lines": lines} if lines else None


def _rows(claim: dict[str, Any], frame: pd.DataFrame) -> list[dict[str, Any]]:
    metric = claim["metric"]
    return [
        {"row": identity, "value": number(row[metric]), "sd": number(row[f"{metric}_sd"]), "protocol": row["protocol"]}
        for identity, row in ours_for(claim, frame).iterrows()
    ]
