"""Random images in the layouts of FER2013."""

from pathlib import Path

import cv2
import numpy as np

from fer_bench.datasets.dataset import FER2013_CLASSES

USAGES = ("Training", "PublicTest", "PrivateTest")
SPLIT_FOLDERS = {"Training": "train", "PublicTest": "test", "PrivateTest": "test"}
# Two rows per class in Training and one in each other split, in the order of the real file.
LABELS = np.array([*range(7), *range(6, -1, -1), *range(7), *range(7)])
SPLIT = np.repeat([0, 1, 2], [14, 7, 7])
IMAGES = np.random.default_rng(7).integers(0, 256, (len(LABELS), 48, 48), dtype=np.uint8)


def csv_rows(usage: bool = True) -> list[str]:
    rows = []
    for label, number, image in zip(LABELS, SPLIT, IMAGES, strict=True):
        rows.append(f"{label},{' '.join(map(str, image.ravel()))}" + (f",{USAGES[number]}" if usage else ""))
    return rows


def write_csv(path: Path, rows: list[str] | None = None, header: str = "emotion,pixels,Usage") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([header, *(csv_rows() if rows is None else rows)]) + "\n")
    return path


def write_folder(
    root: Path, name: str = "{usage}_{row}.png", folders: dict[str, str] = SPLIT_FOLDERS, order=None
) -> Path:
    """Write one image file per row; `name` may use usage, row, within (the row within its split) and scrambled."""
    for row in order if order is not None else range(len(LABELS)):
        usage = USAGES[SPLIT[row]]
        folder = root / folders[usage] / FER2013_CLASSES[LABELS[row]]
        folder.mkdir(parents=True, exist_ok=True)
        within = row - int(np.flatnonzero(SPLIT[row] == SPLIT)[0])
        file = name.format(usage=usage, row=row, within=within, scrambled=(row * 7919 + 10**7) % 99_999_989)
        assert cv2.imwrite(str(folder / file), IMAGES[row])
    return root
