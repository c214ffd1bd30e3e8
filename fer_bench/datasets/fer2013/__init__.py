"""FER2013 in the layouts that people have: csv files and image folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fer_bench.datasets.cache import cached
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.expected_counts import differences
from fer_bench.datasets.fer2013.csv_file import read_csv
from fer_bench.datasets.fer2013.folder import read_folder
from fer_bench.datasets.registry import DATASETS, DataConfig, Progress, register_dataset, require

VERSION = 2


@register_dataset(
    "fer2013",
    title="FER2013",
    source="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    finder="fer2013:find",
    files=("fer2013.csv", "icml_face_data.csv"),
    layouts=("fer2013.csv", "icml_face_data.csv", "the image folders train/<class>/ and test/<class>/", "train.csv"),
    kaggle=("challenges-in-representation-learning-facial-expression-recognition-challenge", "icml_face_data.csv"),
    samples=35887,
    classes=7,
    split="official",
    counts={
        "training": (3995, 436, 4097, 7215, 4830, 3171, 4965),
        "validation": (467, 56, 496, 895, 653, 415, 607),
        "test": (491, 55, 528, 879, 594, 416, 626),
    },
)
def fer2013(places: DataConfig) -> Dataset:
    """48×48 grey faces found by web search, seven classes, with the challenge's official split.

    images: (35887, 48, 48) uint8; Training → training, PublicTest → validation, PrivateTest → test.
    Goodfellow et al., "Challenges in Representation Learning", ICONIP 2013.
    """
    path = require("fer2013", places)
    return cached(
        "fer2013",
        path,
        places.cache_dir,
        lambda: _with_count_notes(read_fer2013(path, places.progress, places.skip_invalid)),
        VERSION,
        places.skip_invalid,
        places.refresh,
    )


def read_fer2013(path: Path, progress: Progress | None = None, skip_bad: bool = False) -> Dataset:
    """Read a csv file or an image folder and check all of it; the fingerprint is left empty.

    Raises UserError that says where something is wrong; with `skip_bad` such rows and images are left out.
    """
    return (read_folder if path.is_dir() else read_csv)(path, progress, skip_bad)


def _with_count_notes(data: Dataset) -> Dataset:
    return replace(data, notes=data.notes + (differences(data, DATASETS.get("fer2013").options) or ()))
