"""FER2013 in the layouts that people have: csv files and image folders. Imports no NumPy, so that listing is fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_bench.datasets.registry import DataConfig, register_dataset

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset


@register_dataset(
    "fer2013",
    title="FER2013",
    source="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    terms="The rules of the challenge on Kaggle apply; the photographs were found on the web and belong to others.",
    locate="locate",
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
def fer2013(data_config: DataConfig) -> Dataset:
    """48×48 gray faces from a web search, seven classes, with the challenge's official split.

    images: (35887, 48, 48) uint8; Training → training, PublicTest → validation, PrivateTest → test.
    Goodfellow et al., "Challenges in Representation Learning", ICONIP 2013.
    """
    from fer_bench.datasets.fer2013.read import load

    return load(data_config)
