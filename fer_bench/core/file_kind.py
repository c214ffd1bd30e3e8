"""What a file really is, by its first bytes: names lie, and downloads go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HEAD_SIZE = 1024  # bytes that identify a file: two blocks of a tar archive
DOWNLOAD_AGAIN = "Download it again"


@dataclass(frozen=True)
class FileKind:
    """A kind of file, for messages.

    Attributes:
        name: With its article, such as "a zip archive".
        remedy: What to do if something else was expected; no full stop.
        archive: "zip", "tar", or "stream" for one compressed file or tar; "" if Python cannot unpack it.
    """

    name: str
    remedy: str = DOWNLOAD_AGAIN
    archive: str = ""


EMPTY = FileKind("an empty file")
TAR = FileKind("a tar archive", "Unpack it: tar xf FILE", "tar")
WORKBOOK = FileKind("an Excel workbook", "Save it as csv")
_BY_MAGIC = {
    b"PK\x03\x04": FileKind("a zip archive", "Unpack it: unzip FILE", "zip"),
    b"PK\x05\x06": FileKind("an empty zip archive"),
    b"\x1f\x8b": FileKind("a gzip file", "Unpack it: tar xzf FILE, or gunzip FILE", "stream"),
    b"BZh": FileKind("a bzip2 file", "Unpack it: tar xjf FILE, or bunzip2 FILE", "stream"),
    b"\xfd7zXZ\x00": FileKind("an xz file", "Unpack it: tar xJf FILE, or unxz FILE", "stream"),
    b"7z\xbc\xaf\x27\x1c": FileKind("a 7-Zip archive", "Unpack it: 7z x FILE"),
    b"Rar!\x1a\x07": FileKind("a RAR archive", "Unpack it: unrar x FILE"),
    b"\x28\xb5\x2f\xfd": FileKind("a Zstandard file", "Unpack it: tar --zstd -xf FILE, or unzstd FILE"),
    b"\x89PNG": FileKind("a PNG image"),
    b"\xff\xd8\xff": FileKind("a JPEG image"),
    b"GIF8": FileKind("a GIF image"),
    b"\x89HDF": FileKind("an HDF5 file"),
    b"\x93NUMPY": FileKind("a NumPy array"),
    b"PAR1": FileKind("a Parquet file", "Save it as csv"),
    b"%PDF": FileKind("a PDF document"),
    b"\xd0\xcf\x11\xe0": FileKind("an Office document", "Save it as csv"),
    b"version https://git-lfs.github.com/spec/": FileKind("a Git LFS pointer", "Get the file itself: git lfs pull"),
    b"/annex/objects/": FileKind("a git-annex pointer", "Get the file itself: git annex get FILE"),
}
_HTML = FileKind("an HTML page", "Download the file again, from a browser if the server asks to sign in")
_BY_TEXT = {
    b"<!doctype html": _HTML,
    b"<html": _HTML,
    b"<?xml": FileKind("an XML file"),
    b'{"': FileKind("a JSON file"),
}


def identify(head: bytes) -> FileKind | None:
    """Return what a file is by its first HEAD_SIZE bytes; None for a text, or what has no mark."""
    if not head:
        return EMPTY
    for magic, kind in _BY_MAGIC.items():
        if head.startswith(magic):
            return WORKBOOK if b"[Content_Types].xml" in head[:64] else kind
    if b"\0" in head and _is_tar(head):
        return TAR
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((kind for start, kind in _BY_TEXT.items() if text.startswith(start)), None)


def identify_file(path: Path) -> FileKind | None:
    """Return what a file is; None for a text, for what has no mark, or if it cannot be read."""
    try:
        with path.open("rb") as file:
            return identify(file.read(HEAD_SIZE))
    except OSError:
        return None


def remedy(kind: FileKind, path: Path) -> str:
    """Return what to do about a file of an unexpected kind, as a sentence."""
    return f"{kind.remedy.replace('FILE', str(path))}."


def _is_tar(head: bytes) -> bool:
    """Return whether the first block is a tar header with a valid checksum, in any of tar's formats."""
    import tarfile

    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True
