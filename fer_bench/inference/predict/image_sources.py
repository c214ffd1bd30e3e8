"""Which image and video files paths, folders and patterns name."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fer_bench.core.errors import UserError
from fer_bench.datasets.image_format import is_image_file

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".m2ts", ".wmv", ".flv", ".3gp"),
    *(".ogv", ".mjpeg", ".mjpg"),
)


@dataclass(frozen=True)
class Sources:
    """Image files and video files, in the order of the paths, sorted within folders and patterns."""

    images: list[Path]
    videos: list[Path]


def find_sources(paths: Iterable[str]) -> Sources:
    """Return the files that paths name: files, folders with all that is below them, and patterns such as '*.jpg'.

    A file that is named itself counts as an image unless it has the suffix of a video. Of folders and patterns other
    files are skipped.

    Raises:
        UserError: A path does not exist, or a folder or a pattern has no image and no video.
    """
    images: dict[Path, None] = {}
    videos: dict[Path, None] = {}
    for name in paths:
        for path in _files(name):
            (videos if path.suffix.lower() in VIDEO_SUFFIXES else images)[path] = None
    return Sources([*images], [*videos])


def _files(name: str) -> list[Path]:
    path = Path(name).expanduser()
    if path.is_dir():
        return _below(path, f"The folder {path}")
    if path.exists():
        return [path]
    if "://" in name:
        raise UserError(f"{name} is an address. Download the file and name it.")
    if not glob.has_magic(name):
        raise UserError(f"{path} does not exist. Name an image, a video, a folder or a pattern such as 'photos/*.jpg'.")
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]
    if not matches:
        raise UserError(f"No file matches '{name}'. Name an image, a video or a folder.")
    found = [file for match in matches for file in (_usable(match.rglob("*")) if match.is_dir() else _usable([match]))]
    if not found:
        raise UserError(f"'{name}' matches no image and no video.")
    return found


def _below(folder: Path, what: str) -> list[Path]:
    if found := _usable(folder.rglob("*")):
        return found
    raise UserError(f"{what} has no images and no videos.")


def _usable(paths: Iterable[Path]) -> list[Path]:
    files = (path for path in sorted(paths) if path.is_file() and not path.name.startswith("."))
    return [path for path in files if path.suffix.lower() in VIDEO_SUFFIXES or is_image_file(path)]
