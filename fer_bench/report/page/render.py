"""Data and files to one page: what is embedded can neither end its block nor be run."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

HERE = Path(__file__).parent
STYLES = ("base.css", "table.css", "plain.css", "chart.css", "details.css", "small.css")
SCRIPTS = (
    *("dom.js", "format.js", "filter.js", "table.js", "cells.js", "chart.js", "scatter.js", "curves.js"),
    *("details.js", "published.js", "main.js"),
)
# In JSON these mean the same; in HTML they can no longer begin a tag, a comment or an entity.
ESCAPES = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def render(title: str, board: dict[str, Any], details: dict[str, dict[str, Any]]) -> str:
    """The page as text. `details` are by row, each in a block of its own, which is read when the row is opened."""
    style, script = _joined("style", STYLES), f'"use strict";\n(() => {{\n{_joined("script", SCRIPTS)}}})();\n'
    return Template(_text("template.html")).substitute(
        title=html.escape(title),
        policy=_policy(style, script),
        style=style,
        script=script,
        board=_block("board", board),
        details="\n".join(_block(f"row-{row}", known) for row, known in details.items()),
    )


def _block(name: str, data: dict[str, Any]) -> str:
    return f'<script type="application/json" id="{html.escape(name)}">{embedded(data)}</script>'


def embedded(data: Any) -> str:
    """JSON in ASCII that may stand within a script element. ValueError where a number is not finite."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).translate(ESCAPES)


def _policy(style: str, script: str) -> str:
    """Forbids every request, and every style and script but these two."""
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _joined(folder: str, names: tuple[str, ...]) -> str:
    return "\n".join(_text(f"{folder}/{name}") for name in names)


@cache
def _text(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
