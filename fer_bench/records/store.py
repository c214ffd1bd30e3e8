"""RESULTS/records/<architecture>-<dataset>-s<seed>-<key>/{record.json, predictions.npz[, model.keras]}.

Beside a kept model is model_info.json (see `kept_models`). Other files there, such as robustness.json, were
measured from the model later. A reader never sees an incomplete record (see `writing`). Folders of several machines
merge by copying.
"""

from __future__ import annotations

import gc
import json
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from fer_bench.records.schema import Predictions, Record, Trial, describe_validation_error

if TYPE_CHECKING:
    import pandas as pd

RECORDS_DIR = "records"
KEY_LENGTH = 16  # digits of the key in folder names, of 64
TEMPORARY_PREFIX = ".part-"
RECORD_FILE = "record.json"
PREDICTIONS_FILE = "predictions.npz"
MODEL_FILE = "model.keras"  # only if models are saved
REQUIRED_ARRAYS = ("ids", "labels", "probabilities")
OPTIONAL_ARRAYS = ("no_duplicate", "groups")
NPY_MAGIC = b"\x93NUMPY\x01\x00"  # NumPy's file format, version 1
NPY_HEADER_START = 10
# NumPy and zipfile raise these for truncated or changed files.
READ_ERRORS = (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile)

Skipped = tuple[Path, str]  # a path that was not loaded, and the reason


@dataclass(frozen=True)
class StoredRecord:
    """A record and its folder."""

    record: Record
    path: Path

    @property
    def model_file(self) -> Path | None:
        """The trained model; None if it was not saved."""
        file = self.path / MODEL_FILE
        return file if file.is_file() else None

    @property
    def corrupt(self) -> bool:
        """Whether the trial finished but its predictions cannot be read."""
        try:
            return self.record.status == "finished" and not self.arrays()
        except READ_ERRORS:
            return True

    def predictions(self, split: str) -> Predictions:
        """Return the predictions of the validation or the test split.

        Raises:
            KeyError: The record has no predictions of that split.
            FileNotFoundError: The trial did not finish.
        """
        arrays = self.arrays(*(f"{split}_{name}" for name in (*REQUIRED_ARRAYS, *OPTIONAL_ARRAYS)))
        ids, labels, probabilities = (arrays[f"{split}_{name}"] for name in REQUIRED_ARRAYS)
        no_duplicate, groups = (arrays.get(f"{split}_{name}") for name in OPTIONAL_ARRAYS)
        return Predictions(ids, labels, probabilities, no_duplicate, groups)

    def arrays(self, *names: str) -> dict[str, np.ndarray]:
        """Return read-only arrays of predictions.npz, such as `test_labels`; all of them if no name is given.

        Names that the file does not have are missing in the result.

        Raises:
            FileNotFoundError: The trial did not finish.
            OSError, EOFError, ValueError, BadZipFile: The file is damaged.
        """
        try:
            with zipfile.ZipFile(self.path / PREDICTIONS_FILE) as file:
                entries = {entry.removesuffix(".npy"): entry for entry in file.namelist()}
                return {name: _array(file.read(entries[name])) for name in names or entries if name in entries}
        except (RuntimeError, zlib.error) as error:  # zipfile raises them for some flipped bits
            raise zipfile.BadZipFile(str(error)) from None


@dataclass(frozen=True)
class Records:
    """The records of a results folder.

    Attributes:
        stored: Readable records by key.
        skipped: Paths that were not loaded, with the reason.
    """

    stored: dict[str, StoredRecord] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)

    def __iter__(self) -> Iterator[StoredRecord]:
        return iter(self.stored.values())

    def __len__(self) -> int:
        return len(self.stored)

    def to_frame(self, targets: Sequence[float] = ()) -> pd.DataFrame:
        """Return a pandas frame with one row per record, without scores; see `fer_bench.records.frame.to_frame`."""
        from fer_bench.records.frame import to_frame  # pandas takes half a second to import, and few readers need it

        return to_frame(((stored.record, stored.path) for stored in self), targets)


def record_dir(results: Path, trial: Trial) -> Path:
    """Return the folder of a trial's record."""
    name = f"{trial.architecture}-{trial.dataset}-s{trial.seed}-{trial.key[:KEY_LENGTH]}"
    return results / RECORDS_DIR / re.sub(r"[^\w.=+-]", "_", name.replace("->", "-to-"))


def model_file(results: Path, trial: Trial) -> Path:
    """Return the file of a trial's model, which exists only if the model is kept."""
    return record_dir(results, trial) / MODEL_FILE


