"""Consoles of any encoding: what they cannot show is replaced."""

import io

import pytest
from rich.console import Console

from fer_bench.core.console import make_printable, print_text, to_ascii
from fer_bench.core.errors import UserError


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "cp437", "latin-1", "cp932", "utf-8", "utf-16"])
def test_no_character_fails(encoding):
    content = io.BytesIO()
    stream = io.TextIOWrapper(content, encoding=encoding)
    make_printable(stream)
    stream.write("63.4 ± 0.3 ≈ × … → ✓ ✗ é 漢字 \udcff 😀")
    stream.flush()
    assert content.getvalue().decode(encoding).startswith("63.4")


def test_similar_characters():
    assert to_ascii("5 ± 1 × 2 – é ✗ 漢") == "5 +/- 1 x 2 - e x ?"


def test_streams_without_encoding_stay_as_they_are():
    make_printable(None)
    make_printable(io.StringIO())


def test_messages_have_one_line_and_no_control_characters():
    assert str(UserError("a\nb\x1b[31m\0 é × cannot be read.")) == "a?b?[31m? é × cannot be read."


def test_a_terminal_breaks_sentences_between_words_and_a_file_never():
    text = "Records go to results/records, one folder each."
    for terminal, lines in ((True, ["Records go to", "results/records, one", "folder each."]), (False, [text])):
        stream = io.StringIO()
        print_text(Console(file=stream, width=20, force_terminal=terminal, color_system=None), text)
        assert [line.rstrip() for line in stream.getvalue().splitlines()] == lines
