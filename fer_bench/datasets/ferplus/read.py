"""Join FER+'s votes with the images of FER2013."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import cached_files
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import EMOTIONS
from fer_bench.datasets.fer2013.read import load as load_fer2013
from fer_bench.datasets.ferplus.locate import FOLDERS, locate_images, locate_table
from fer_bench.datasets.ferplus.votes import Votes, majority, plurality, read_votes, soft_labels
from fer_bench.datasets.images import read_images, skipped_message, skipped_note
from fer_bench.datasets.registry import DataConfig, find, require, search
from fer_bench.datasets.tree import list_images

VERSION = 1
IMAGE_SIZE = 48
ROW_ID = re.compile(r"fer2013-(\d+)")  # the id of a sample whose row in fer2013.csv is known
# Share of votes that agree with FER2013's labels: 0.625 in the real files, 0.18 if the rows are shifted by one.
MIN_AGREEMENT = 0.4
MIN_ROWS_FOR_AGREEMENT = 200


def load(data_config: DataConfig) -> Dataset:
    """Return the dataset, from its cache if that is current."""
    fer2013 = find("fer2013", data_config)
    folders = search("ferplus", data_config).all_folders
    source = fer2013 or locate_images(folders())
    if source is None and (table := locate_table(data_config.data_dir, folders())):
        raise UserError(
            f"{table} contains FER+'s votes but no images: FER2013 was not found below {data_config.data_dir}."
        )
    table = require("ferplus", data_config)
    assert source is not None  # otherwise `require` fails
    images = load_fer2013(data_config) if fer2013 else None  # not in `read`, which must not use the cache

    def read() -> Dataset:
        votes = read_votes(table)
        if images is None:
            return _join_folders(table, votes, source, data_config)
        return join_fer2013(table, votes, images)

    return cached_files("ferplus", [table, source], data_config, read, VERSION)


def join_fer2013(table: Path, votes: Votes, images: Dataset) -> Dataset:
    """Join the votes to FER2013 by row, or by file name if the rows of the copy are unknown.

    `table`, the file of the votes, is named in messages.

    Raises:
        UserError: The votes and the images do not belong together.
    """
    assert images.split is not None
    matches = [match for name in images.ids if (match := ROW_ID.fullmatch(name))]
    if len(matches) == len(images):
        rows = np.array([int(match[1]) for match in matches])
        _check_rows(table, votes, images, rows)
        return _make_dataset(votes, rows, images.images, np.arange(len(rows)), images.notes)
    names = [Path(name.removeprefix("fer2013/")).stem for name in images.ids]
    return _join_by_name(table, votes, names, images.split, images.images, list(images.notes))


def _join_folders(table: Path, votes: Votes, root: Path, data_config: DataConfig) -> Dataset:
    """Join the votes by file name to the folders FER2013Train/, …Valid/, …Test/ that the authors' program wrote."""
    by_split = [list_images(root / name) for name in FOLDERS]
    paths = [path for files in by_split for path in files]
    split = np.repeat(np.arange(len(FOLDERS), dtype=np.int8), [len(files) for files in by_split])
    images = read_images(paths, IMAGE_SIZE, data_config, "FER+'s images")
    names = [paths[index].stem for index in images.indices]
    notes = list(skipped_note(images.skipped))
    return _join_by_name(table, votes, names, split[images.indices], images.pixels, notes)


def _join_by_name(
    table: Path, votes: Votes, names: list[str], split: np.ndarray, pixels: np.ndarray, notes: list[str]
) -> Dataset:
    """Join by split and name. Names of several rows of a split are skipped, because the row is ambiguous."""
    row_keys = [(number, Path(name).stem) for number, name in zip(votes.split.tolist(), votes.names, strict=True)]
    counts = Counter(row_keys)
    row_of = {key: row for row, key in enumerate(row_keys) if counts[key] == 1 and key[1]}
    keys = list(zip(split.tolist(), names, strict=True))
    members = np.array([index for index, key in enumerate(keys) if key in row_of], np.int64)
    if len(members) == 0:
        raise UserError(
            f"No image of this copy of FER2013 has a name of {table} or a known row. FER+ needs fer2013.csv, or images "
            "with the names in that file."
        )
    rows = np.array([row_of[keys[index]] for index in members])
    if len(members) < len(keys):
        skipped = skipped_message(len(keys) - len(members), "image")
        notes.append(f"{skipped}: {table.name} has no unique row for them.")
    order = np.argsort(rows)
    return _make_dataset(votes, rows[order], pixels, members[order], notes)


def _check_rows(table: Path, votes: Votes, images: Dataset, rows: np.ndarray) -> None:
    num_rows = int(rows.max()) + 1
    if num_rows != len(votes.split):  # also with --skip-invalid: a missing row shifts all that follow
        raise UserError(
            f"{table} has {len(votes.split):,} rows but this copy of FER2013 {num_rows:,}: one is incomplete."
        )
    if (wrong := np.flatnonzero(votes.split[rows] != images.split)).size:
        raise UserError(f"{table}, line {rows[wrong[0]] + 2}: the Usage differs from the same row of FER2013.")
    agrees = plurality(votes.votes[rows]) == images.labels  # EMOTIONS starts with FER2013's classes
    for start in range(0, len(rows) - MIN_ROWS_FOR_AGREEMENT + 1, MIN_ROWS_FOR_AGREEMENT):
        agreement = agrees[start : start + MIN_ROWS_FOR_AGREEMENT].mean()
        if agreement < MIN_AGREEMENT:
            raise UserError(
                f"The votes in {table} agree with FER2013's labels on {agreement:.0%} of the rows from line "
                f"{rows[start] + 2} on instead of 62 %: the rows of the two files have a different order."
            )


def _make_dataset(
    votes: Votes, rows: np.ndarray, pixels: np.ndarray, members: np.ndarray, notes: Sequence[str]
) -> Dataset:
    """Return the samples with a majority: `rows` of the votes, which belong to `members` of the pixels."""
    labels = majority(votes.votes[rows])
    has_majority = labels >= 0
    if not has_majority.any():
        raise UserError("No image has a majority for an expression in FER+.")
    rows, members = rows[has_majority], members[has_majority]
    return Dataset(
        name="ferplus",
        images=pixels[members],
        labels=labels[has_majority],
        ids=np.array([f"ferplus-{row:05d}" for row in rows]),
        classes=EMOTIONS,
        fingerprint="",
        split=votes.split[rows],
        soft_labels=soft_labels(votes.votes[rows]),
        notes=tuple(notes),
    )