def start_time(results: Path, trial: Trial) -> str | None:
    """Return when a recorded trial started; None if it has no readable record."""
    try:
        return str(json.loads((record_dir(results, trial) / RECORD_FILE).read_bytes())["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load(results: Path | str) -> Records:
    """Read every record of a results folder; what cannot be read is listed in `skipped`, never raised.

    Equal copies of one record, in folders whose names contain its key, count once. Records of one key that differ are
    all skipped, because nobody can know which of them is right.
    """
    folder = Path(results) / RECORDS_DIR
    records = Records()
    by_key: dict[str, list[StoredRecord]] = defaultdict(list)
    with _gc_disabled():
        for path in sorted(folder.iterdir()) if folder.is_dir() else []:
            if path.name.startswith(TEMPORARY_PREFIX):
                continue  # left behind by a killed writer
            try:
                key, stored = _read(path)
            except _Unreadable as reason:
                records.skipped.append((path, str(reason)))
            else:
                by_key[key].append(stored)
    for key, copies in by_key.items():
        if stored_once := copies[0] if len(copies) == 1 else _merge_copies(copies, records.skipped):
            records.stored[key] = stored_once
    return records


class _Unreadable(Exception):
    """The reason why a path is not loaded."""


def _read(path: Path) -> tuple[str, StoredRecord]:
    """Read a record and compute its key, which takes as long as reading."""
    try:
        content = (path / RECORD_FILE).read_bytes()
        record = Record.model_validate_json(content)
    except ValidationError as error:
        raise _Unreadable(f"{RECORD_FILE}: {describe_validation_error(error)}") from None
    except OSError as error:
        if not path.is_dir():
            raise _Unreadable("not a folder") from None
        reason = "it is missing" if isinstance(error, FileNotFoundError) else type(error).__name__
        raise _Unreadable(f"{RECORD_FILE} cannot be read ({reason})") from None
    key = record.trial.key
    if key[:KEY_LENGTH] not in path.name:
        raise _Unreadable("the folder's name does not contain the key of its record: one of them was changed")
    if b'"benchmark_version"' not in content:  # older than the field
        record = record.model_copy(update={"benchmark_version": 1})
    if record.status == "finished" and not (path / PREDICTIONS_FILE).is_file():
        raise _Unreadable(f"{PREDICTIONS_FILE} is missing")
    return key, StoredRecord(record, path)


def _merge_copies(copies: list[StoredRecord], skipped: list[Skipped]) -> StoredRecord | None:
    """Return one of several records of one key if all readable ones are equal, and add the others to `skipped`.

    A copy with a saved model is preferred, then the first by name.
    """
    contents = {}
    for copy in copies:
        try:
            contents[copy.path] = _content(copy)
        except READ_ERRORS as error:
            skipped.append((copy.path, f"{PREDICTIONS_FILE} cannot be read ({type(error).__name__})"))
    readable = [copy for copy in copies if copy.path in contents]
    conflicts: dict[Path, list[str]] = defaultdict(list)
    for path, other in permutations(contents, 2):
        first, second = contents[path], contents[other]
        if fields := [name for name in first | second if first.get(name) != second.get(name)]:
            conflicts[path].append(f"{other.name} ({', '.join(fields)})")
    skipped.extend(
        (path, f"differs from {', '.join(others)}, which has the same key") for path, others in conflicts.items()
    )
    if conflicts or not readable:
        return None
    return next((copy for copy in readable if copy.model_file), readable[0])


def _content(stored: StoredRecord) -> dict[str, Any]:
    """Return all content of a record and its predictions, by field names of the record."""
    fields = {name: json.dumps(value, sort_keys=True) for name, value in stored.record.model_dump(mode="json").items()}
    if not (stored.path / PREDICTIONS_FILE).is_file():
        return fields
    arrays = stored.arrays()
    return fields | {"predictions": {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()}}


def _array(content: bytes) -> np.ndarray:
    """Return an array from the format of `np.save`; equal headers are parsed only once, unlike in NumPy."""
    if content.startswith(NPY_MAGIC):
        length = NPY_HEADER_START + int.from_bytes(content[len(NPY_MAGIC) : NPY_HEADER_START], "little")
        shape, fortran, dtype = _header(content[:length])
        if not dtype.hasobject:
            return np.ndarray(shape, dtype, content, length, order="F" if fortran else "C")
    return np.lib.format.read_array(BytesIO(content), allow_pickle=False)


@lru_cache(maxsize=1000)
def _header(content: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    file = BytesIO(content)
    file.seek(len(NPY_MAGIC))
    return np.lib.format.read_array_header_1_0(file)


@contextmanager
def _gc_disabled() -> Iterator[None]:
    """Disable the garbage collector, which would scan everything that was read again and again and free nothing."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
