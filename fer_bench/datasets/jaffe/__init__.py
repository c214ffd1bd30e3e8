"""JAFFE (Japanese Female Facial Expressions). Imports no NumPy, so that listing is fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_bench.datasets.registry import DataConfig, register_dataset

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset


@register_dataset(
    "jaffe",
    title="JAFFE",
    source="https://zenodo.org/records/3451524",
    terms="For non-commercial scientific research only; publications must cite the authors.",
    agreement=True,
    locate="locate",
    layouts=("a folder with KA.AN1.39.tiff and the other 212 images, or folders of classes or subjects with them",),
    samples=213,
    classes=7,
    counts={"all": (30, 29, 32, 31, 31, 30, 30)},
)
def jaffe(data_config: DataConfig) -> Dataset:
    """Posed expressions of ten Japanese women, photographed in a laboratory.

    images: (213, 48, 48) uint8, reduced from 256×256; FER2013's seven classes; subjects are known, there is no official
    split. Lyons, Akamatsu, Kamachi & Gyoba, "Coding Facial Expressions with Gabor Wavelets", FG 1998.
    """
    from fer_bench.datasets.jaffe.read import load

    return load(data_config)
