"""FER+'s votes: reading them, and the rules by which their authors make labels of them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.emotions import ORDER, canonical
from fer_bench.datasets.fer2013.folder import USAGES

# The columns of votes, in the authors' order, which settles ties; nf: not a face.
EXPRESSIONS = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
COLUMNS = (*EXPRESSIONS, "unknown", "nf")
TO_ORDER = [EXPRESSIONS.index(name) for name in ORDER]  # from the authors' columns to those of the dataset
ENOUGH = 0.75  # share of the votes after which no further expression is taken into a soft label
MOST = 3  # expressions in a soft label


@dataclass(frozen=True)
class Votes:
    """The rows of fer2013new.csv in its order.

    usage: (rows,) int8 indices into SPLITS; names: of image files, "" where a row has none; votes: (rows, 10) int64,
    columns as in COLUMNS.
    """

    usage: np.ndarray
    names: tuple[str, ...]
    votes: np.ndarray


def read_votes(path: Path) -> Votes:
    """Read fer2013new.csv. Raises UserError that names the file and the line of the first thing that is wrong."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if len(lines) < 2:
        raise UserError(f"{path} has no rows: the file seems to be cut off.")
    columns = _columns(path, lines[0])
    usage, names, votes = [], [], []
    for number, line in enumerate(lines[1:], start=2):
        if not line:
            continue
        try:
            usage.append(USAGES.index(line[columns["usage"]].strip()))
            names.append(line[columns["image name"]].strip())
            votes.append([int(line[columns[name]]) for name in COLUMNS])
        except (IndexError, ValueError):
            raise UserError(f"{path}, line {number}: not a Usage, a name and ten numbers of votes.") from None
    return Votes(np.array(usage, np.int8), tuple(names), np.array(votes, np.int64))


def majority(votes: np.ndarray) -> np.ndarray:
    """(rows,) int64 indices into emotions.ORDER, the expression with more than half of the votes; -1 without one.

    votes: (rows, 10). Single votes do not count, as outliers; unknown and not a face are no expressions.
    Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution",
    ICMI 2016, and their published code.
    """
    counted = _without_outliers(votes)
    clear = 2 * counted.max(axis=1) > counted.sum(axis=1)
    return np.where(clear, plurality(counted), -1)


def plurality(votes: np.ndarray) -> np.ndarray:
    """(rows,) int64 indices into emotions.ORDER, the column with most votes; -1 for unknown and not a face."""
    of_column = np.array([*(ORDER.index(name) for name in EXPRESSIONS), -1, -1])
    return of_column[votes.argmax(axis=1)]


def soft_labels(votes: np.ndarray) -> np.ndarray:
    """(rows, 8) float32 distributions over emotions.ORDER, for rows with a majority; zeros where nothing is left.

    As in the authors' code: single votes do not count; expressions are taken by their votes until they have three
    quarters of them, at most three, and none after unknown or not a face; then scaled to a sum of 1.
    """
    counted = _without_outliers(votes)
    order = np.argsort(-counted, axis=1, kind="stable")
    ranked = np.take_along_axis(counted, order, axis=1)
    before = np.cumsum(ranked, axis=1) - ranked  # votes of those ahead
    open_ = np.cumsum(order >= len(EXPRESSIONS), axis=1) == 0
    taken = open_ & (before < ENOUGH * counted.sum(axis=1, keepdims=True)) & (np.arange(counted.shape[1]) < MOST)
    kept = np.zeros_like(counted)
    np.put_along_axis(kept, order, ranked * taken, axis=1)
    kept = kept[:, TO_ORDER]
    return (kept / np.maximum(kept.sum(axis=1, keepdims=True), 1)).astype(np.float32)


def _without_outliers(votes: np.ndarray) -> np.ndarray:
    return np.where(votes > 1, votes, 0)


def _columns(path: Path, header: list[str]) -> dict[str, int]:
    """Where each column stands, by canonical name."""
    places = {canonical(name) or name.strip().lower(): place for place, name in enumerate(header)}
    missing = [name for name in ("usage", "image name", *COLUMNS) if name not in places]
    if missing:
        raise UserError(f"{path}, line 1: the header has no {' and no '.join(missing)}, unlike FER+'s file.")
    return places
