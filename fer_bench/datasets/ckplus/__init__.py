"""CK+ (the Extended Cohn-Kanade dataset): frames that show an expression, with neutral ones, and as sequences."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fer_bench.datasets.ckplus.read import load_ckplus, originals_of
from fer_bench.datasets.dataset import Dataset
from fer_bench.datasets.registry import DataConfig, register_dataset


@register_dataset(
    "ckplus",
    title="CK+",
    source="https://www.jeffcohn.net/Resources/",
    agreement=True,
    finder="ckplus:find",
    layouts=(
        "CK+48/<class>/S010_004_00000017.png",
        "cohn-kanade-images/S005/001/S005_001_00000001.png with Emotion/S005/001/S005_001_00000011_emotion.txt",
        "ckextended.csv",
    ),
    samples=981,
    classes=7,
    counts={"all": (135, 177, 75, 207, 84, 249, 54)},
)
def ckplus(places: DataConfig) -> Dataset:
    """Posed expressions filmed in a laboratory: the last three frames of each of 327 sequences of 118 subjects.

    images: (981, 48, 48) uint8, seven classes: FER2013's in its order but for neutral, then contempt; subjects and
    sequences are known, except for ckextended.csv; there is no official split. Lucey et al., "The Extended Cohn-Kanade
    Dataset (CK+)", CVPR Workshops 2010.
    """
    return load_ckplus("ckplus", places)


@register_dataset(
    "ckplus+neutral",
    title="CK+ with neutral",
    source="https://www.jeffcohn.net/Resources/",
    agreement=True,
    finder="ckplus:find_with_neutral",
    layouts=(
        "cohn-kanade-images/S005/001/S005_001_00000001.png with Emotion/S005/001/S005_001_00000011_emotion.txt",
        "ckextended.csv",
    ),
    samples=1308,
    classes=8,
    counts={"all": (135, 177, 75, 207, 84, 249, 327, 54)},
)
def ckplus_neutral(places: DataConfig) -> Dataset:
    """CK+ with the first frame of each of its sequences as an eighth class, neutral.

    images: (1308, 48, 48) uint8, in FER2013's order of classes with contempt last. The CK+48 folders lack those frames,
    and ckextended.csv has one for each of all 593 sequences. Lucey et al., CVPR Workshops 2010.
    """
    return load_ckplus("ckplus+neutral", places)


@register_dataset(
    "ckplus_sequences",
    input_kind="sequences",
    title="CK+ sequences",
    source="https://www.jeffcohn.net/Resources/",
    agreement=True,
    finder="ckplus:find_sequences",
    layouts=(
        "CK+48/<class>/S010_004_00000017.png",
        "cohn-kanade-images/S005/001/S005_001_00000001.png with Emotion/S005/001/S005_001_00000011_emotion.txt",
    ),
    samples=327,
    classes=7,
    counts={"all": (45, 59, 25, 69, 28, 83, 18)},
)
def ckplus_sequences(places: DataConfig) -> Dataset:
    """CK+ as sequences of three frames in time order, the last three of each.

    images: (327, 3, 48, 48) uint8, seven classes; subjects are known. Lucey et al., CVPR Workshops 2010.
    """
    return load_ckplus("ckplus_sequences", places)


def originals(name: str, places: DataConfig) -> Mapping[str, Path]:
    """The image file of each id."""
    return originals_of(name, places)
