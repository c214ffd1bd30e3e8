"""Which files are images: by the suffix of the usual formats, else by their first bytes. Imports no NumPy."""

from __future__ import annotations

import re
from pathlib import Path

# A file with one of these suffixes has to be an image: anything else in it is an error.
USUAL_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".pgm")
# The suffixes of all formats that OpenCV or Pillow reads.
IMAGE_SUFFIXES = (
    *USUAL_SUFFIXES,
    *(".jpe", ".jfif", ".jif", ".jfi", ".pjpeg", ".pjp", ".mpo", ".apng", ".gif", ".dib", ".avif", ".avifs"),
    *(".heic", ".heif", ".hif", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".ppm", ".pbm", ".pnm", ".pam"),
    *(".pfm", ".ras", ".sr", ".sgi", ".rgb", ".bw", ".pcx", ".ico", ".icns", ".dds", ".psd", ".qoi", ".tga"),
)
BACKUP_SUFFIXES = (".bak", ".old", ".orig", ".tmp", ".swp", ".part", ".crdownload", "~")
HEAD_SIZE = 32  # bytes that identify a format

_ISO_MEDIA = re.compile(rb".{4}ftyp(heic|heix|heim|heis|hevc|hevx|mif1|msf1|avif|avis)", re.DOTALL)
_FORMATS = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a.{7}|BM.{4}\0{4}|RIFF.{4}WEBP|II\*\0|MM\0\*|II\+\0|MM\0\+"
    rb"|\0\0\0\x0cjP  |\xff\x4f\xff\x51|P[1-7fF]\s+[\d#W]|\x59\xa6\x6a\x95|\x01\xda[\0\x01][\x01\x02]"
    rb"|\x0a\x05\x01[\x01\x02\x04\x08]|\0\0\x01\0.\0|icns|DDS \x7c|8BPS\0\x01|qoif|" + _ISO_MEDIA.pattern,
    re.DOTALL,
)


def has_image_suffix(name: str) -> bool:
    """Return whether a file name has the suffix of an image. Hidden files, such as the ._ copies of macOS, have not."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def is_image_file(path: Path) -> bool:
    """Return whether a file is an image.

    It is if it has a usual suffix. Otherwise its first bytes decide, whatever its suffix is, except for backups.
    """
    name = path.name.lower()
    if name.endswith(USUAL_SUFFIXES):
        return not name.startswith(".")
    if name.startswith(".") or name.endswith(BACKUP_SUFFIXES):
        return False
    head = read_head(path)
    return bool(_FORMATS.match(head)) or (name.endswith(".tga") and len(head) > 18)


def is_heif(head: bytes) -> bool:
    """Return whether a file with these first bytes is HEIC or HEIF, which Pillow reads only with pillow-heif."""
    match = _ISO_MEDIA.match(head)
    return match is not None and match[1] not in (b"avif", b"avis")


def is_avif(head: bytes) -> bool:
    """Return whether a file with these first bytes is AVIF."""
    match = _ISO_MEDIA.match(head)
    return match is not None and match[1] in (b"avif", b"avis")


def read_head(path: Path) -> bytes:
    """Return the first bytes of a file; none if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(HEAD_SIZE)
    except OSError:
        return b""
