"""FER+'s votes, and the rules by which their authors derive labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.emotions import EMOTIONS, canonical_label
from fer_bench.datasets.fer2013.folder import USAGES
from fer_bench.datasets.table import open_lines, split_header, strip_quotes

# The columns of votes, in the authors' order, which breaks ties; nf: not a face.
EXPRESSIONS = ("neutral", "happy", "surprise", "sad", "angry", "disgust", "fear", "contempt")
COLUMNS = (*EXPRESSIONS, "unknown", "nf")
COLUMN_OF_EMOTION = [EXPRESSIONS.index(name) for name in EMOTIONS]
NUM_VOTERS = 10  # of each image; the published file lacks one vote
PUBLISHED_ROWS = 35_887
PUBLISHED_VOTES = (107_485, 91_446, 41_490, 47_446, 28_468, 5_391, 12_174, 6_062, 16_964, 1_943)  # by column
MAX_OTHER_VOTES = 300  # per column; exchanged columns differ by more
SUFFICIENT_SHARE = 0.75  # of the votes, after which no further expression enters a soft label
MAX_EXPRESSIONS = 3  # in a soft label


@dataclass(frozen=True)
class Votes:
    """The rows of fer2013new.csv in its order.

    Attributes:
        split: (rows,) int8 indices into SPLITS.
        names: Names of the image files; "" for rows without a name.
        votes: (rows, 10) int64, columns as in COLUMNS.
    """

    split: np.ndarray
    names: tuple[str, ...]
    votes: np.ndarray


def read_votes(path: Path) -> Votes:
    """Read fer2013new.csv. Raise UserError with the line of the first problem."""
    with open_lines(path) as lines:
        text = [line.decode("utf-8", errors="replace") for line in lines]
    if len(text) < 2:
        raise UserError(f"{path} has no rows: the file seems to be truncated.")
    columns, delimiter = _parse_header(path, text[0])
    split, names, votes = [], [], []
    for number, line in enumerate(text[1:], start=2):
        if not line.strip():
            continue
        fields = [strip_quotes(field) for field in line.split(delimiter)]
        try:
            split.append(USAGES.index(fields[columns["usage"]]))
            names.append(fields[columns["image name"]])
            votes.append([int(fields[columns[name]]) for name in COLUMNS])
        except (IndexError, ValueError):
            raise UserError(f"{path}, line {number}: not a Usage, a name and ten numbers of votes.") from None
        if len(fields) != len(columns) or min(votes[-1]) < 0 or sum(votes[-1]) > NUM_VOTERS:
            raise UserError(f"{path}, line {number}: not the votes of {NUM_VOTERS} people in {len(columns)} columns.")
    table = np.array(votes, np.int64)
    if len(table) == PUBLISHED_ROWS and np.abs(table.sum(axis=0) - PUBLISHED_VOTES).max() > MAX_OTHER_VOTES:
        raise UserError(f"{path}: the columns of votes have other sums than published. Get the file again.")
    return Votes(np.array(split, np.int8), tuple(names), table)


def majority(votes: np.ndarray) -> np.ndarray:
    """Return the expression with more than half of the votes.

    Single votes are ignored as outliers; unknown and not a face are no expressions. Barsoum et al., "Training Deep
    Networks for Facial Expression Recognition with Crowd-Sourced Label Distribution", ICMI 2016, and their code.

    Args:
        votes: (rows, 10), columns as in COLUMNS.

    Returns:
        (rows,) int64 indices into EMOTIONS; -1 without a majority.
    """
    counted = _remove_outliers(votes)
    has_majority = 2 * counted.max(axis=1) > counted.sum(axis=1)
    return np.where(has_majority, plurality(counted), -1)


def plurality(votes: np.ndarray) -> np.ndarray:
    """Return (rows,) int64 indices into EMOTIONS, the column with most votes; -1 for unknown and not a face."""
    emotion_of_column = np.array([*(EMOTIONS.index(name) for name in EXPRESSIONS), -1, -1])
    return emotion_of_column[votes.argmax(axis=1)]


def soft_labels(votes: np.ndarray) -> np.ndarray:
    """Return distributions over EMOTIONS, for rows with a majority.

    As in the authors' code: single votes are ignored; expressions enter in the order of their votes until they have
    three quarters of them, at most three, and none after unknown or not a face.

    Args:
        votes: (rows, 10), columns as in COLUMNS.

    Returns:
        (rows, 8) float32 with a sum of 1; zeros if no votes remain.
    """
    counted = _remove_outliers(votes)
    order = np.argsort(-counted, axis=1, kind="stable")
    ranked = np.take_along_axis(counted, order, axis=1)
    higher_votes = np.cumsum(ranked, axis=1) - ranked
    before_others = np.cumsum(order >= len(EXPRESSIONS), axis=1) == 0
    is_needed = higher_votes < SUFFICIENT_SHARE * counted.sum(axis=1, keepdims=True)
    enters = before_others & is_needed & (np.arange(counted.shape[1]) < MAX_EXPRESSIONS)
    weights = np.zeros_like(counted)
    np.put_along_axis(weights, order, ranked * enters, axis=1)
    weights = weights[:, COLUMN_OF_EMOTION]
    return (weights / np.maximum(weights.sum(axis=1, keepdims=True), 1)).astype(np.float32)


def _remove_outliers(votes: np.ndarray) -> np.ndarray:
    return np.where(votes > 1, votes, 0)


def _parse_header(path: Path, header: str) -> tuple[dict[str, int], str]:
    """Return the position of each column, by canonical name, and the separator."""
    names, delimiter = split_header(header.encode(), ("usage", "image name"))
    columns = {canonical_label(name): index for index, name in enumerate(names)}
    missing = [name for name in ("usage", "image name", *COLUMNS) if name not in columns]
    if missing:
        raise UserError(f"{path}, line 1: the header has no {' and no '.join(missing)}, unlike FER+'s file.")
    if len(columns) < len(names):
        raise UserError(f"{path}, line 1: the header names a column twice. Get the file again.")
    return columns, delimiter
