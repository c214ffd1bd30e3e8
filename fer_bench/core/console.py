"""Print sentences, on consoles of any encoding: what they lack is replaced by similar characters, else by a `?`."""

from __future__ import annotations

import codecs
import unicodedata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console

HANDLER = "fer_bench_console"
SIMILAR = {
    **dict.fromkeys("–—−‐‑─━", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict.fromkeys("•·∙", "*"),
    **dict.fromkeys("‘’", "'"),
    **dict.fromkeys("“”", '"'),
    **{"×": "x", "±": "+/-", "…": "...", "≈": "~", "≤": "<=", "≥": ">=", "→": "->", "✓": "+", "✗": "x", "█": "#"},
}


def print_text(console: Console, text: str, markup: bool = False, style: str | None = None) -> None:
    """Print a sentence without highlighting. A terminal breaks it between words; in files it stays one line."""
    console.print(text, markup=markup, highlight=False, soft_wrap=not console.is_terminal, style=style)


def make_printable(stream: Any) -> None:
    """Let a text stream replace characters that its encoding lacks, if it has an encoding."""
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors=HANDLER)


def to_ascii(text: str) -> str:
    """Return a text with similar characters: `5 ± 1` becomes `5 +/- 1`, `é` becomes `e`."""
    return "".join(character if character.isascii() else _similar(character) for character in text)


def _similar(character: str) -> str:
    letters = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return SIMILAR.get(character) or letters or ("" if unicodedata.combining(character) else "?")


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return to_ascii(error.object[error.start : error.end]), error.end


codecs.register_error(HANDLER, _replace)
