"""CK+ (the Extended Cohn-Kanade dataset): frames that show an expression, with neutral frames, and as sequences.

Imports no NumPy, so that listing is fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_bench.datasets.registry import DataConfig, register_dataset

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset


@register_dataset(
    "ckplus",
    title="CK+",
    source="https://www.jeffcohn.net/Resources/",
    terms="Distributed by its authors under an agreement with each user.",
    agreement=True,
    locate="locate",
    layouts=(
        "CK+48/<class>/S010_004_00000017.png",
        "cohn-kanade-images/S005/001/S005_001_00000001.png with Emotion/S005/001/S005_001_00000011_emotion.txt",
        "ckextended.csv",
    ),
    samples=981,
    classes=7,
    counts={"all": (135, 177, 75, 207, 84, 249, 54)},
)
def ckplus(data_config: DataConfig) -> Dataset:
    """Posed expressions filmed in a laboratory: the last three frames of each of 327 sequences of 118 subjects.

    images: (981, 48, 48) uint8, seven classes: FER2013's in its order without neutral, then contempt; subjects and
    sequences are known, except for ckextended.csv; there is no official split. Lucey et al., "The Extended Cohn-Kanade
    Dataset (CK+)", CVPR Workshops 2010.
    """
    from fer_bench.datasets.ckplus.read import load

    return load("ckplus", data_config)


@register_dataset(
    "ckplus+neutral",
    title="CK+ with neutral",
    source="https://www.jeffcohn.net/Resources/",
    terms="Distributed by its authors under an agreement with each user.",
    agreement=True,
    locate="locate_with_neutral",
    layouts=(
        "cohn-kanade-images/S005/001/S005_001_00000001.png with Emotion/S005/001/S005_001_00000011_emotion.txt",
        "ckextended.csv",
    ),
    samples=1308,
    classes=8,
    counts={"all": (135, 177, 75, 207, 84, 249, 327, 54)},
)
def ckplus_neutral(data_config: DataConfig) -> Dataset:
    """CK+ with the first frame of each of its sequences as an eighth class, neutral.

    images: (1308, 48, 48) uint8, in FER2013's order of classes with contempt last. The CK+48 folders lack those frames,
    and ckextended.csv has one for each of all 593 sequences. Lucey et al., CVPR Workshops 2010.
    """
    from fer_bench.datasets.ckplus.read import load

    return load("ckplus+neutral", data_config)


@register_dataset(
    "ckplus_sequences",
    input_kind="sequences",
    title="CK+ sequences",
    source="https://www.jeffcohn.net/Resources/",
    terms="Distributed by its authors under an agreement with each user.",
    agreement=True,
    locate="locate_sequences",
    layouts=(
        "CK+48/<class>/S010_004_00000017.png",
        "cohn-kanade-images/S005/001/S005_001_00000001.png with Emotion/S005/001/S005_001_00000011_emotion.txt",
    ),
    samples=327,
    classes=7,
    counts={"all": (45, 59, 25, 69, 28, 83, 18)},
)
def ckplus_sequences(data_config: DataConfig) -> Dataset:
    """CK+ as sequences of three frames in time order, the last three of each.

    images: (327, 3, 48, 48) uint8, seven classes; subjects are known. Lucey et al., CVPR Workshops 2010.
    """
    from fer_bench.datasets.ckplus.read import load

    return load("ckplus_sequences", data_config)
