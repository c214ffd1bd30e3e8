"""RESULTS/records/<architecture>-<dataset>-s<seed>-<key>/{record.json, predictions.npz[, model.keras]}.

What else lies there, such as robustness.json, was measured of the model afterwards.
A reader never sees half of a record (see `writing`). Folders of several machines merge by copying.
"""

from __future__ import annotations

import gc
import json
import re
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from io import BytesIO
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError

from fer_bench.records.schema import Predictions, Record, Trial

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "records"
KEY_LENGTH = 16  # of the 64 digits, in folder names
TEMPORARY = ".part-"
PREDICTIONS = "predictions.npz"
MODEL = "model.keras"  # kept where it was asked for
COLUMNS = ("ids", "labels", "probabilities")  # of predictions that always have them
OPTIONAL = ("no_duplicate", "groups")
PLAIN, HEAD = b"\x93NUMPY\x01\x00", 10  # NumPy's format, version 1: how it begins, and bytes before its header
# What NumPy and zipfile raise for files that were cut short or changed.
READ_ERRORS = (OSError, EOFError, KeyError, ValueError, TypeError, zipfile.BadZipFile)


@dataclass(frozen=True)
class StoredRecord:
    """A record and the folder in which it lies."""

    record: Record
    path: Path

    @property
    def model_file(self) -> Path | None:
        """The trained model, None where it was not kept."""
        file = self.path / MODEL
        return file if file.is_file() else None

    @property
    def corrupt(self) -> bool:
        """Whether it has predictions, and they cannot be read."""
        try:
            return self.record.status == "finished" and not self.all_arrays()
        except READ_ERRORS:
            return True

    def predictions(self, split: str) -> Predictions:
        """The predictions of `validation` or `test`.

        KeyError where the record has none of that part, FileNotFoundError where its trial did not finish.
        """
        found = self.arrays(*(f"{split}_{name}" for name in (*COLUMNS, *OPTIONAL)))
        columns = {name: found.get(f"{split}_{name}") for name in OPTIONAL}
        return Predictions(*(found[f"{split}_{name}"] for name in COLUMNS), **columns)

    def arrays(self, *names: str) -> dict[str, np.ndarray]:
        """Those of the named arrays of predictions.npz that it has, such as `test_labels`; not to be written to.

        FileNotFoundError where the trial did not finish; OSError, EOFError, ValueError or BadZipFile where the file is
        damaged.
        """
        return self._read(lambda name: name in names)

    def all_arrays(self) -> dict[str, np.ndarray]:
        """As `arrays`, of all that are there."""
        return self._read(lambda name: True)

    def _read(self, wanted: Callable[[str], bool]) -> dict[str, np.ndarray]:
        try:
            with zipfile.ZipFile(self.path / PREDICTIONS) as file:
                members = {name.removesuffix(".npy"): name for name in file.namelist()}
                return {name: _array(file.read(member)) for name, member in members.items() if wanted(name)}
        except (RuntimeError, zlib.error) as error:  # what zipfile raises for some of the bits that can turn
            raise zipfile.BadZipFile(str(error)) from None


@dataclass(frozen=True)
class Records:
    """All readable records of a results folder, and what was left out: (path, reason)."""

    stored: dict[str, StoredRecord] = field(default_factory=dict)  # by key
    skipped: list[tuple[Path, str]] = field(default_factory=list)

    def __iter__(self) -> Iterator[StoredRecord]:
        return iter(self.stored.values())

    def __len__(self) -> int:
        return len(self.stored)

    def to_frame(self) -> pd.DataFrame:
        """A pandas row for each record, without scores; see `fer_bench.records.frame.to_frame`."""
        from fer_bench.records.frame import to_frame  # pandas takes half a second, and most readers do without

        return to_frame((one.record, one.path) for one in self)


def folder_of(results: Path, trial: Trial) -> Path:
    name = f"{trial.architecture}-{trial.dataset}-s{trial.seed}-{trial.key[:KEY_LENGTH]}"
    return results / FOLDER / re.sub(r"[^\w.=+-]", "_", name.replace("->", "-to-"))


