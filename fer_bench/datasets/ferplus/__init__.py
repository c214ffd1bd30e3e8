"""FER+: ten votes for each image of FER2013."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np

from fer_bench.core.errors import UserError
from fer_bench.datasets.cache import cached
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.emotions import ORDER
from fer_bench.datasets.fer2013 import fer2013
from fer_bench.datasets.ferplus.votes import Votes, majority, plurality, read_votes, soft_labels
from fer_bench.datasets.finding.ferplus import FOLDERS, find_images, find_table
from fer_bench.datasets.images import left_out, read_images, were_left_out
from fer_bench.datasets.registry import DataConfig, Progress, find, register_dataset, require
from fer_bench.datasets.tree import is_image, look, walk

VERSION = 1
ROW = re.compile(r"fer2013-(\d+)")  # the id of a sample whose row in fer2013.csv is known
LEAST = 0.4  # share of votes that agree with FER2013's labels, of 0.625 on the real files; a row off it is 0.18
ENOUGH_ROWS = 200  # to judge that share


@register_dataset(
    "ferplus",
    title="FER+",
    source="https://github.com/microsoft/FERPlus",
    finder="ferplus:find",
    files=("fer2013new.csv",),
    layouts=("fer2013new.csv together with FER2013",),
    classes=8,
    split="official",
)
def ferplus(places: DataConfig) -> Dataset:
    """FER2013's images labelled anew by ten people each: majority labels, eight classes with contempt, soft labels.

    images: (samples, 48, 48) uint8, those with a majority for one expression, by the authors' rules; split as in
    FER2013. Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
    Distribution", ICMI 2016.
    """
    source = find("fer2013", places)
    folders = None if source else find_images(walk(places.data_dir))
    if source is None and folders is None and (table := find_table(places.data_dir, walk(places.data_dir))):
        raise UserError(f"{table} holds FER+'s votes but no images: FER2013 was not found below {places.data_dir}.")
    table = require("ferplus", places)
    images = fer2013(places) if source else None  # outside of `read`: a cache is filled one at a time

    def read() -> Dataset:
        votes = read_votes(table)
        if images is None:
            return from_folders(table, votes, folders, places.progress, places.skip_invalid)
        return from_fer2013(table, votes, images, whole=not places.skip_invalid)

    sources = [table, source or folders]
    return cached("ferplus", sources, places.cache_dir, read, VERSION, places.skip_invalid, places.refresh)


def from_fer2013(table: Path, votes: Votes, images: Dataset, whole: bool = True) -> Dataset:
    """Join the votes to FER2013 by row, or by the name in the file where a copy's rows are not known.

    The fingerprint is left empty. Raises UserError where the two do not belong together; `whole` asks for every row.
    """
    known = [ROW.fullmatch(name) for name in images.ids]
    if all(known):
        rows = np.array([int(match[1]) for match in known])
        _check_rows(table, votes, images, rows, whole)
        return _dataset(votes, rows, images.images, np.arange(len(rows)), images.notes)
    names = [Path(name.removeprefix("fer2013/")).stem for name in images.ids]
    return _by_name(table, votes, names, images.split, images.images, list(images.notes))


def from_folders(
    table: Path, votes: Votes, root: Path, progress: Progress | None = None, skip_bad: bool = False
) -> Dataset:
    """Join the votes by name to the images that the authors' program wrote into FER2013Train/, …Valid/, …Test/."""
    paths, split = [], []
    for part, name in enumerate(FOLDERS):
        files = [root / name / file for file in look(root / name, most=None).files if is_image(file)]
        paths += files
        split += [part] * len(files)
    read = read_images(paths, 48, progress, what="FER+'s images", skip_bad=skip_bad)
    names = [paths[index].stem for index in read.kept]
    return _by_name(table, votes, names, np.array(split, np.int8)[read.kept], read.pixels, list(left_out(read.bad)))


def _by_name(
    table: Path, votes: Votes, names: list[str], split: np.ndarray, pixels: np.ndarray, notes: list[str]
) -> Dataset:
    """Join by (part, name). A name that stands for several rows of its part belongs to none of them for certain."""
    keys = [(part, Path(name).stem) for part, name in zip(votes.usage.tolist(), votes.names, strict=True)]
    once = {key for key, count in Counter(keys).items() if count == 1 and key[1]}
    row_of = {key: row for row, key in enumerate(keys) if key in once}
    mine = list(zip(split.tolist(), names, strict=True))
    members = np.array([at for at, key in enumerate(mine) if key in row_of], np.int64)
    if len(members) == 0:
        raise UserError(
            f"No image of this copy of FER2013 has a name of {table} or a known row: FER+ needs fer2013.csv, or images "
            "named as there."
        )
    rows = np.array([row_of[mine[at]] for at in members])
    if len(members) < len(mine):
        notes += [f"{were_left_out(len(mine) - len(members), 'image')}: {table.name} has no row of their own for them."]
    order = np.argsort(rows)
    return _dataset(votes, rows[order], pixels, members[order], notes)


def _check_rows(table: Path, votes: Votes, images: Dataset, rows: np.ndarray, whole: bool) -> None:
    last = int(rows.max()) + 1
    if last > len(votes.usage) or (whole and last < len(votes.usage)):
        raise UserError(f"{table} has {len(votes.usage):,} rows but this copy of FER2013 {last:,}: one is not whole.")
    if (wrong := np.flatnonzero(votes.usage[rows] != images.split)).size:
        raise UserError(f"{table}, line {rows[wrong[0]] + 2}: the Usage is not that of the same row of FER2013.")
    agreement = (plurality(votes.votes[rows]) == images.labels).mean()  # ORDER begins with FER2013's classes
    if len(rows) >= ENOUGH_ROWS and agreement < LEAST:
        raise UserError(
            f"The votes in {table} agree with FER2013's labels on {agreement:.0%} of the rows, not on 62 %: "
            "the rows of the two are not in the same order."
        )


def _dataset(votes: Votes, rows: np.ndarray, pixels: np.ndarray, members: np.ndarray, notes) -> Dataset:
    """The samples with a majority: `rows` of the votes, which belong to `members` of the pixels."""
    labels = majority(votes.votes[rows])
    kept = labels >= 0
    if not kept.any():
        raise UserError("No image has a majority for an expression in FER+.")
    rows, members = rows[kept], members[kept]
    data = Dataset(
        name="ferplus",
        images=pixels[members],
        labels=labels[kept],
        ids=np.array([f"ferplus-{row:05d}" for row in rows]),
        classes=ORDER,
        fingerprint="",
        split=votes.usage[rows],
        soft_labels=soft_labels(votes.votes[rows]),
    )
    return replace(data, notes=tuple(notes))
