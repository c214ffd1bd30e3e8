"""Reads a written page as a browser's parser would."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from fer_bench.report.page.page import leaderboard_page
from fer_bench.report.write import read_board


class Page(HTMLParser):
    """The elements of a page, its blocks of JSON by id, and the text of its scripts and styles."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.blocks: dict[str, str] = {}
        self.code = {"script": "", "style": ""}
        self._into: str | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.elements.append((tag, attributes))
        self._into = attributes.get("id") or tag if tag in self.code else None

    def handle_endtag(self, tag):
        self._into = None

    def handle_data(self, data):
        if self._into in self.code:
            self.code[self._into] += data
        elif self._into:
            self.blocks[self._into] = self.blocks.get(self._into, "") + data

    @property
    def board(self) -> dict:
        return json.loads(self.blocks["board"])

    def rows(self, section: int = 0) -> list[dict]:
        board = self.board
        return [dict(zip(board["keys"], row, strict=True)) for row in board["sections"][section]["rows"]]

    def details(self, row: dict) -> dict:
        return json.loads(self.blocks[f"row-{row['id']}"])


def page_of(make) -> Page:
    return Page(leaderboard_page(read_board(make.results), make.results))
