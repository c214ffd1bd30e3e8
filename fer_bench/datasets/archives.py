"""Unpack archives into the cache folder, so that datasets are read from them. Imports no NumPy.

Only regular files are written, with limits on their number and size, and only below the archive's own folder.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import secrets
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, Self

from fer_bench.core.errors import UserError
from fer_bench.core.file_kind import identify_file, remedy
from fer_bench.datasets.cache_dir import locked, report_write_errors
from fer_bench.datasets.tree import Folder

Progress = Callable[[str, int, int], None]

FORMAT = 1  # increased when other files are written; older copies are then unpacked again
UNPACKED, LOCK, MARKER = "unpacked", ".unpacked.lock", ".fer-bench-archive.json"
# Files whose first bytes are checked: archives, and what archives are renamed to.
SUFFIXES = frozenset(
    (".zip", ".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".7z", ".rar", ".zst", ".tzst", ".csv", "")
)
STREAM_SUFFIXES = (".gz", ".bz2", ".xz")
MAX_CHECKED = 200  # files per search
MAX_FILES = 500_000  # per archive
MIN_LIMIT_BYTES, MAX_RATIO = 2**30, 20  # images and pixels in text do not shrink to a twentieth
CHUNK_BYTES = 2**20
# What the standard library raises for damaged archives. OSError has no errno then.
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError, ValueError)

_failures: dict[tuple[str, int, int], str] = {}  # archive with size and time → the message about it


@dataclass(frozen=True)
class _Member:
    """A file in an archive; `open` returns its content as a binary file."""

    name: str
    open: Callable[[], Any]
    is_link: bool = False


def list_archives(tree: Iterable[Folder]) -> list[Path]:
    """Return the files that are archives by their first bytes, whatever their names, and those named like archives."""
    names = (folder.path / name for folder in tree for name in folder.files)
    checked = [path for path in names if path.suffix.lower() in SUFFIXES][:MAX_CHECKED]
    return [path for path in checked if is_archive(path) or (path.suffix.lower() not in (".csv", ""))]


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive that can be unpacked."""
    kind = identify_file(path)
    return kind is not None and bool(kind.archive)


def unpack(archive: Path, cache_dir: Path, progress: Progress | None = None) -> Path:
    """Return the folder into which an archive was unpacked, now or earlier.

    Archives of one folder have folders beside each other, as if they were unpacked in place.

    Raises:
        UserError: The archive is damaged, encrypted, too large or of a kind that Python cannot unpack, has links or
            paths that lead out of its folder, or the cache cannot be written.
    """
    state = _state(archive)
    if (folder := find_unpacked(archive, cache_dir)) is not None:
        return folder
    key = (state["path"], state["size"], state["mtime_ns"])
    if key in _failures:
        raise UserError(_failures[key])
    folder = _folder(archive, cache_dir)
    with report_write_errors(cache_dir):
        folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(cache_dir / LOCK):
        if find_unpacked(archive, cache_dir) is None:  # another process may have unpacked it in the meantime
            try:
                _unpack_into(folder, archive, state, progress)
            except UserError as error:
                _failures[key] = str(error)
                raise
    return folder


def find_unpacked(archive: Path, cache_dir: Path) -> Path | None:
    """Return the folder into which an archive was unpacked earlier; None if it was not, or has changed since."""
    folder = _folder(archive, cache_dir)
    try:
        known = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return folder if known == _state(archive) else None


def origin(path: Path) -> str:
    """Return a path for people: that of a file from an archive is `fer2013/fer2013.csv in data/fer2013.tar.gz`."""
    for folder in (path, *path.parents):
        try:
            archive = Path(json.loads((folder / MARKER).read_text(encoding="utf-8"))["path"])
        except (OSError, ValueError, KeyError):
            continue
        return origin(archive) if path == folder else f"{path.relative_to(folder)} in {origin(archive)}"
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative


def _folder(archive: Path, cache_dir: Path) -> Path:
    parent = hashlib.sha256(os.fsencode(archive.parent.resolve())).hexdigest()[:12]
    return cache_dir / UNPACKED / parent / archive.name


