"""Records are whole or not there: each is filled under another name, and renamed in one step."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from fer_bench.records.schema import Predictions, Record
from fer_bench.records.store import COLUMNS, FOLDER, MODEL, OPTIONAL, PREDICTIONS, TEMPORARY, folder_of

REPLACED = "replaced"  # in a folder that is about to take its place, the record that was there before


def write(results: Path, record: Record, predictions: dict[str, Predictions], model_file: Path | None = None) -> Path:
    """Write a record and its predictions in one atomic step, in place of an earlier one of the same key.

    `model_file` is moved there with them. Of an earlier record nothing stays, its model neither.
    """
    final = folder_of(results, record.trial)
    part = final.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
    part.mkdir(parents=True)
    try:
        arrays = {
            f"{name}_{column}": getattr(p, column)
            for name, p in predictions.items()
            for column in (*COLUMNS, *OPTIONAL)
            if getattr(p, column) is not None
        }
        if arrays:
            with open(part / PREDICTIONS, "wb") as file:
                np.savez(file, **arrays)
                _sync(file)
        with open(part / "record.json", "w", encoding="utf-8") as text:
            text.write(record.model_dump_json(indent=1) + "\n")
            _sync(text)
        if model_file is not None:
            shutil.move(model_file, part / MODEL)
            with open(part / MODEL, "rb+") as model:
                _sync(model)
        if final.exists():  # a folder cannot be renamed over a full one
            final.rename(part / REPLACED)
        part.rename(final)
        shutil.rmtree(final / REPLACED, ignore_errors=True)
        _sync_folder(final.parent)
    finally:
        if (part / REPLACED).is_dir():  # interrupted between the two
            _finalize(part, final)
        shutil.rmtree(part, ignore_errors=True)
    return final


def recover_interrupted_writes(results: Path) -> None:
    """Put in their places the records whose writers were killed when only the earlier ones had been taken away."""
    for replaced in (results / FOLDER).glob(f"{TEMPORARY}*/{REPLACED}"):
        try:
            record = Record.model_validate_json((replaced.parent / "record.json").read_bytes())
        except (OSError, ValidationError):
            continue
        _finalize(replaced.parent, folder_of(results, record.trial))


def _finalize(part: Path, final: Path) -> None:
    """Put a whole record in its place, unless there is one again."""
    with suppress(OSError):  # its writer has just done so
        if not final.exists():
            part.rename(final)
            shutil.rmtree(final / REPLACED, ignore_errors=True)


def _sync(file) -> None:
    file.flush()
    os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """So that a power cut does not undo a renaming in it."""
    with suppress(OSError):  # folders are no files to Windows
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
