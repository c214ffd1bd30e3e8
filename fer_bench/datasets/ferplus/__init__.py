"""FER+: ten votes for each image of FER2013. Imports no NumPy, so that listing is fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fer_bench.datasets.registry import DataConfig, register_dataset

if TYPE_CHECKING:
    from fer_bench.datasets.dataset import Dataset


@register_dataset(
    "ferplus",
    title="FER+",
    source="https://github.com/microsoft/FERPlus",
    terms="The labels have the MIT License; the images are those of FER2013 and have its terms.",
    locate="locate",
    layouts=("fer2013new.csv together with FER2013",),
    classes=8,
    split="official",
)
def ferplus(data_config: DataConfig) -> Dataset:
    """FER2013's images relabeled by ten people each: majority labels, eight classes with contempt, soft labels.

    images: (samples, 48, 48) uint8, those with a majority for one expression, by the authors' rules; split as in
    FER2013. Barsoum et al., "Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
    Distribution", ICMI 2016.
    """
    from fer_bench.datasets.ferplus.read import load

    return load(data_config)