def _state(archive: Path) -> dict[str, Any]:
    try:
        status = archive.stat()
    except OSError as error:
        raise UserError(f"{archive} cannot be read: {error.strerror or error}.") from None
    path = str(archive.resolve())
    return {"format": FORMAT, "path": path, "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _unpack_into(folder: Path, archive: Path, state: dict[str, Any], progress: Progress | None) -> None:
    """Unpack into a temporary folder, then rename it."""
    kind = identify_file(archive)
    if kind is None or not kind.archive:
        advice = remedy(kind, archive) if kind else "Download it again."
        raise UserError(f"{archive} is {kind.name if kind else 'no archive'}. {advice}")
    temporary = folder.with_name(f".{secrets.token_hex(4)}.tmp")
    outdated = folder.with_name(f".{secrets.token_hex(4)}.old.tmp")
    limit = max(MIN_LIMIT_BYTES, MAX_RATIO * state["size"])
    try:
        with report_write_errors(folder.parent):
            temporary.mkdir()
        with archive.open("rb") as file:
            report = _reporter(file, state, progress)
            _write_members(temporary, archive, _members(file, archive, kind.archive), limit, report)
        with report_write_errors(folder.parent):
            (temporary / MARKER).write_text(json.dumps(state), encoding="utf-8")
            with suppress(FileNotFoundError):
                folder.rename(outdated)
            temporary.rename(folder)
    except RuntimeError as error:  # zipfile: a password is required, or the compression is unknown
        reason = "it is encrypted" if "password" in str(error) else str(error).rstrip(".")
        raise _failure(archive, reason) from None
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno:
            raise _failure(archive, error.strerror or str(error)) from None
        raise UserError(f"The archive {archive} is damaged or incomplete. Download it again.") from None
    finally:
        if progress:
            progress(f"unpacking {archive.name}", 1, 1)
        for path in (temporary, outdated):
            shutil.rmtree(path, ignore_errors=True)


def _failure(archive: Path, reason: str) -> UserError:
    return UserError(
        f"The archive {archive} cannot be unpacked: {reason}. Unpack it yourself and name the folder with --data-dir."
    )


def _reporter(file: IO[bytes], state: dict[str, Any], progress: Progress | None) -> Callable[[], None]:
    """Return a function that reports how much of the archive was read."""
    description, size = f"unpacking {Path(state['path']).name}", state["size"]

    def report() -> None:
        if progress:
            progress(description, min(file.tell(), size - 1), size)

    return report


def _write_members(
    folder: Path, archive: Path, members: Iterable[_Member], limit: int, report: Callable[[], None]
) -> None:
    """Write the visible files of an archive below `folder`; raise UserError beyond `limit` bytes or MAX_FILES."""
    written = 0
    for number, member in enumerate(members):
        parts = _safe_parts(member.name)
        if parts is None:
            raise _failure(archive, f"the path {member.name[:80]!r} leads out of its folder")
        if member.is_link:
            raise _failure(archive, f"{member.name[:80]!r} is a link or no regular file")
        if number >= MAX_FILES:
            raise _failure(archive, f"it has more than {MAX_FILES:,} files")
        if not parts or any(part.startswith(".") or part == "__MACOSX" for part in parts):
            continue
        target = folder.joinpath(*parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with member.open() as source, target.open("wb") as copy:
            while chunk := source.read(CHUNK_BYTES):
                written += len(chunk)
                if written > limit:
                    raise _failure(archive, f"its content is larger than {limit / 2**30:.0f} GiB")
                copy.write(chunk)
        report()


def _safe_parts(name: str) -> tuple[str, ...] | None:
    """Return the parts of a member's path; None for one that is absolute or leads upward, on any system."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or PureWindowsPath(name).drive or ".." in path.parts or "\0" in name:
        return None
    return path.parts


def _members(file: IO[bytes], archive: Path, kind: str) -> Iterator[_Member]:
    """Yield the files of an archive and whatever is neither a file nor a folder."""
    if kind == "zip":
        yield from _zip_members(file)
    elif kind == "tar" or _is_compressed_tar(file):
        yield from _tar_members(file)
    else:
        yield _stream_member(file, archive)


def _zip_members(file: IO[bytes]) -> Iterator[_Member]:
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                is_link = stat.S_ISLNK(info.external_attr >> 16)
                yield _Member(info.filename, partial(archive.open, info), is_link)


class _StrictTarInfo(tarfile.TarInfo):
    """tarfile takes a damaged header, or the end of a file that was cut there, for the end of the archive."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from None


def _tar_members(file: IO[bytes]) -> Iterator[_Member]:
    with tarfile.open(fileobj=file, mode="r:*", tarinfo=_StrictTarInfo) as archive:
        for info in archive:
            if not info.isdir():
                yield _Member(info.name, partial(archive.extractfile, info), not info.isreg())


def _is_compressed_tar(file: IO[bytes]) -> bool:
    try:
        with tarfile.open(fileobj=file, mode="r:*"):
            return True
    except tarfile.ReadError:
        return False
    finally:
        file.seek(0)


def _stream_member(file: IO[bytes], archive: Path) -> _Member:
    """Return the only file in a compressed file: its name without the suffix, or as csv."""
    name = archive.stem if archive.suffix.lower() in STREAM_SUFFIXES else archive.name
    name = name if Path(name).suffix else f"{name}.csv"
    magic = file.read(2)
    file.seek(0)
    if magic == b"\x1f\x8b":
        return _Member(name, lambda: gzip.GzipFile(fileobj=file))
    if magic == b"BZ":
        return _Member(name, lambda: bz2.BZ2File(file))
    return _Member(name, lambda: lzma.LZMAFile(file))
