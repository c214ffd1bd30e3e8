"""The HTML page of a leaderboard: one self-contained file. Embedded data can neither end its block nor be run."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache, partial
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from fer_bench.leaderboard.leaderboard import Leaderboard
from fer_bench.leaderboard.rows import SeedResult
from fer_bench.records.schema import Predictions
from fer_bench.records.store import READ_ERRORS, StoredRecord, record_dir
from fer_bench.report.page.data import page_data

TITLE = "FER leaderboard"
PAGE_DIR = Path(__file__).parent
STYLE_FILES = ("base.css", "table.css", "plain.css", "chart.css", "details.css", "small.css")
SCRIPT_FILES = (
    *("dom.js", "format.js", "filter.js", "table.js", "cells.js", "chart.js", "scatter.js", "curves.js"),
    *("details.js", "published.js", "main.js"),
)
# These mean the same in JSON, but cannot start a tag, a comment or an entity in HTML.
HTML_ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def leaderboard_page(leaderboard: Leaderboard, results_dir: Path, folder: Path | None = None) -> str:
    """Return an HTML page that works offline, with the details of rows from the predictions in the results folder.

    Args:
        leaderboard: The leaderboard.
        results_dir: The folder of its records.
        folder: The folder of the page, to which links to kept models are relative. Default: `results_dir`.
    """
    return render(TITLE, *page_data(leaderboard, partial(_read_test_predictions, results_dir), folder or results_dir))


def render(title: str, data: dict[str, Any], details: dict[str, dict[str, Any]]) -> str:
    """Return the page.

    Args:
        title: Its title.
        data: What the page shows at once.
        details: What the details of a row show, by row id. Each is a block of its own, parsed when the row is opened.
    """
    style = _join_files("style", STYLE_FILES)
    script = f'"use strict";\n(() => {{\n{_join_files("script", SCRIPT_FILES)}}})();\n'
    return Template(_read_file("template.html")).substitute(
        title=html.escape(title),
        policy=_content_security_policy(style, script),
        style=style,
        script=script,
        leaderboard=_json_block("leaderboard", data),
        details="\n".join(_json_block(f"row-{row_id}", of_row) for row_id, of_row in details.items()),
    )


def to_safe_json(data: Any) -> str:
    """Return ASCII JSON for use in a script element. Raises ValueError if a number is not finite."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).translate(HTML_ESCAPES)


def _read_test_predictions(results_dir: Path, seed: SeedResult) -> Predictions | None:
    """Return the predictions of a seed, pooled over its folds; None if they cannot be read anymore."""
    try:
        folds = [StoredRecord(r, record_dir(results_dir, r.trial)).predictions("test") for r in seed.records]
    except READ_ERRORS:
        return None
    arrays = ([getattr(fold, name) for fold in folds] for name in ("ids", "labels", "probabilities"))
    return Predictions(*map(np.concatenate, arrays))


def _json_block(element_id: str, data: dict[str, Any]) -> str:
    return f'<script type="application/json" id="{html.escape(element_id)}">{to_safe_json(data)}</script>'


def _content_security_policy(style: str, script: str) -> str:
    """Forbid all requests, and all styles and scripts except these two."""
    return (
        f"default-src 'none'; style-src '{_csp_hash(style)}'; script-src '{_csp_hash(script)}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _join_files(folder: str, names: tuple[str, ...]) -> str:
    return "\n".join(_read_file(f"{folder}/{name}") for name in names)


@cache
def _read_file(name: str) -> str:
    return (PAGE_DIR / name).read_text(encoding="utf-8")
