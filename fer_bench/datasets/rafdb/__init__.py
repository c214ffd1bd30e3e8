"""RAF-DB (Real-world Affective Faces), basic expressions. Imports no NumPy, so that listing is fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_bench.datasets.registry import DataConfig, register_dataset

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset


@register_dataset(
    "rafdb",
    title="RAF-DB",
    source="http://www.whdeng.cn/RAF/model1.html",
    terms="For non-commercial research only, under an agreement with each user.",
    agreement=True,
    locate="locate",
    layouts=(
        "basic/EmoLabel/list_patition_label.txt with basic/Image/aligned/train_00001_aligned.jpg",
        "DATASET/train/<1 to 7>/train_00001_aligned.jpg and DATASET/test/",
    ),
    samples=15339,
    classes=7,
    split="official",
    counts={
        "training": (705, 717, 281, 4772, 1982, 1290, 2524),
        "test": (162, 160, 74, 1185, 478, 329, 680),
    },
)
def rafdb(data_config: DataConfig) -> Dataset:
    """Aligned faces from the web, each labeled by about forty people, with the official training and test splits.

    images: (15339, 48, 48) uint8, gray and reduced from the aligned 100×100 in color; FER2013's seven classes; there
    is no official validation split, and subjects are unknown. Li, Deng & Du, "Reliable Crowdsourcing and Deep
    Locality-Preserving Learning for Expression Recognition in the Wild", CVPR 2017.
    """
    from fer_bench.datasets.rafdb.read import load

    return load(data_config)
