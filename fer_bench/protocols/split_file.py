"""Folds in a file: written with sample ids, so that they can be read for the same data anywhere.

JSON has all information. CSV has one row per sample (fold, split, id, no_duplicate) below a comment line with the rest
as JSON. A handwritten file may omit the comment and the columns fold and no_duplicate.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.core.files import write_output
from fer_bench.core.splits import SPLITS
from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.fold import Fold, ProtocolNotApplicable

COLUMNS = ("fold", "split", "id", "no_duplicate")


def write(path: Path, dataset: Dataset, protocol: str, seed: int, folds: Sequence[Fold]) -> None:
    """Write the folds of a dataset to a .json or .csv file, with the protocol and the seed that made them.

    Raises UserError if the file has another suffix, or cannot be written.
    """
    content = {
        "protocol": protocol,
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "seed": seed,
        "folds": [_fold_content(dataset, fold) for fold in folds],
    }
    if path.suffix not in (".json", ".csv"):
        raise UserError(f"{path}: a split file must end in .json or .csv.")
    write_output(path, _to_csv(content) if path.suffix == ".csv" else json.dumps(content, indent=1) + "\n")


def read(path: Path, dataset: Dataset) -> list[Fold]:
    """Return the folds of a file, as indices into a dataset.

    Raises:
        UserError: The file is not a valid split file.
        ProtocolNotApplicable: The file was written for other data, or names samples that the dataset does not have.
    """
    content = _read_content(path)
    fingerprint = content.get("fingerprint")
    if fingerprint and fingerprint != dataset.fingerprint:
        raise ProtocolNotApplicable(
            f"{path} was written for other data: {content.get('dataset')} ({fingerprint[:8]}), "
            f"but this is {dataset.name} ({dataset.fingerprint[:8]})."
        )
    numbers = {name: number for number, name in enumerate(dataset.ids.tolist())}
    return [_fold(f"{path}, fold {i}", fold, dataset, numbers) for i, fold in enumerate(content["folds"])]


def title(path: Path) -> str:
    """Return a split file's name in trials: the protocol that made it, and a digest of its splits."""
    content = _read_content(path)
    splits = [{split: sorted(fold[split]) for split in SPLITS} for fold in content["folds"]]
    digest = hashlib.sha256(json.dumps(splits, sort_keys=True).encode()).hexdigest()[:12]
    return f"file:{content.get('protocol', path.stem)}@{digest}"


def _fold_content(dataset: Dataset, fold: Fold) -> dict[str, Any]:
    splits: dict[str, Any] = {split: dataset.ids[getattr(fold, split)].tolist() for split in SPLITS}
    no_duplicate = None if fold.no_duplicate is None else dataset.ids[fold.test[fold.no_duplicate]].tolist()
    return splits | {"no_duplicate": no_duplicate, "notes": list(fold.notes)}


def _fold(source: str, content: dict[str, Any], dataset: Dataset, numbers: dict[str, int]) -> Fold:
    """Return a fold from its content; `numbers` are the indices of the dataset's samples by id."""

    def indices_of(ids: list[str]) -> np.ndarray:
        if missing := [name for name in ids if name not in numbers]:
            raise ProtocolNotApplicable(
                f"{source}: '{dataset.name}' has no sample '{missing[0]}' ({len(missing)} of {len(ids)} are missing)."
            )
        return np.array(sorted(numbers[name] for name in ids), np.int64)

    splits = {split: indices_of(content[split]) for split in SPLITS}
    for split, indices in splits.items():
        if len(indices) == 0:
            raise UserError(f"{source}: the {split} split is empty.")
    values, counts = np.unique(np.concatenate(list(splits.values())), return_counts=True)
    if (counts > 1).any():
        raise UserError(f"{source}: the sample '{dataset.ids[values[counts > 1][0]]}' occurs twice.")
    no_duplicate = content.get("no_duplicate")
    return Fold(
        **splits,
        no_duplicate=None if no_duplicate is None else np.isin(splits["test"], indices_of(no_duplicate)),
        notes=tuple(content.get("notes", ())),
    )


def _read_content(path: Path) -> dict[str, Any]:
    """Return a file as the content that `write` serializes. Raises UserError if it is not a valid split file."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else _from_csv(text)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise UserError(f"{path} is not a split file: {' '.join(str(error).split())}.") from None
    folds = content.get("folds") if isinstance(content, dict) else None
    if not isinstance(folds, list) or not folds:
        raise UserError(f"{path} is not a split file: it has no folds.")
    for fold in folds:
        if not isinstance(fold, dict) or not all(_is_id_list(fold.get(split)) for split in SPLITS):
            raise UserError(f"{path} is not a split file: each fold requires lists of ids for {', '.join(SPLITS)}.")
    return content


def _is_id_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _to_csv(content: dict[str, Any]) -> str:
    header = {key: value for key, value in content.items() if key != "folds"}
    header["notes"] = [fold["notes"] for fold in content["folds"]]
    text = StringIO()
    text.write(f"# {json.dumps(header)}\n")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for number, fold in enumerate(content["folds"]):
        no_duplicate = set(fold["no_duplicate"] or ())
        for split in SPLITS:
            marked = split == "test" and fold["no_duplicate"] is not None
            table.writerows((number, split, i, int(i in no_duplicate) if marked else "") for i in fold[split])
    return text.getvalue()


def _from_csv(text: str) -> dict[str, Any]:
    """Return the content of a CSV file. Raises ValueError if a row is invalid."""
    comment, _, table = text.partition("\n") if text.startswith("#") else ("", "", text)
    header = json.loads(comment.removeprefix("#")) if comment else {}
    notes = header.pop("notes", [])
    folds: dict[int, dict[str, Any]] = {}
    for line, row in enumerate(csv.DictReader(StringIO(table, newline="")), start=2 + bool(comment)):
        if row.get("split") not in SPLITS or not row.get("id"):
            raise ValueError(f"line {line} requires an id and a split that is one of {', '.join(SPLITS)}")
        number = int(row.get("fold") or 0)
        fold = folds.setdefault(number, {split: [] for split in SPLITS} | {"no_duplicate": None})
        fold[row["split"]].append(row["id"])
        if row["split"] == "test" and row.get("no_duplicate"):
            fold["no_duplicate"] = (fold["no_duplicate"] or []) + [row["id"]] * (row["no_duplicate"] == "1")
    for number, fold in folds.items():
        fold["notes"] = notes[number] if number < len(notes) else []
    return header | {"folds": [folds[number] for number in sorted(folds)]}
