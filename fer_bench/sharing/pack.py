"""One file with records: the folders of `records/` without models, and contents.json with the SHA-256 of each file."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from fer_bench import __version__
from fer_bench.core.errors import UserError
from fer_bench.core.files import atomic_path, writing
from fer_bench.core.text import flatten
from fer_bench.records import StoredRecord
from fer_bench.records.schema import Record
from fer_bench.records.store import PREDICTIONS_FILE, RECORD_FILE, RECORDS_DIR

CONTENTS_FILE = "contents.json"
FORMAT_VERSION = 1
MEMBER = re.compile(rf"{RECORDS_DIR}/[\w.=+-]+/({re.escape(RECORD_FILE)}|{re.escape(PREDICTIONS_FILE)})")
MAX_BYTES = 2**30  # of all files when unpacked; a record has about one megabyte
ABSOLUTE_PATH = re.compile(r"(?<![\w:/.])(?:/[^\s/]+/|~/|[A-Za-z]:\\|\\\\)")  # not the path of an address, https://…/…


def write_pack(stored: Sequence[StoredRecord], file: Path) -> None:
    """Write finished records to one file. The same records give the same bytes.

    A record has the specification, the history, the machine and the predictions; not the images, and not the model.

    Raises:
        UserError: There is no record, one of them names a path of this machine, or the file cannot be written.
    """
    if not stored:
        raise UserError("There are no finished trials to share. Train some, or choose others.")
    members = {}
    for one in sorted(stored, key=lambda one: one.path.name):
        _check_private(one.record)
        for name in (RECORD_FILE, PREDICTIONS_FILE):
            members[f"{RECORDS_DIR}/{one.path.name}/{name}"] = (one.path / name).read_bytes()
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    contents = {"format": FORMAT_VERSION, "program": f"fer-bench {__version__}", "sha256": digests}
    members[CONTENTS_FILE] = json.dumps(contents, indent=1).encode()
    with (
        writing(file),
        atomic_path(file) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as pack,
    ):
        for name, content in members.items():
            pack.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # without the time of writing


def unpack(file: Path, folder: Path) -> list[str]:
    """Unpack the records of a file into a results folder.

    Returns:
        What is wrong with the file: sentences on files that were changed, are missing, or do not belong there.

    Raises:
        UserError: The file cannot be read, or it is no file of records.
    """
    try:
        with zipfile.ZipFile(file) as pack:
            if sum(info.file_size for info in pack.infolist()) > MAX_BYTES:
                raise UserError(f"{file} has more than {MAX_BYTES // 2**20:,} MiB when unpacked. Records have less.")
            expected = _read_contents(pack, file)
            return list(_unpack_members(pack, expected, folder))
    except (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError) as error:
        raise UserError(f"{file} is no file of `share`, or it is damaged: {error}.") from None
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror or error}.") from None


def _unpack_members(pack: zipfile.ZipFile, expected: dict[str, str], folder: Path) -> Iterator[str]:
    names = pack.namelist()
    for name in sorted(set(names) | set(expected)):
        if name == CONTENTS_FILE:
            continue
        if not MEMBER.fullmatch(name) or "/../" in name:
            yield f"{name} does not belong into such a file."
        elif name not in expected:
            yield f"{name} is not in {CONTENTS_FILE}: it was added later."
        elif name not in names:
            yield f"{name} is missing."
        elif names.count(name) > 1:
            yield f"{name} is there {names.count(name)} times."
        else:
            content = pack.read(name)
            if hashlib.sha256(content).hexdigest() != expected[name]:
                yield f"{name} was changed: its SHA-256 is another one than in {CONTENTS_FILE}."
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def _read_contents(pack: zipfile.ZipFile, file: Path) -> dict[str, str]:
    try:
        contents: dict[str, Any] = json.loads(pack.read(CONTENTS_FILE))
        version, digests = contents["format"], {str(name): str(digest) for name, digest in contents["sha256"].items()}
    except (KeyError, ValueError, TypeError, AttributeError):
        raise UserError(f"{file} has no valid {CONTENTS_FILE}: it is no file of `share`.") from None
    if version != FORMAT_VERSION:
        raise UserError(f"{file} has format {version}; this version of fer-bench reads format {FORMAT_VERSION}.")
    return digests


def _check_private(record: Record) -> None:
    """Raise UserError if a text of a record contains a path of this machine, such as that of a model file."""
    for key, value in flatten(record.model_dump(mode="json")).items():
        if ABSOLUTE_PATH.search(str(value)):
            raise UserError(
                f"{record.trial} cannot be shared: its field {key} contains a path of this machine. Train it with a "
                "relative path, or choose other records."
            )
