"""A small fer2013.csv."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np


def write_fer2013(folder: Path) -> Path:
    """Write a fer2013.csv of 98 rows whose classes differ in brightness."""
    rng = np.random.default_rng(0)
    with open(folder / "fer2013.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["emotion", "pixels", "Usage"])
        for i in range(98):
            label = i % 7
            pixels = np.clip(rng.normal(30 + 30 * label, 20, 48 * 48), 0, 255).astype(int)
            usage = "Training" if i < 70 else "PublicTest" if i < 84 else "PrivateTest"
            writer.writerow([label, " ".join(map(str, pixels)), usage])
    return folder / "fer2013.csv"
