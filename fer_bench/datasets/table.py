"""Read tables and lists as people have them: any encoding, line end and separator. Other files are named."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.core.file_kind import HEAD_SIZE, identify, remedy

SAMPLE_SIZE = 65_536  # bytes at the start that tell encoding and line ends
MAX_NUL_SHARE = 0.01  # of a text in UTF-8; UTF-16 has more
MAX_CONTROL_CHARACTERS = 10  # in the first HEAD_SIZE bytes of a text, which may be damaged
DELIMITERS = (",", ";", "\t")


@contextmanager
def open_lines(path: Path) -> Iterator[Iterable[bytes]]:
    """Open a text file and give its lines in UTF-8, each with its line end.

    UTF-8 and UTF-16, with or without a byte order mark, and all line ends are read. What cannot be decoded becomes
    U+FFFD, so that the line is invalid.

    Raises:
        UserError: The file cannot be read or is no text, such as an archive, an HTML page or a Git LFS pointer.
    """
    try:
        with path.open("rb") as file:
            encoding = _find_encoding(path, file.read(SAMPLE_SIZE))
            file.seek(0)
            if encoding:
                text = io.TextIOWrapper(file, encoding=encoding, errors="replace")
                yield (line.encode() for line in text)
            else:
                yield file
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None


def split_header(header: bytes, columns: Sequence[str] = ()) -> tuple[list[str], str]:
    """Return the names in a header in lower case, and the separator that gives most of `columns`, else most names."""
    text = header.decode("utf-8", errors="replace").removeprefix("\ufeff")
    candidates = [([strip_quotes(name).lower() for name in text.split(mark)], mark) for mark in DELIMITERS]
    return max(candidates, key=lambda names_mark: (len(set(names_mark[0]) & set(columns)), len(names_mark[0])))


def strip_quotes(text: str) -> str:
    """Return a field without spaces and quotes around it."""
    return text.strip().strip('"').strip()


def shorten(text: str, max_length: int = 20) -> str:
    """Return a text for a message: quoted, on one line, shortened."""
    quoted = repr(text)
    return quoted if len(quoted) <= max_length else f"{quoted[: max_length - 1]}…"


def _find_encoding(path: Path, sample: bytes) -> str:
    """Return the encoding of a text that has to be decoded; "" for one with UTF-8 or ASCII lines."""
    if kind := identify(sample[:HEAD_SIZE]):
        raise UserError(f"{path} is {kind.name}, not a table. {remedy(kind, path)}")
    if sample.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    if sample.count(0) > MAX_NUL_SHARE * len(sample):
        even, odd = sample[::2].count(0), sample[1::2].count(0)
        if max(even, odd) > len(sample) / 4 and min(even, odd) <= MAX_NUL_SHARE * len(sample):
            return "utf-16-le" if odd > even else "utf-16-be"
    if sum(byte < 32 and byte not in b"\t\n\r" for byte in sample[:HEAD_SIZE]) > MAX_CONTROL_CHARACTERS:
        raise UserError(f"{path} is a binary file, not a table. Download it again.")
    return "utf-8-sig" if b"\r" in sample and b"\n" not in sample else ""
