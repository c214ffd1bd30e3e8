"""Folds in a file: written with sample ids, read back for the same data anywhere.

JSON holds all there is; CSV is a line for each sample (fold, part, id, clean) under a comment with the rest in JSON,
which a file written by hand may leave out, as it may the columns fold and clean.
"""

from __future__ import annotations

import csv
import hashlib
import json
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from fer_bench.core.errors import UserError, write_error
from fer_bench.datasets.dataset import Dataset
from fer_bench.protocols.fold import SPLITS, Fold, ProtocolNotApplicable

COLUMNS = ("fold", "part", "id", "clean")


def write(path: Path, dataset: Dataset, protocol: str, seed: int, folds: list[Fold]) -> None:
    """Write folds to a .json or .csv file. UserError for another ending, or where it cannot be written."""
    content = {
        "protocol": protocol,
        "dataset": dataset.name,
        "fingerprint": dataset.fingerprint,
        "seed": seed,
        "folds": [_named(dataset, fold) for fold in folds],
    }
    texts = {".json": lambda: json.dumps(content, indent=1) + "\n", ".csv": lambda: _to_csv(content)}
    if path.suffix not in texts:
        raise UserError(f"{path}: a split is written as .json or .csv.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path.suffix](), encoding="utf-8", newline="")
    except OSError as error:
        raise write_error(path, error) from None


def read(path: Path, dataset: Dataset) -> list[Fold]:
    """The folds in a file, as indices into a dataset.

    UserError for a file that is none, DoesNotFit for one that names samples which the dataset has not, or that was
    written for other data.
    """
    content = _content(path)
    written = content.get("fingerprint")
    if written and written != dataset.fingerprint:
        raise ProtocolNotApplicable(
            f"{path} was written for other data: {content.get('dataset')} ({written[:8]}), "
            f"and this is {dataset.name} ({dataset.fingerprint[:8]})."
        )
    order = np.argsort(dataset.ids, kind="stable")
    ids = dataset.ids[order]
    return [_fold(path, number, fold, ids, order, dataset.name) for number, fold in enumerate(content["folds"])]


def title(path: Path) -> str:
    """What a trial calls a file's split: the protocol that it was made by, and a digest of who is in which part."""
    content = _content(path)
    kept = [{part: sorted(fold[part]) for part in SPLITS} for fold in content["folds"]]
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()[:12]
    return f"file:{content.get('protocol', path.stem)}@{digest}"


def _named(dataset: Dataset, fold: Fold) -> dict[str, Any]:
    parts: dict[str, Any] = {part: dataset.ids[getattr(fold, part)].tolist() for part in SPLITS}
    clean = None if fold.no_duplicate is None else dataset.ids[fold.test[fold.no_duplicate]].tolist()
    return parts | {"clean": clean, "remarks": list(fold.notes)}


def _fold(path: Path, number: int, fold: dict[str, Any], ids: np.ndarray, order: np.ndarray, name: str) -> Fold:
    """One fold as indices; `ids` in order, and `order` where each of them stands in the dataset."""
    where = f"{path}, fold {number}"
    found = {part: _indices(where, fold[part], ids, order, name) for part in SPLITS}
    for part, indices in found.items():
        if len(indices) == 0:
            raise UserError(f"{where}: the part {part} is empty.")
    together = np.concatenate(list(found.values()))
    values, counts = np.unique(together, return_counts=True)
    if len(values) < len(together):
        twice = ids[order == values[counts > 1][0]][0]
        raise UserError(f"{where}: '{twice}' stands there twice.")
    clean = None if fold.get("clean") is None else _indices(where, fold["clean"], ids, order, name)
    return Fold(
        **found,
        no_duplicate=None if clean is None else np.isin(found["test"], clean),
        notes=tuple(fold.get("remarks", ())),
    )


def _indices(where: str, wanted: list[str], ids: np.ndarray, order: np.ndarray, name: str) -> np.ndarray:
    if not wanted:
        return np.empty(0, np.int64)
    names = np.array(wanted, dtype=np.str_)
    places = np.minimum(np.searchsorted(ids, names), len(ids) - 1)
    missing = names[ids[places] != names]
    if len(missing):
        raise ProtocolNotApplicable(
            f"{where}: '{name}' has no sample '{missing[0]}' ({len(missing)} of {len(names)} missing)."
        )
    return np.sort(order[places])


def _content(path: Path) -> dict[str, Any]:
    """A file as what `write` makes of it, before it is put into JSON. UserError for what is no split."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else _from_csv(text)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        raise UserError(f"{path} is no split file: {' '.join(str(error).split())}.") from None
    folds = content.get("folds") if isinstance(content, dict) else None
    if not isinstance(folds, list) or not folds:
        raise UserError(f"{path} is no split file: it has no folds.")
    for fold in folds:
        if not isinstance(fold, dict) or not all(_is_ids(fold.get(part)) for part in SPLITS):
            raise UserError(f"{path} is no split file: each fold needs lists of ids for {', '.join(SPLITS)}.")
    return content


def _is_ids(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _to_csv(content: dict[str, Any]) -> str:
    head = {key: value for key, value in content.items() if key != "folds"}
    head["remarks"] = [fold["remarks"] for fold in content["folds"]]
    text = StringIO()
    text.write(f"# {json.dumps(head)}\n")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for number, fold in enumerate(content["folds"]):
        clean = None if fold["clean"] is None else set(fold["clean"])
        for part in SPLITS:
            marked = clean is not None and part == "test"
            table.writerows((number, part, i, int(i in clean) if marked else "") for i in fold[part])
    return text.getvalue()


def _from_csv(text: str) -> dict[str, Any]:
    """ValueError for what is no split."""
    comment, _, rest = text.partition("\n") if text.startswith("#") else ("", "", text)
    head = json.loads(comment.removeprefix("#")) if comment else {}
    rows = list(csv.DictReader(StringIO(rest, newline="")))
    folds: dict[int, dict[str, Any]] = {}
    for line, row in enumerate(rows, start=2 + bool(comment)):
        if row.get("part") not in SPLITS or not row.get("id"):
            raise ValueError(f"line {line} needs an id and a part that is one of {', '.join(SPLITS)}")
        number = int(row.get("fold") or 0)
        fold = folds.setdefault(number, {part: [] for part in SPLITS} | {"clean": None, "remarks": []})
        fold[row["part"]].append(row["id"])
        if row["part"] == "test" and row.get("clean"):
            fold["clean"] = [*(fold["clean"] or []), *([row["id"]] if row["clean"] == "1" else [])]
    remarks = head.pop("remarks", [])
    for number, fold in folds.items():
        fold["remarks"] = remarks[number] if number < len(remarks) else []
    return head | {"folds": [folds[number] for number in sorted(folds)]}
