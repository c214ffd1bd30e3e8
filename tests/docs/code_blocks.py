"""Code blocks of Markdown pages."""

from __future__ import annotations

import re
from pathlib import Path

BLOCK = re.compile(r"^```(\S*).*?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """Return the code blocks of a language; an empty one stands for commands."""
    return [code for found, code in BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


def commands(page: Path) -> list[str]:
    """Return the commands of the program in a page."""
    shown = [*blocks(page, ""), *blocks(page, "bash")]
    return [line for block in shown for line in block.splitlines() if line.startswith("python benchmark.py")]
