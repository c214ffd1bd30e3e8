"""Parses a written page as a browser does."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from fer_bench.report.page.render import leaderboard_page
from fer_bench.report.write import read_leaderboard


class Page(HTMLParser):
    """The elements of a page, its blocks of JSON by id, and the text of its scripts and styles."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: dict[str, str] = {}
        self.code = {"script": "", "style": ""}
        self._current: str | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        self._current = attributes.get("id") or tag if tag in self.code else None

    def handle_endtag(self, tag):
        self._current = None

    def handle_data(self, data):
        if self._current in self.code:
            self.code[self._current] += data
        elif self._current:
            self.blocks[self._current] = self.blocks.get(self._current, "") + data

    @property
    def data(self) -> dict:
        return json.loads(self.blocks["leaderboard"])

    def rows(self, section: int = 0) -> list[dict]:
        data = self.data
        return [dict(zip(data["keys"], row, strict=True)) for row in data["sections"][section]["rows"]]

    def details(self, row: dict) -> dict:
        return json.loads(self.blocks[f"row-{row['id']}"])


def render_page(make) -> Page:
    return Page(leaderboard_page(read_leaderboard(make.results), make.results))