def started(results: Path, trial: Trial) -> str | None:
    """When a trial that is recorded now began; None where it is not, or its record cannot be read."""
    try:
        return str(json.loads((folder_of(results, trial) / "record.json").read_bytes())["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def load(results: Path | str) -> Records:
    """Read every record below a results folder; what cannot be read is named in `left_out`, never raised.

    Copies of one record, in folders whose names hold its key, are one. Records of one key that disagree are all left
    out, each with what it disagrees in: which of them is right cannot be known.
    """
    folder = Path(results) / FOLDER
    records = Records()
    if not folder.is_dir():
        return records
    found: dict[str, list[StoredRecord]] = defaultdict(list)
    with _uncollected():
        for path in sorted(folder.iterdir()):
            if path.name.startswith(TEMPORARY):
                continue  # the remains of a killed writer
            try:
                key, one = _read(path)
            except _Skipped as reason:
                records.skipped.append((path, str(reason)))
            else:
                found[key].append(one)
    for key, copies in found.items():
        kept, left_out = (copies[0], []) if len(copies) == 1 else _merge_copies(copies)
        records.skipped.extend(left_out)
        if kept:
            records.stored[key] = kept
    return records


def _merge_copies(copies: list[StoredRecord]) -> tuple[StoredRecord | None, list[tuple[Path, str]]]:
    """Of several records under one key the one that all readable ones equal, if they do; and those left out.

    Where several are equal it is the one whose model was kept, else the first by name.
    """
    contents, left_out = {}, []
    for one in copies:
        try:
            contents[one.path] = _content(one)
        except READ_ERRORS as error:
            left_out.append((one.path, f"{PREDICTIONS} cannot be read ({type(error).__name__})"))
    whole = [one for one in copies if one.path in contents]
    differing = {
        (one.path, other.path): _difference(contents[one.path], contents[other.path])
        for one, other in permutations(whole, 2)
    }
    disagree = [(mine, other, what) for (mine, other), what in differing.items() if what]
    if not disagree:
        return next((one for one in whole if one.model_file), whole[0] if whole else None), left_out
    for one in whole:
        said = [f"{other.name} ({', '.join(what)})" for mine, other, what in disagree if mine == one.path]
        left_out.append((one.path, f"under one key it disagrees with {', '.join(said)}"))
    return None, left_out


def _content(one: StoredRecord) -> dict[str, Any]:
    """All that a record and its predictions say, under the names that a reader knows it by."""
    fields = {name: json.dumps(value, sort_keys=True) for name, value in one.record.model_dump(mode="json").items()}
    if not (one.path / PREDICTIONS).is_file():
        return fields
    arrays = one.all_arrays()
    return fields | {"predictions": {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in arrays.items()}}


def _array(content: bytes) -> np.ndarray:
    """An array from what `np.save` writes, as NumPy reads it, but equal headers are parsed only once."""
    if content.startswith(PLAIN):
        length = HEAD + int.from_bytes(content[len(PLAIN) : HEAD], "little")
        shape, fortran, dtype = _header(content[:length])
        if not dtype.hasobject:
            return np.ndarray(shape, dtype, content, length, order="F" if fortran else "C")
    return np.lib.format.read_array(BytesIO(content), allow_pickle=False)


@lru_cache(maxsize=1000)
def _header(content: bytes) -> tuple[tuple[int, ...], bool, np.dtype]:
    file = BytesIO(content)
    file.seek(len(PLAIN))
    return np.lib.format.read_array_header_1_0(file)


def _difference(one: dict, other: dict) -> list[str]:
    return [name for name in dict.fromkeys([*one, *other]) if one.get(name) != other.get(name)]


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which finds none here and would go through all that was read time and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Skipped(Exception):
    """Why a path holds no record."""


def _read(path: Path) -> tuple[str, StoredRecord]:
    """A record with its key, which takes as long as the rest."""
    try:
        record = Record.model_validate_json((path / "record.json").read_bytes())
    except (OSError, ValidationError) as error:
        if not path.is_dir():
            raise _Skipped("a file, and records are folders") from None
        if isinstance(error, FileNotFoundError):
            raise _Skipped("record.json cannot be read (there is none)") from None
        raise _Skipped(_reason(error)) from None
    key = record.trial.key
    if key[:KEY_LENGTH] not in path.name:
        raise _Skipped("the folder's name does not hold the key of its record: one of them was changed")
    if record.status == "finished" and not (path / PREDICTIONS).is_file():
        raise _Skipped(f"{PREDICTIONS} is missing")
    return key, StoredRecord(record, path)


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"record.json: {'.'.join(map(str, first['loc']))} {first['msg']}".replace(":  ", ": ").strip()
    return f"record.json cannot be read ({type(error).__name__})"
