"""Write records atomically: each is filled under a temporary name and renamed in one step."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import suppress
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from fer_bench.core.files import atomic_write
from fer_bench.records.kept_models import ModelInfo, write_info
from fer_bench.records.schema import Predictions, Record
from fer_bench.records.store import (
    MODEL_FILE,
    OPTIONAL_ARRAYS,
    PREDICTIONS_FILE,
    RECORD_FILE,
    RECORDS_DIR,
    REQUIRED_ARRAYS,
    TEMPORARY_PREFIX,
    record_dir,
)

REPLACED_DIR = "replaced"  # inside a temporary folder: the earlier record, while the new one takes its place


def write(
    results: Path,
    record: Record,
    predictions: dict[str, Predictions],
    model_file: Path | None = None,
    model_info: ModelInfo | None = None,
) -> Path:
    """Write a record and its predictions in one atomic step; they replace an earlier record of the same key.

    Args:
        results: The results folder.
        record: The record.
        predictions: Predictions by split.
        model_file: The trained model, which is moved into the record. Default: the record has no model.
        model_info: What a user of the model must know, which is written beside it.

    Returns:
        The record's folder.

    Raises:
        OSError: The record cannot be written; an earlier one is unchanged.
    """
    final = record_dir(results, record.trial)
    temporary = final.parent / f"{TEMPORARY_PREFIX}{uuid.uuid4().hex}"
    temporary.mkdir(parents=True)
    try:
        arrays = {
            f"{split}_{name}": array
            for split, predicted in predictions.items()
            for name in (*REQUIRED_ARRAYS, *OPTIONAL_ARRAYS)
            if (array := getattr(predicted, name)) is not None
        }
        if arrays:
            with atomic_write(temporary / PREDICTIONS_FILE, sync=True) as file:
                np.savez(file, **arrays)
        with atomic_write(temporary / RECORD_FILE, sync=True) as file:
            file.write(record.model_dump_json(indent=1).encode() + b"\n")
        if model_file is not None:
            shutil.move(model_file, temporary / MODEL_FILE)
            with open(temporary / MODEL_FILE, "rb+") as model:
                os.fsync(model.fileno())
            if model_info is not None:
                write_info(temporary, model_info)
        if final.exists():  # a folder cannot be renamed to one that is not empty
            final.rename(temporary / REPLACED_DIR)
        temporary.rename(final)
        shutil.rmtree(final / REPLACED_DIR, ignore_errors=True)
        _sync_folder(final.parent)
    finally:
        if (temporary / REPLACED_DIR).is_dir():  # interrupted between the two renames
            _finalize(temporary, final)
        shutil.rmtree(temporary, ignore_errors=True)
    return final


def recover_interrupted_writes(results: Path) -> None:
    """Finish the writes that were killed after the earlier record had been moved away."""
    for replaced in (results / RECORDS_DIR).glob(f"{TEMPORARY_PREFIX}*/{REPLACED_DIR}"):
        try:
            record = Record.model_validate_json((replaced.parent / RECORD_FILE).read_bytes())
        except (OSError, ValidationError):
            continue
        _finalize(replaced.parent, record_dir(results, record.trial))


def _finalize(temporary: Path, final: Path) -> None:
    """Rename a complete record to its final name, unless a record has that name again."""
    with suppress(OSError):  # its writer has just done the same
        if not final.exists():
            temporary.rename(final)
            shutil.rmtree(final / REPLACED_DIR, ignore_errors=True)


def _sync_folder(folder: Path) -> None:
    """Force the folder's renames to the disk, so that a power cut does not undo them."""
    with suppress(OSError):  # Windows cannot open folders
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
