"""RESULTS/records/<architecture>-<dataset>-s<seed>-<key>/{record.json, predictions.npz}.

A record's folder is filled under another name and renamed when it is whole, so a reader never sees half of one,
whenever the writer is killed. Folders of several machines merge by copying.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from fer_bench.trial import Predictions, Record, Trial

FOLDER = "records"
KEY_LENGTH = 16  # of the 64 digits, in folder names
TEMPORARY = ".part-"
COLUMNS = ("ids", "labels", "probabilities")  # of predictions that always have them


@dataclass(frozen=True)
class Stored:
    """A record and the folder in which it lies."""

    record: Record
    path: Path

    def predictions(self, part: str) -> Predictions:
        """The predictions of `validation` or `test`.

        KeyError where the record has none of that part, FileNotFoundError where its trial did not finish.
        """
        with np.load(self.path / "predictions.npz", allow_pickle=False) as file:
            columns = {name: file[f"{part}_{name}"] for name in COLUMNS}
            return Predictions(**columns, clean=file.get(f"{part}_clean"))


@dataclass(frozen=True)
class Records:
    """All readable records of a results folder, and what was left out: (path, reason)."""

    stored: dict[str, Stored] = field(default_factory=dict)  # by key
    left_out: list[tuple[Path, str]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Stored]:
        return iter(self.stored.values())

    def __len__(self) -> int:
        return len(self.stored)


def folder_of(results: Path, trial: Trial) -> Path:
    name = f"{trial.architecture}-{trial.dataset}-s{trial.seed}-{trial.key[:KEY_LENGTH]}"
    return results / FOLDER / re.sub(r"[^\w.=+-]", "_", name.replace("->", "-to-"))


def write(results: Path, record: Record, predictions: dict[str, Predictions]) -> Path:
    """Write a record and its predictions in one atomic step, in place of an earlier one of the same key."""
    final = folder_of(results, record.trial)
    part = final.parent / f"{TEMPORARY}{uuid.uuid4().hex}"
    part.mkdir(parents=True)
    try:
        arrays = {
            f"{name}_{column}": getattr(p, column)
            for name, p in predictions.items()
            for column in (*COLUMNS, "clean")
            if getattr(p, column) is not None
        }
        if arrays:
            with open(part / "predictions.npz", "wb") as file:
                np.savez(file, **arrays)
                _sync(file)
        with open(part / "record.json", "w", encoding="utf-8") as text:
            text.write(record.model_dump_json(indent=1) + "\n")
            _sync(text)
        if final.exists():  # a folder cannot be renamed over a full one
            final.rename(part / "replaced")
        part.rename(final)
        shutil.rmtree(final / "replaced", ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return final


def load(results: Path | str) -> Records:
    """Read every record below a results folder; what cannot be read is named in `left_out`, never raised."""
    folder = Path(results) / FOLDER
    records = Records()
    if not folder.is_dir():
        return records
    for path in sorted(folder.iterdir()):
        if path.name.startswith(TEMPORARY):
            continue  # the remains of a killed writer
        try:
            record = Record.model_validate_json((path / "record.json").read_bytes())
        except (OSError, ValidationError) as error:
            records.left_out.append((path, _reason(error)))
            continue
        key = record.trial.key
        if not path.name.endswith(key[:KEY_LENGTH]):
            records.left_out.append((path, "the folder's name does not end in the key of its record"))
        elif record.status == "finished" and not (path / "predictions.npz").is_file():
            records.left_out.append((path, "predictions.npz is missing"))
        else:
            records.stored[key] = Stored(record, path)
    return records


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"record.json: {'.'.join(map(str, first['loc']))} {first['msg']}".strip()
    return f"record.json cannot be read ({type(error).__name__})"


def _sync(file) -> None:
    file.flush()
    os.fsync(file.fileno())
